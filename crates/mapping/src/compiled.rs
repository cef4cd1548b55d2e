//! Compiled maps: a map file in a form that is looked up where it lies, whatever its size.
//!
//! Owns what stands in such a file. There are two kinds: with the domain specs of a map file, as
//! `selinux-map build` makes it for any server, and with the contexts that they lead to on one server.
//! It must not read or map files into memory.

use super::context::{Context, MAX_CONTEXT};
use super::escape::quoted;
use super::file_format::{self, CompiledError, Kind};
use super::lookup::{self, Kinds, Value};
use super::map::{Line, Map};
use super::name::Case;
use super::range::{Highest, Range};
use super::selector::Client;
use super::spec::{DomainSpec, SpecError};
use fst::raw::{Builder, Fst};
use fst::{IntoStreamer as _, Streamer as _};
use std::collections::{BTreeMap, HashMap};
use std::ops;

/// Why a map cannot be compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompileError {
    /// More types and whole contexts than there are numbers for.
    #[error("the map has more than {} different types: divide it", Value::BASES)]
    Bases,
    /// More ranges than there are numbers for.
    #[error("the map has more than {} different ranges: divide it", Value::RANGES - 1)]
    Ranges,
    /// The transducer's builder refused.
    #[error("the map cannot be compiled: {0}")]
    Builder(String),
}

/// How many lines of each type are kept as the ones to try when the map is taken up.
const TRIALS: usize = 256;

const HEAD: usize = 0;
const TRIED: usize = 1;
const BASES: usize = 2;
const RANGES: usize = 3;
const FST: usize = 4;

impl Map {
    /// The compiled form, for [`CompiledMap::open`].
    ///
    /// # Errors
    /// [`CompileError`] where there are more different types or ranges than that form holds.
    pub fn compile(&self) -> Result<Vec<u8>, CompileError> {
        compile(self.case(), self.in_order_of_keys())
    }
}

/// The compiled form of lines that come with their keys, in the order of keys.
fn compile<'l>(
    case: Case,
    lines: impl Iterator<Item = (&'l [u8], &'l Line)>,
) -> Result<Vec<u8>, CompileError> {
    let mut bases = Numbers::default();
    let mut ranges = Numbers::default();
    // No range written is a range too, and the first.
    ranges.number("");
    let mut kinds = Kinds::default();
    let mut count = 0_u64;
    // Of each spec, the line that stands first.
    let mut specs: BTreeMap<(usize, usize), (Value, &DomainSpec)> = BTreeMap::new();
    let mut builder = Builder::memory();
    for (key, line) in lines {
        let (base, range) = line.spec.parts();
        let base = bases.number(&base);
        let range = range.map_or(0, |range| ranges.number(&range));
        let value = Value { line: line.number, base, range };
        kinds.add(&line.who);
        count += 1;
        let first = specs.entry((base, range)).or_insert((value, &line.spec));
        *first = (first.0.min(value), first.1);
        builder.insert(key, value.to_u64()).map_err(|error| CompileError::Builder(error.to_string()))?;
    }
    if bases.texts.len() > Value::BASES {
        return Err(CompileError::Bases);
    }
    if ranges.texts.len() > Value::RANGES {
        return Err(CompileError::Ranges);
    }
    let fst = builder.into_inner().map_err(|error| CompileError::Builder(error.to_string()))?;
    let mut head = count.to_le_bytes().to_vec();
    head.extend_from_slice(&kinds.v4.to_le_bytes());
    head.extend_from_slice(&kinds.v6.to_le_bytes());
    head.extend_from_slice(&[kinds.v6_hosts.into(), kinds.groups.into()]);
    let tried: Vec<u8> = trials(specs.into_values()).flat_map(|value| value.to_u64().to_le_bytes()).collect();
    let (bases, ranges) = (bases.section(), ranges.section());
    let kind = if case == Case::Ignored { Kind::MapIgnoringCase } else { Kind::Map };
    Ok(file_format::write(kind, [&head, &tried, &bases, &ranges, &fst]))
}

/// Of each base, the lines to try: all whose range is no raw one, and an even sample of the others,
/// among them the one with the highest category, which the policy may not have.
fn trials<'l>(specs: impl Iterator<Item = (Value, &'l DomainSpec)>) -> impl Iterator<Item = Value> {
    let mut chosen = Vec::new();
    let mut raw: BTreeMap<usize, Vec<(Highest, Value)>> = BTreeMap::new();
    for (value, spec) in specs {
        match spec.raw_range() {
            None => chosen.push(value),
            Some(range) => raw.entry(value.base).or_default().push((range.highest(), value)),
        }
    }
    for mut of_base in raw.into_values() {
        of_base.sort_unstable();
        let last = of_base.len() - 1;
        let picks = of_base.len().min(TRIALS);
        chosen.extend(
            (0..picks).map(|pick| of_base[if picks == 1 { last } else { pick * last / (picks - 1) }].1),
        );
    }
    chosen.sort_unstable();
    chosen.into_iter()
}

/// Texts numbered in the order they first come.
#[derive(Default)]
struct Numbers {
    texts: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Numbers {
    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), self.texts.len() - 1);
        self.texts.len() - 1
    }

    fn section(&self) -> Vec<u8> {
        file_format::texts(self.texts.iter().map(String::as_str))
    }
}

/// A part of a file in memory.
#[derive(Clone, Debug)]
pub(super) struct Part<D> {
    data: D,
    range: ops::Range<usize>,
}

impl<D> Part<D> {
    pub(super) fn new(data: D, range: ops::Range<usize>) -> Self {
        Self { data, range }
    }
}

impl<D: AsRef<[u8]>> AsRef<[u8]> for Part<D> {
    fn as_ref(&self) -> &[u8] {
        self.data.as_ref().get(self.range.clone()).unwrap_or_default()
    }
}

/// What both kinds of compiled maps have.
struct Tables<D> {
    data: D,
    sections: [ops::Range<usize>; file_format::SECTIONS],
    kinds: Kinds,
    case: Case,
    fst: Fst<Part<D>>,
}

impl<D: AsRef<[u8]> + Clone> Tables<D> {
    /// The kind is the first of the two where the case of names counts, the second where it is ignored. (A flag
    /// would mean nothing to a version that does not know it.)
    fn open([counts, ignored]: [Kind; 2], data: D) -> Result<Self, CompiledError> {
        let (case, sections) = match file_format::read(counts, data.as_ref()) {
            Err(CompiledError::Foreign) => (Case::Ignored, file_format::read(ignored, data.as_ref())?),
            sections => (Case::Counts, sections?),
        };
        let head = &data.as_ref()[sections[HEAD].clone()];
        let bits = |from: usize| -> Result<u128, CompiledError> {
            let bytes = head.get(from..from + 16).ok_or(CompiledError::Damaged)?;
            Ok(u128::from_le_bytes(bytes.try_into().map_err(|_| CompiledError::Damaged)?))
        };
        let flag = |at: usize| head.get(at).map(|flag| *flag != 0).ok_or(CompiledError::Damaged);
        let kinds = Kinds { v4: bits(8)?, v6: bits(24)?, v6_hosts: flag(40)?, groups: flag(41)? };
        let fst =
            Fst::new(Part::new(data.clone(), sections[FST].clone())).map_err(|_| CompiledError::Damaged)?;
        Ok(Self { data, sections, kinds, case, fst })
    }

    fn section(&self, index: usize) -> &[u8] {
        &self.data.as_ref()[self.sections[index].clone()]
    }

    fn count(&self) -> usize {
        let count = self.section(HEAD).first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn texts(&self, value: Value) -> Result<(&str, &str), CompiledError> {
        let base = file_format::text(self.section(BASES), value.base);
        let range = file_format::text(self.section(RANGES), value.range);
        base.zip(range).ok_or(CompiledError::Damaged)
    }
}

/// A compiled map, with domain specs.
pub struct CompiledMap<D>(Tables<D>);

/// The line that decides for somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its number in the map file.
    pub line: usize,
    /// The domain it names.
    pub spec: DomainSpec,
}

impl<D: AsRef<[u8]> + Clone> CompiledMap<D> {
    /// Opens a compiled map that [`Map::compile`](super::Map::compile) made, and reads all of it once to
    /// see that it is whole. `data` is cloned once: a reference, or something that counts them.
    ///
    /// # Errors
    /// [`CompiledError`] where it is something else, or not whole.
    pub fn open(data: D) -> Result<Self, CompiledError> {
        let tables = Tables::open([Kind::Map, Kind::MapIgnoringCase], data)?;
        file_format::verify(tables.data.as_ref())?;
        // The checksum tells of accidents, not of a file that somebody made up.
        if [BASES, RANGES].into_iter().all(|list| file_format::is_list(tables.section(list))) {
            Ok(Self(tables))
        } else {
            Err(CompiledError::Damaged)
        }
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.count()
    }

    /// Whether there are none, so that the map applies to nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a rule is for a group, so that who asks must come with their groups.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.0.kinds.groups
    }

    /// Whether the case of names counts.
    #[must_use]
    pub fn case(&self) -> Case {
        self.0.case
    }

    /// The line that decides for `client`, in time that does not depend on how many there are.
    #[must_use]
    pub fn find(&self, client: &Client<'_>) -> Option<Found> {
        let value = lookup::find(&self.0.fst, self.0.kinds, self.0.case, client)?;
        Some(Found { line: value.line, spec: self.spec(value)? })
    }

    /// All lines, in the order of their keys.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        let mut stream = self.0.fst.into_stream();
        std::iter::from_fn(move || {
            let (key, output) = stream.next()?;
            let value = Value::from_u64(output.value());
            Some(Line { number: value.line, who: lookup::who(key)?, spec: self.spec(value)? })
        })
    }

    /// The lines to try before the map is taken up: of each type, so many.
    pub fn trials(&self) -> impl Iterator<Item = Found> {
        let values = self.0.section(TRIED).as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        values
            .map(Value::from_u64)
            .filter_map(|value| Some(Found { line: value.line, spec: self.spec(value)? }))
    }

    fn spec(&self, value: Value) -> Option<DomainSpec> {
        let (base, range) = self.0.texts(value).ok()?;
        let text = if range.is_empty() { base.to_owned() } else { format!("{base}:{range}") };
        DomainSpec::parse(&text).ok()
    }

    /// The same map with the contexts that its specs lead to for a server in the context `server`.
    /// `translate` gives the raw range of a name.
    ///
    /// # Errors
    /// [`SpecError::Untranslated`] for a name that stands for nothing. That each spec leads to a context at
    /// all is for the caller to find out by [`Self::trials`].
    pub fn resolved(
        &self,
        server: &Context,
        translate: impl Fn(&str) -> Option<Range>,
    ) -> Result<Vec<u8>, SpecError> {
        let without_range = server.clone().with_range(None).to_string();
        let texts = |section| {
            let section = self.0.section(section);
            (0..file_format::count(section)).filter_map(move |index| file_format::text(section, index))
        };
        let bases: Vec<_> = texts(BASES)
            .map(|base| match base {
                "*" => without_range.clone(),
                whole if whole.contains(':') => whole.to_owned(),
                type_ => format!("{}:{}:{type_}", server.user(), server.role()),
            })
            .collect();
        let own = server.range().map(Range::to_string).unwrap_or_default();
        let ranges = texts(RANGES).map(|range| match range {
            "" => Ok(own.clone()),
            raw if Range::looks_raw(raw) => Ok(raw.to_owned()),
            name => match translate(name) {
                Some(range) => Ok(range.to_string()),
                None => Err(SpecError::Untranslated(quoted(name))),
            },
        });
        let ranges: Vec<_> = ranges.collect::<Result<_, _>>()?;
        let bases = file_format::texts(bases.iter().map(String::as_str));
        let ranges = file_format::texts(ranges.iter().map(String::as_str));
        let sections = [self.0.section(HEAD), &[], &bases, &ranges, self.0.section(FST)];
        let kind = match self.0.case {
            Case::Counts => Kind::Resolved,
            Case::Ignored => Kind::ResolvedIgnoringCase,
        };
        Ok(file_format::write(kind, sections))
    }
}

/// A compiled map, with the contexts of one server.
pub struct ResolvedMap<D>(Tables<D>);

impl<D: AsRef<[u8]> + Clone> ResolvedMap<D> {
    /// Opens what [`CompiledMap::resolved`] made. Nothing of it is read: whoever made it is trusted.
    ///
    /// # Errors
    /// [`CompiledError`] where it is something else.
    pub fn open(data: D) -> Result<Self, CompiledError> {
        Tables::open([Kind::Resolved, Kind::ResolvedIgnoringCase], data).map(Self)
    }

    /// Whether a rule is for a group.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.0.kinds.groups
    }

    /// Whether the case of names counts.
    #[must_use]
    pub fn case(&self) -> Case {
        self.0.case
    }

    /// User, role and type of all contexts that it leads to, with colons between them: each once.
    pub fn bases(&self) -> impl Iterator<Item = &str> {
        let bases = self.0.section(BASES);
        (0..file_format::count(bases)).filter_map(move |index| file_format::text(bases, index))
    }

    /// The line that decides for `client`, and the context it leads to.
    ///
    /// # Errors
    /// [`CompiledError`] where the map is not what it should be, or the context longer than the kernel takes.
    pub fn find(&self, client: &Client<'_>) -> Result<Option<(usize, String)>, CompiledError> {
        let Some(value) = lookup::find(&self.0.fst, self.0.kinds, self.0.case, client) else {
            return Ok(None);
        };
        let (base, range) = self.0.texts(value)?;
        let mut context = String::with_capacity(base.len() + 1 + range.len());
        context.push_str(base);
        if !range.is_empty() {
            context.push(':');
            context.push_str(range);
        }
        if context.len() > MAX_CONTEXT {
            Err(CompiledError::Damaged)
        } else {
            Ok(Some((value.line, context)))
        }
    }
}

#[cfg(test)]
mod tests;
