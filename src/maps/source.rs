//! The files that rules read: maps and group files, each read once for all rules that name it.

use super::file::{Opened, Stamp};
use crate::selinux::contexts::LocatedSpec;
use mapping::{CompiledMap, Groups, Map};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A map, one rule a line (`txt:`).
    Text,
    /// A map made by `selinux-map build` (`fst:`).
    Compiled,
    /// A group file (`AuthGroupFile`).
    Groups,
}

impl fmt::Display for FileKind {
    /// As before a file's name in a directive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Text => "txt",
            FileKind::Compiled => "fst",
            FileKind::Groups => "groups",
        })
    }
}

/// A file that rules read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// How it is written.
    pub kind: FileKind,
    /// Where it is.
    pub path: PathBuf,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// What a file says.
pub enum Content {
    /// Who gets which domain.
    Map(CompiledMap<Arc<[u8]>>),
    /// Who is in which group.
    Groups(Groups),
}

impl Content {
    /// The domain specs to try before it is taken up, each with where it is written.
    pub fn specs<'c>(&'c self, source: &'c Source) -> impl Iterator<Item = LocatedSpec<'c>> {
        let map = match self {
            Content::Map(map) => Some(map),
            Content::Groups(_) => None,
        };
        let trials = map.into_iter().flat_map(CompiledMap::trials);
        trials.map(move |found| (format!("{source}:{}", found.line), found.spec, None))
    }

    /// How many rules it has, or users in groups.
    pub fn lines(&self) -> usize {
        match self {
            Content::Map(map) => map.len(),
            Content::Groups(groups) => groups.users(),
        }
    }

    /// Whether it is a map with lines for groups.
    pub fn asks_for_groups(&self) -> bool {
        matches!(self, Content::Map(map) if map.has_groups())
    }
}

impl fmt::Display for Content {
    /// How much is in it, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Map(_) => write!(f, "{}", counted(self.lines(), "rule")),
            Content::Groups(_) => write!(f, "groups of {}", counted(self.lines(), "user")),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl Source {
    /// Reads the file as it is.
    ///
    /// # Errors
    /// All that is wrong with it, each with its path and, within it, the place.
    pub fn load(&self) -> Result<(Content, Stamp), Vec<String>> {
        let opened = Opened::new(&self.path).map_err(|error| vec![error.to_string()])?;
        let stamp = opened.stamp;
        self.read(opened).map(|content| (content, stamp))
    }

    /// Reads the file, opened before.
    ///
    /// # Errors
    /// As [`Source::load`].
    pub fn read(&self, opened: Opened) -> Result<Content, Vec<String>> {
        let bytes = opened.read().map_err(|error| vec![error.to_string()])?;
        let here = |error: &dyn fmt::Display| format!("{self}: {error}");
        let map = |bytes: Vec<u8>| match CompiledMap::open(bytes.into()) {
            Ok(map) => Ok(Content::Map(map)),
            Err(error) => Err(vec![here(&error)]),
        };
        match self.kind {
            FileKind::Compiled => map(bytes),
            FileKind::Text => {
                let lines = Map::parse(&bytes)
                    .map_err(|errors| errors.iter().map(|error| here(error)).collect::<Vec<_>>())?;
                map(lines.compile().map_err(|error| vec![here(&error)])?)
            }
            FileKind::Groups => Groups::parse(&bytes)
                .map(Content::Groups)
                .map_err(|errors| errors.iter().map(|error| here(error)).collect()),
        }
    }
}

/// The files of one configuration, each with what it said when the configuration was read.
#[derive(Default)]
pub struct Sources(Vec<Loaded>);

/// A file, read.
pub struct Loaded {
    /// Which.
    pub source: Source,
    /// What it says, of which version; or what is wrong with it. `None` of a group file that no rule needs.
    pub result: Option<Result<(Content, Stamp), Vec<String>>>,
}

impl Loaded {
    /// What it says, if it is good.
    pub fn content(&self) -> Option<&Content> {
        self.result.as_ref()?.as_ref().ok().map(|(content, _)| content)
    }
}

/// Why a map with lines for groups is not taken up.
pub const NO_GROUP_FILE: &str = "SEL0027: a map has lines for groups (@group), and there is no AuthGroupFile: say which file has the groups";

impl Sources {
    /// The number of a file. A map is read now, if no other rule has named it.
    pub fn number(&mut self, source: Source) -> usize {
        if let Some(number) = self.0.iter().position(|loaded| loaded.source == source) {
            return number;
        }
        let result = (source.kind != FileKind::Groups).then(|| source.load());
        self.0.push(Loaded { source, result });
        self.0.len() - 1
    }

    /// Reads the group files, if a map has lines for groups.
    ///
    /// # Errors
    /// SEL0027 where there is none, SEL0028 for all that is wrong with them.
    pub fn load_groups(&mut self) -> Result<(), Vec<String>> {
        if !self.0.iter().filter_map(Loaded::content).any(Content::asks_for_groups) {
            return Ok(());
        }
        let mut faults = Vec::new();
        let mut is_there = false;
        for loaded in self.0.iter_mut().filter(|loaded| loaded.source.kind == FileKind::Groups) {
            is_there = true;
            if let Err(errors) = loaded.result.get_or_insert_with(|| loaded.source.load()) {
                faults.extend(errors.iter().map(|error| format!("SEL0028: AuthGroupFile: {error}")));
            }
        }
        if !is_there {
            faults.push(NO_GROUP_FILE.to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The domain specs to try, of all maps.
    pub fn specs(&self) -> impl Iterator<Item = LocatedSpec<'_>> {
        let good = self.0.iter().filter_map(|loaded| Some((loaded.content()?, &loaded.source)));
        good.flat_map(|(content, source)| content.specs(source))
    }

    /// All of them, by their numbers.
    pub fn all(&self) -> &[Loaded] {
        &self.0
    }
}
