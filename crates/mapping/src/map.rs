//! A map file: one rule a line, `who domain[:range]`, and before all rules, where names ignore case, the line
//! `ignore-case`.
//!
//! Owns the file's grammar. It must not read files; which line decides for whom is `lookup`'s.

use super::escape::quoted;
use super::lookup::{Value, key};
use super::name::Case;
use super::selector::{Selector, SelectorError};
use super::spec::{DomainSpec, SpecError};

/// The longest line, in bytes. httpd's own limit for a line of configuration.
const MAX_LINE: usize = 8192;

/// The line that has the case of names ignored. With a domain behind it, it is a user like any other.
const IGNORE_CASE: &str = "ignore-case";

/// How many errors are told at once.
const MAX_ERRORS: usize = 100;

/// One thing that is wrong with a map file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {}{fault}", field.as_ref().map_or(String::new(), |f| format!("{f}: ")))]
pub struct MapError {
    /// The line, from 1.
    pub line: usize,
    /// Where in the line it is, in characters from 1.
    pub column: usize,
    /// The field that is wrong, made fit for a log line; `None` where it is the line as a whole.
    pub field: Option<String>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a line of a map file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Not UTF-8.
    #[error(
        "the line is not UTF-8: save the file as UTF-8, or write a name that is not UTF-8 in quotes, as in \
         \"m\\xfcller\""
    )]
    Encoding,
    /// A control character, NUL included, anywhere in the line.
    #[error("the control character U+{0:04X} is in the line: take it away")]
    Control(u32),
    /// Longer than a line may be.
    #[error("the line is {0} bytes long and may have {MAX_LINE}: make it shorter")]
    TooLong(usize),
    /// httpd's sign for 'this line goes on', which the C module of 2012 obeyed, in comments too.
    #[error("the line ends with a backslash, but a rule has one line: take the backslash away")]
    Continued,
    /// A name and no domain.
    #[error("no domain follows: write `who domain[:range]`")]
    NoDomain,
    /// More than two fields.
    #[error(
        "more than two fields: write `who domain[:range]`, a name with blanks in quotes, and `#` \
         before a comment"
    )]
    TooManyFields,
    /// `#` inside the domain.
    #[error("`#` starts a comment only after a blank: put a blank before it")]
    Comment,
    /// The first field names nobody.
    #[error(transparent)]
    Selector(SelectorError),
    /// The second field is no domain spec.
    #[error(transparent)]
    Domain(SpecError),
    /// Another line is for the same one.
    #[error("line {0} is for the same one and always applies first: take one of the two away")]
    Duplicate(usize),
    /// Another line is for the same one where case is ignored.
    #[error(
        "line {0} is for the same one, as the map ignores case, and always applies first: take one of the two away"
    )]
    DuplicateInOtherCase(usize),
    /// `ignore-case` behind a rule.
    #[error("`ignore-case` is about the whole map: put it before all rules")]
    CaseTooLate,
    /// More lines than a map can have.
    #[error("there are more lines than {}: divide the map", Value::MAX_LINE)]
    TooManyLines,
    /// The last entry of a list that was cut short.
    #[error("more errors follow: mend these {MAX_ERRORS} first")]
    More,
}

/// A rule of a map file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its line in the file, from 1.
    pub number: usize,
    /// Who it is for.
    pub who: Selector,
    /// The domain these are served in.
    pub spec: DomainSpec,
}

/// A map file's rules, as they were read.
#[derive(Clone, Debug)]
pub struct Map {
    lines: Vec<Line>,
    /// The key of each rule and its index in `lines`, in the order of keys.
    keys: Vec<(Vec<u8>, usize)>,
    case: Case,
}

impl Map {
    /// Reads a map file's text: a rule a line, fields separated by blanks or tabs, empty lines,
    /// and comments from a `#` that starts the line or follows a blank. Lines end in LF or CR LF;
    /// a byte order mark at the start is passed over. The line `ignore-case`, which comes before all rules, has
    /// [`Case::Ignored`] for all names; those of rules are folded then.
    ///
    /// # Errors
    /// All that is wrong, in the order of lines; where that is very much, the first hundred and a
    /// [`Fault::More`].
    pub fn parse(text: &[u8]) -> Result<Self, Vec<MapError>> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut lines = Vec::new();
        let mut errors = Vec::new();
        let mut case = Case::Counts;
        for (number, text) in (1..).zip(text.split(|&b| b == b'\n')) {
            let whole = |fault| MapError { line: number, column: 1, field: None, fault };
            match content(text) {
                Ok(Content::Rule(..)) if number > Value::MAX_LINE => {
                    errors.push(whole(Fault::TooManyLines));
                    break;
                }
                Ok(Content::Rule(who, spec)) => lines.push(Line { number, who: who.in_case(case), spec }),
                Ok(Content::IgnoreCase) if !lines.is_empty() => errors.push(whole(Fault::CaseTooLate)),
                Ok(Content::IgnoreCase) => case = Case::Ignored,
                Ok(Content::Nothing) => {}
                Err(wrong) => errors.push(wrong.in_line(number, text)),
            }
            if errors.len() > MAX_ERRORS {
                break;
            }
        }
        let mut keys: Vec<_> =
            lines.iter().enumerate().map(|(index, line)| (key(&line.who), index)).collect();
        // Of equal keys, the first line comes first.
        keys.sort_unstable();
        for same in keys.chunk_by(|one, other| one.0 == other.0) {
            for (_, index) in &same[1..] {
                let line = &lines[*index];
                let first = lines[same[0].1].number;
                errors.push(MapError {
                    line: line.number,
                    column: 1,
                    field: Some(quoted(line.who.to_string())),
                    fault: match case {
                        Case::Counts => Fault::Duplicate(first),
                        Case::Ignored => Fault::DuplicateInOtherCase(first),
                    },
                });
            }
        }
        if errors.is_empty() {
            return Ok(Self { lines, keys, case });
        }
        errors.sort_by_key(|error| error.line);
        if let Some(more) = errors.get_mut(MAX_ERRORS) {
            *more = MapError { line: more.line, column: 1, field: None, fault: Fault::More };
            errors.truncate(MAX_ERRORS + 1);
        }
        Err(errors)
    }

    /// The rules, in the file's order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether the case of names counts.
    #[must_use]
    pub fn case(&self) -> Case {
        self.case
    }

    /// Whether a rule is for a group.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.who, Selector::Group(_)))
    }

    /// The rules with their keys, in the order of keys.
    pub(super) fn in_order_of_keys(&self) -> impl Iterator<Item = (&[u8], &Line)> {
        self.keys.iter().map(|(key, index)| (key.as_slice(), &self.lines[*index]))
    }
}

/// What is wrong with a line.
struct Wrong<'t> {
    /// Where, in bytes.
    at: usize,
    field: Option<&'t str>,
    fault: Fault,
}

impl Wrong<'_> {
    fn in_line(self, number: usize, line: &[u8]) -> MapError {
        let before = String::from_utf8_lossy(&line[..self.at]).chars().count();
        MapError { line: number, column: before + 1, field: self.field.map(quoted), fault: self.fault }
    }
}

/// What a line has to say.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Content {
    Nothing,
    IgnoreCase,
    Rule(Selector, DomainSpec),
}

fn content(line: &[u8]) -> Result<Content, Wrong<'_>> {
    let whole = |at, fault| Wrong { at, field: None, fault };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_LINE {
        return Err(whole(0, Fault::TooLong(line.len())));
    }
    let line = str::from_utf8(line).map_err(|error| whole(error.valid_up_to(), Fault::Encoding))?;
    if let Some((at, c)) = line.char_indices().find(|&(_, c)| c.is_control() && c != '\t') {
        return Err(whole(at, Fault::Control(c.into())));
    }
    if line.ends_with('\\') {
        return Err(whole(line.len() - 1, Fault::Continued));
    }
    let mut rest = line;
    let Some((at, who_text)) = field(line, &mut rest) else {
        return Ok(Content::Nothing);
    };
    let in_who = |fault| Wrong { at, field: Some(who_text), fault };
    let who = Selector::parse(who_text).map_err(|error| in_who(Fault::Selector(error)))?;
    let (at, domain_text) = match field(line, &mut rest) {
        Some(domain) => domain,
        None if who_text == IGNORE_CASE => return Ok(Content::IgnoreCase),
        None => return Err(in_who(Fault::NoDomain)),
    };
    if let Some((at, more)) = field(line, &mut rest) {
        return Err(Wrong { at, field: Some(more), fault: Fault::TooManyFields });
    }
    let spec = DomainSpec::parse(domain_text).map_err(|error| {
        let fault = if domain_text.contains('#') { Fault::Comment } else { Fault::Domain(error) };
        Wrong { at, field: Some(domain_text), fault }
    })?;
    Ok(Content::Rule(who, spec))
}

/// Takes the next field off `rest`, the end of `line`, and gives it with where it is in there; `None`
/// where only blanks or a comment are left. A `#` inside a field belongs to it, and so do blanks
/// between quotes.
fn field<'t>(line: &str, rest: &mut &'t str) -> Option<(usize, &'t str)> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let text = rest.trim_start_matches(BLANKS);
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let quote = if text.starts_with('@') { 1 } else { 0 };
    let closed = text[quote..].strip_prefix('"').map_or(0, |inner| {
        let mut escaped = false;
        let end = inner.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        end.map_or(text.len(), |end| quote + 1 + end)
    });
    let end = text[closed..].find(BLANKS).map_or(text.len(), |end| closed + end);
    let (field, behind) = text.split_at(end);
    *rest = behind;
    Some((line.len() - text.len(), field))
}

#[cfg(test)]
pub(super) mod tests;
