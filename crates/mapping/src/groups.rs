//! Group files: `group: user user …`, as `AuthGroupFile` names them.
//!
//! Owns their grammar, which is mod_authz_groupfile's (`groups_for_user`), and a compiled form that
//! tells the groups of a user. It must not read files.

use super::compiled::Part;
use super::escape::quoted;
use super::file_format::{self, CompiledError, Kind};
use super::name::{Case, fold};
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

/// What can be wrong with a line of a group file. Names are bytes, to httpd as well: none is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GroupFault {
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
    /// Of each user, the groups, as [`Case::group`] has them where case counts.
    users: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
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
        if line.contains(&0) {
            return Err(GroupFault::Nul);
        }
        let line = trim_end(trim_start(line));
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let colon = line.iter().position(|b| *b == b':').ok_or_else(|| GroupFault::NoColon(quoted(line)))?;
        let (name, users) = line.split_at(colon);
        let name = trim_end(name);
        if name.is_empty() {
            return Err(GroupFault::NoName);
        }
        // `ap_getword` takes several colons for one.
        let mut users = &users[users.iter().take_while(|b| **b == b':').count()..];
        while let Some(user) = word(&mut users) {
            self.users.entry(user).or_default().insert(Case::Counts.group(name));
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
        let names: BTreeSet<&[u8]> = self.users.values().flatten().map(Vec::as_slice).collect();
        let numbers: BTreeMap<&[u8], u32> = names.iter().copied().zip(0..).collect();
        // By names as they are, and, where that is not the same, by folded ones: the groups of all whose names
        // fold to it.
        let mut keys: BTreeMap<Vec<u8>, BTreeSet<&[u8]>> = BTreeMap::new();
        let folded: BTreeSet<Vec<u8>> =
            self.users.keys().filter_map(|user| Some(fold(user)).filter(|folded| folded != user)).collect();
        for (user, groups) in &self.users {
            let groups = || groups.iter().map(Vec::as_slice);
            keys.entry(exact_key(user)).or_default().extend(groups());
            let fold = fold(user);
            if folded.contains(&fold) {
                keys.entry(folded_key(&fold)).or_default().extend(groups());
            }
        }
        let mut lists = Vec::new();
        let mut builder = Builder::memory();
        for (key, groups) in &keys {
            let place = lists.len() as u64;
            lists.extend_from_slice(&(groups.len() as u32).to_le_bytes());
            for group in groups {
                lists.extend_from_slice(&numbers[group].to_le_bytes());
            }
            // The map's keys are in order, and there once: the builder has nothing to refuse.
            let _ = builder.insert(key, place);
        }
        let fst = builder.into_inner().unwrap_or_default();
        let names = file_format::texts(names.into_iter());
        file_format::write(Kind::Groups, [&[], &[], &names, &lists, &fst])
    }
}

fn exact_key(user: &[u8]) -> Vec<u8> {
    [b"e", user].concat()
}

fn folded_key(folded: &[u8]) -> Vec<u8> {
    [b"f", folded].concat()
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
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
}

fn trim_start(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| is_space(**b)).count()..]
}

fn trim_end(text: &[u8]) -> &[u8] {
    &text[..text.len() - text.iter().rev().take_while(|b| is_space(**b)).count()]
}

/// Takes the next word off a text, as `ap_getword_conf` does.
fn word(text: &mut &[u8]) -> Option<Vec<u8>> {
    let rest = trim_start(text);
    let (first, inner) = rest.split_first()?;
    if !b"\"'".contains(first) {
        let end = rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len());
        *text = &rest[end..];
        return Some(rest[..end].to_vec());
    }
    let mut word = Vec::new();
    let mut rest = inner;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            _ if byte == first => break,
            // Before the quote or another backslash, it makes that one part of the word.
            b'\\' => match behind.split_first().filter(|(next, _)| **next == b'\\' || *next == first) {
                Some((next, behind)) => {
                    word.push(*next);
                    rest = behind;
                }
                None => word.push(*byte),
            },
            _ => word.push(*byte),
        }
    }
    *text = rest;
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
        let [_, _, names, lists, fst] = file_format::read(Kind::Groups, data.as_ref())?;
        let fst = Fst::new(Part::new(data.clone(), fst)).map_err(|_| CompiledError::Damaged)?;
        Ok(Self { data, names, lists, fst })
    }

    /// The groups a user is in, by names of users in which case counts or not; the groups' names as
    /// [`Case::group`] has them where it counts.
    ///
    /// # Errors
    /// [`CompiledError`] where the file is not what it should be.
    pub fn groups(&self, user: &[u8], case: Case) -> Result<Vec<&[u8]>, CompiledError> {
        let place = match case {
            Case::Counts => self.fst.get(exact_key(user)),
            Case::Ignored => {
                let folded = fold(user);
                self.fst.get(folded_key(&folded)).or_else(|| self.fst.get(exact_key(&folded)))
            }
        };
        let Some(place) = place else { return Ok(Vec::new()) };
        let section = |range: &ops::Range<usize>| &self.data.as_ref()[range.clone()];
        let (names, lists) = (section(&self.names), section(&self.lists));
        let list = lists.get(place.value() as usize..).unwrap_or_default();
        let mut numbers = list.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let count = numbers.next().ok_or(CompiledError::Damaged)?;
        let groups: Vec<_> =
            numbers.take(count).map_while(|number| file_format::bytes(names, number)).collect();
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
            let groups: Vec<_> = groups.iter().map(|group: &&str| group.as_bytes()).collect();
            assert_eq!(file.groups(user.as_bytes(), Case::Counts).unwrap(), groups, "{user}");
        }
    }

    #[test]
    fn lines_that_httpd_would_pass_over_are_errors() {
        let told = |text: &[u8]| {
            let errors = Groups::parse(text).unwrap_err();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            told(b"staff foo\n: foo\nx\\\ny\n\xff a\na: \0b\n"),
            [
                "line 1: `staff foo` has no colon: write `group: user user`",
                "line 2: no group is named before the colon: write `group: user user`",
                "line 3: `xy` has no colon: write `group: user user`",
                r"line 5: `\xff a` has no colon: write `group: user user`",
                "line 6: the line has a NUL in it: take it away",
            ]
        );
        assert_eq!(told(&b"x\n".repeat(1000)).len(), MAX_ERRORS);
    }

    #[test]
    fn names_are_bytes_and_case_is_ignored_for_maps_that_do() {
        let file = GroupFile::open(
            Groups::parse(b"caf\xe9: m\xfcller Bar\nstaff: m\xe4ller bar\nALL: baz\n").unwrap().compile(),
        )
        .unwrap();
        let of = |user: &[u8], case| {
            file.groups(user, case).unwrap().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        for (user, exact, ignored) in [
            (&b"m\xfcller"[..], &[&b"caf\xe9"[..]][..], &[&b"caf\xe9"[..]][..]),
            (b"m\xe4ller", &[b"staff"], &[b"staff"]),
            ("m\u{fffd}ller".as_bytes(), &[], &[]),
            (b"Bar", &[b"caf\xe9"], &[b"caf\xe9", b"staff"]),
            (b"bar", &[b"staff"], &[b"caf\xe9", b"staff"]),
            (b"BAR", &[], &[b"caf\xe9", b"staff"]),
            (b"BAZ", &[], &[b"all"]),
            (b"ebar", &[], &[]),
        ] {
            assert_eq!(
                (of(user, Case::Counts), of(user, Case::Ignored)),
                (
                    exact.iter().map(|name| name.to_vec()).collect(),
                    ignored.iter().map(|name| name.to_vec()).collect(),
                )
            );
        }
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
                .map(|(name, _)| name.to_ascii_lowercase().into_bytes())
                .collect();
            let file = file(&text);
            prop_assert_eq!(file.groups(user.as_bytes(), Case::Counts).unwrap(), expected.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(groups) = Groups::parse(&text) {
                let file = GroupFile::open(groups.compile()).unwrap();
                for (user, of) in &groups.users {
                    prop_assert_eq!(file.groups(user, Case::Counts).unwrap(), of.iter().map(Vec::as_slice).collect::<Vec<_>>());
                    // Those of all whose name is the same but for case.
                    let same = groups.users.iter().filter(|(other, _)| fold(other) == fold(user));
                    let of: BTreeSet<_> = same.flat_map(|(_, of)| of.iter().map(Vec::as_slice)).collect();
                    prop_assert_eq!(file.groups(user, Case::Ignored).unwrap(), of.into_iter().collect::<Vec<_>>());
                }
            }
            prop_assert!(GroupFile::open(text).is_err());
        }
    }
}
