//! Group files: `group: user user …`, as `AuthGroupFile` names them.
//!
//! Owns their grammar, which is mod_authz_groupfile's (`groups_for_user`), and a compiled form that
//! tells the groups of a user. It must not read files.

use super::compiled::{CompiledError, Part};
use super::container::{self, Kind};
use super::quoted;
use fst::raw::{Builder, Fst};
use std::collections::{BTreeMap, BTreeSet};
use std::ops;

/// How many errors are told at once.
const MAX_ERRORS: usize = 100;

/// One thing that is wrong with a group file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct GroupError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: GroupFault,
}

/// What can be wrong with a line of a group file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GroupFault {
    /// Not UTF-8.
    #[error("the line is not UTF-8: save the file as UTF-8")]
    Encoding,
    /// A NUL, where httpd would take the line to end.
    #[error("the line has a NUL in it: take it away")]
    Nul,
    /// No colon.
    #[error("{0} has no colon: write `group: user user`")]
    NoColon(String),
    /// Nothing before the colon.
    #[error("no group is named before the colon: write `group: user user`")]
    NoName,
}

/// Who is in which groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Groups {
    /// Of each user, the groups, in lower case as far as they are ASCII (see [`Who::Group`](super::Who)).
    users: BTreeMap<String, BTreeSet<String>>,
}

impl Groups {
    /// Reads a group file's text as httpd does: a group a line, which goes on after a backslash at its
    /// end; a name with blanks in quotes; comment lines start with `#`; a group may have several lines.
    ///
    /// # Errors
    /// All lines that httpd would pass over or take for something else; where there are very many, the first.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<GroupError>> {
        let mut groups = Self::default();
        let mut errors = Vec::new();
        for (line, text) in whole_lines(text) {
            if let Err(fault) = groups.add(&text) {
                errors.push(GroupError { line, fault });
                if errors.len() == MAX_ERRORS {
                    break;
                }
            }
        }
        if errors.is_empty() { Ok(groups) } else { Err(errors) }
    }

    fn add(&mut self, line: &[u8]) -> Result<(), GroupFault> {
        let line = str::from_utf8(line).map_err(|_| GroupFault::Encoding)?;
        if line.contains('\0') {
            return Err(GroupFault::Nul);
        }
        let line = line.trim_matches(is_space);
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (name, mut users) = line.split_once(':').ok_or_else(|| GroupFault::NoColon(quoted(line)))?;
        let name = name.trim_end_matches(is_space);
        if name.is_empty() {
            return Err(GroupFault::NoName);
        }
        // `ap_getword` takes several colons for one.
        users = users.trim_start_matches(':');
        while let Some(user) = word(&mut users) {
            self.users.entry(user).or_default().insert(name.to_ascii_lowercase());
        }
        Ok(())
    }

    /// How many users are in a group.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// The compiled form, for [`GroupFile::open`]. Cannot fail but for lack of memory.
    #[must_use]
    pub fn compile(&self) -> Vec<u8> {
        let names: BTreeSet<&str> = self.users.values().flatten().map(String::as_str).collect();
        let numbers: BTreeMap<&str, u32> = names.iter().copied().zip(0..).collect();
        let mut lists = Vec::new();
        let mut builder = Builder::memory();
        for (user, groups) in &self.users {
            let place = lists.len() as u64;
            lists.extend_from_slice(&(groups.len() as u32).to_le_bytes());
            for group in groups {
                lists.extend_from_slice(&numbers[group.as_str()].to_le_bytes());
            }
            // The map's keys are in order, and there once: the builder has nothing to refuse.
            let _ = builder.insert(user, place);
        }
        let fst = builder.into_inner().unwrap_or_default();
        let names = container::texts(names.into_iter());
        container::write(Kind::Groups, [&[], &[], &names, &lists, &fst])
    }
}

/// The lines of a text with their numbers, those that go on after a backslash put together.
fn whole_lines(text: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let mut lines = (1..).zip(text.split(|&b| b == b'\n'));
    std::iter::from_fn(move || {
        let (number, line) = lines.next()?;
        let mut whole = line.to_vec();
        loop {
            let end = whole.len() - usize::from(whole.ends_with(b"\r"));
            if !whole[..end].ends_with(b"\\") {
                return Some((number, whole));
            }
            // At the text's very end, httpd leaves the backslash.
            let Some((_, more)) = lines.next() else { return Some((number, whole)) };
            whole.truncate(end - 1);
            whole.extend_from_slice(more);
        }
    })
}

/// `apr_isspace`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// Takes the next word off a text, as `ap_getword_conf` does.
fn word(text: &mut &str) -> Option<String> {
    let rest = text.trim_start_matches(is_space);
    let first = rest.chars().next()?;
    if first != '"' && first != '\'' {
        let end = rest.find(is_space).unwrap_or(rest.len());
        *text = &rest[end..];
        return Some(rest[..end].to_owned());
    }
    let mut word = String::new();
    let mut chars = rest[1..].chars();
    while let Some(c) = chars.next() {
        match c {
            _ if c == first => break,
            // Before the quote or another backslash, it makes that one part of the word.
            '\\' => match chars.clone().next().filter(|next| *next == '\\' || *next == first) {
                Some(next) => {
                    word.push(next);
                    chars.next();
                }
                None => word.push(c),
            },
            _ => word.push(c),
        }
    }
    *text = chars.as_str();
    Some(word)
}

/// A compiled group file.
pub struct GroupFile<D> {
    data: D,
    names: ops::Range<usize>,
    lists: ops::Range<usize>,
    fst: Fst<Part<D>>,
}

impl<D: AsRef<[u8]> + Clone> GroupFile<D> {
    /// Opens what [`Groups::compile`] made. Nothing of it is read: whoever made it is trusted.
    ///
    /// # Errors
    /// [`CompiledError`] where it is something else.
    pub fn open(data: D) -> Result<Self, CompiledError> {
        let [_, _, names, lists, fst] = container::read(Kind::Groups, data.as_ref())?;
        let fst = Fst::new(Part::new(data.clone(), fst)).map_err(|_| CompiledError::Damaged)?;
        Ok(Self { data, names, lists, fst })
    }

    /// The groups a user is in, in lower case as far as they are ASCII.
    ///
    /// # Errors
    /// [`CompiledError`] where the file is not what it should be.
    pub fn groups(&self, user: &str) -> Result<Vec<&str>, CompiledError> {
        let Some(place) = self.fst.get(user) else { return Ok(Vec::new()) };
        let section = |range: &ops::Range<usize>| &self.data.as_ref()[range.clone()];
        let (names, lists) = (section(&self.names), section(&self.lists));
        let list = lists.get(place.value() as usize..).unwrap_or_default();
        let mut numbers = list.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let count = numbers.next().ok_or(CompiledError::Damaged)?;
        let groups: Vec<_> = numbers.take(count).map_while(|number| container::text(names, number)).collect();
        if groups.len() == count { Ok(groups) } else { Err(CompiledError::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> GroupFile<Vec<u8>> {
        GroupFile::open(Groups::parse(text.as_bytes()).unwrap().compile()).unwrap()
    }

    #[test]
    fn a_group_file_means_what_it_means_to_httpd() {
        let file = file(
            "# comment: foo\nstaff: foo bar\n\nStaff : baz\nweb team::foo \"b r\" 'it\\'s' q\\\n ux\n  other:\tfoo\r\n",
        );
        for (user, groups) in [
            ("foo", &["other", "staff", "web team"][..]),
            ("bar", &["staff"]),
            ("baz", &["staff"]),
            ("b r", &["web team"]),
            ("it's", &["web team"]),
            ("ux", &["web team"]),
            ("q", &["web team"]),
            ("qux", &[]),
            ("Foo", &[]),
        ] {
            assert_eq!(file.groups(user).unwrap(), groups, "{user}");
        }
    }

    #[test]
    fn lines_that_httpd_would_pass_over_are_errors() {
        let told = |text: &[u8]| {
            let errors = Groups::parse(text).unwrap_err();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            told(b"staff foo\n: foo\nx\\\ny\n\xff: a\na: \0b\n"),
            [
                "line 1: `staff foo` has no colon: write `group: user user`",
                "line 2: no group is named before the colon: write `group: user user`",
                "line 3: `xy` has no colon: write `group: user user`",
                "line 5: the line is not UTF-8: save the file as UTF-8",
                "line 6: the line has a NUL in it: take it away",
            ]
        );
        assert_eq!(told(&b"x\n".repeat(1000)).len(), MAX_ERRORS);
    }

    proptest! {
        #[test]
        fn each_user_has_the_groups_that_have_the_user(
            groups in proptest::collection::vec(("[a-cA-C]{1,2}", proptest::collection::vec("[a-z]{1,2}", 0..6)), 0..8),
            user in "[a-z]{1,2}",
        ) {
            let text: String = groups.iter().map(|(name, users)| format!("{name}: {}\n", users.join(" "))).collect();
            let expected: BTreeSet<_> = groups
                .iter()
                .filter(|(_, users)| users.contains(&user))
                .map(|(name, _)| name.to_ascii_lowercase())
                .collect();
            let file = file(&text);
            prop_assert_eq!(file.groups(&user).unwrap(), expected.iter().map(String::as_str).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(groups) = Groups::parse(&text) {
                let file = GroupFile::open(groups.compile()).unwrap();
                for (user, of) in &groups.users {
                    prop_assert_eq!(file.groups(user).unwrap(), of.iter().map(String::as_str).collect::<Vec<_>>());
                }
            }
            prop_assert!(GroupFile::open(text).is_err());
        }
    }
}
