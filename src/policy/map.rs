//! A map file: one rule a line, `who domain[:range]`.
//!
//! Owns the file's grammar and which line applies to whom. It must not read files, nor know what
//! becomes of the domain specs: the caller turns them into what it needs by [`Map::try_map`].

use std::collections::HashMap;

use super::quoted;
use super::spec::{DomainSpec, SpecError};
use super::who::{Asker, Who, WhoError};

/// The longest line, in bytes. httpd's own limit for a line of configuration.
const MAX_LINE: usize = 8192;

/// How many errors are told at once.
const MAX_ERRORS: usize = 100;

/// One thing that is wrong with a map file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {}{fault}", field.as_ref().map_or(String::new(), |f| format!("{f}: ")))]
pub struct MapError {
    /// The line, from 1.
    pub line: usize,
    /// The field that is wrong, made fit for a log line; `None` where it is the line as a whole.
    pub field: Option<String>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a line of a map file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Not UTF-8.
    #[error("the line is not UTF-8: save the file as UTF-8")]
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
        "more than two fields: write `who domain[:range]`, names without blanks, and `#` before a \
         comment"
    )]
    TooManyFields,
    /// `#` inside the domain.
    #[error("`#` starts a comment only after a blank: put a blank before it")]
    Comment,
    /// The first field names nobody.
    #[error(transparent)]
    Who(WhoError),
    /// The second field is no domain spec.
    #[error(transparent)]
    Domain(SpecError),
    /// Another line is for the same one.
    #[error("line {0} is for the same one and always applies first: take one of the two away")]
    Duplicate(usize),
    /// The last entry of a list that was cut short.
    #[error("more errors follow: mend these {MAX_ERRORS} first")]
    More,
}

/// A map file's rules with something of type `T` per line: the domain spec when parsed, and
/// whatever the caller makes of it later.
///
/// The first line in the file that applies decides, whatever its kind. Lines behind `*` never
/// apply; they are allowed (a site may park rules there), but none may be there twice.
#[derive(Clone, Debug)]
pub struct Map<T> {
    /// Line number and value of each rule, in the file's order.
    rules: Vec<(usize, T)>,
    /// Index into `rules` of each user's own.
    users: HashMap<String, usize>,
    /// All but users, ascending by index into `rules`.
    others: Vec<(Who, usize)>,
}

impl Map<DomainSpec> {
    /// Reads a map file's text: a rule a line, fields separated by blanks or tabs, empty lines,
    /// and comments from a `#` that starts the line or follows a blank. Lines end in LF or CR LF;
    /// a byte order mark at the start is passed over.
    ///
    /// # Errors
    /// All that is wrong, in the order of lines; where that is very much, the first hundred and a
    /// [`Fault::More`].
    pub fn parse(text: &[u8]) -> Result<Self, Vec<MapError>> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut map = Self { rules: Vec::new(), users: HashMap::new(), others: Vec::new() };
        let mut seen = HashMap::new();
        let mut errors = Vec::new();
        for (line, text) in (1..).zip(text.split(|&b| b == b'\n')) {
            let added = rule(text).and_then(|rule| match rule {
                Some((text, who, domain)) => map
                    .add(line, who, domain, &mut seen)
                    .map_err(|first| (Some(text), Fault::Duplicate(first))),
                None => Ok(()),
            });
            if let Err((field, fault)) = added {
                if errors.len() == MAX_ERRORS {
                    errors.push(MapError { line, field: None, fault: Fault::More });
                    break;
                }
                errors.push(MapError { line, field: field.map(quoted), fault });
            }
        }
        if errors.is_empty() { Ok(map) } else { Err(errors) }
    }

    /// Adds a rule behind the ones that are there, or gives the line that has one for the same
    /// `who`. `seen` is where this keeps the index of each rule that is not for a user.
    fn add(
        &mut self,
        line: usize,
        who: Who,
        domain: DomainSpec,
        seen: &mut HashMap<Who, usize>,
    ) -> Result<(), usize> {
        let index = self.rules.len();
        let first = match who {
            Who::User(name) => *self.users.entry(name).or_insert(index),
            other => *seen.entry(other.clone()).or_insert_with(|| {
                self.others.push((other, index));
                index
            }),
        };
        if first != index {
            return Err(self.rules[first].0);
        }
        self.rules.push((line, domain));
        Ok(())
    }
}

impl<T> Map<T> {
    /// The value and the line of the first rule that applies to `who`. A user's own line is found
    /// in constant time; only lines of the other kinds that stand before it are looked at.
    #[must_use]
    pub fn find(&self, who: &Asker<'_>) -> Option<(&T, usize)> {
        let own = who.user.and_then(|name| self.users.get(name).copied());
        let (line, value) = self
            .others
            .iter()
            .take_while(|(_, index)| own.is_none_or(|own| *index < own))
            .find_map(|(other, index)| other.matches(who).then_some(*index))
            .or(own)
            .map(|index| &self.rules[index])?;
        Some((value, *line))
    }

    /// Line and value of each rule, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.rules.iter().map(|(line, value)| (*line, value))
    }

    /// The same rules with what `f` makes of each line's value.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U, E>(self, mut f: impl FnMut(usize, T) -> Result<U, E>) -> Result<Map<U>, E> {
        let Self { rules, users, others } = self;
        let rules =
            rules.into_iter().map(|(line, value)| Ok((line, f(line, value)?))).collect::<Result<_, E>>()?;
        Ok(Map { rules, users, others })
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none, so that the map applies to nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// What is wrong with a line, and the field it is wrong in.
type Wrong<'t> = (Option<&'t str>, Fault);

/// The rule in a line, with the text that says who it is for; `None` where there is none.
fn rule(line: &[u8]) -> Result<Option<(&str, Who, DomainSpec)>, Wrong<'_>> {
    let whole = |fault| (None, fault);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_LINE {
        return Err(whole(Fault::TooLong(line.len())));
    }
    let line = str::from_utf8(line).map_err(|_| whole(Fault::Encoding))?;
    if let Some(c) = line.chars().find(|&c| c.is_control() && c != '\t') {
        return Err(whole(Fault::Control(c.into())));
    }
    if line.ends_with('\\') {
        return Err(whole(Fault::Continued));
    }
    let mut fields = uncommented(line).split([' ', '\t']).filter(|field| !field.is_empty());
    let Some(who_text) = fields.next() else {
        return Ok(None);
    };
    let in_who = |fault| (Some(who_text), fault);
    // Before the number of fields: `@group` lines and quoted names may have more than two.
    let who = Who::parse(who_text).map_err(|error| in_who(Fault::Who(error)))?;
    let domain_text = fields.next().ok_or_else(|| in_who(Fault::NoDomain))?;
    if let Some(more) = fields.next() {
        return Err((Some(more), Fault::TooManyFields));
    }
    let domain = DomainSpec::parse(domain_text).map_err(|error| {
        let fault = if domain_text.contains('#') { Fault::Comment } else { Fault::Domain(error) };
        (Some(domain_text), fault)
    })?;
    Ok(Some((who_text, who, domain)))
}

/// `line` without its comment. A `#` inside a field belongs to it: names may have one.
fn uncommented(line: &str) -> &str {
    let comment = line
        .bytes()
        .enumerate()
        .position(|(at, b)| b == b'#' && (at == 0 || b" \t".contains(&line.as_bytes()[at - 1])));
    &line[..comment.unwrap_or(line.len())]
}

#[cfg(test)]
mod tests;
