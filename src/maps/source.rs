//! The files that rules read: maps and group files, each read once for all rules that name it.

use super::file::{FileError, Opened, Stamp};
use crate::selinux::contexts::{Faults, LocatedSpec};
use mapping::{CompileError, CompiledError, CompiledMap, GroupError, Groups, Map, MapError};
use messages::{Code, Message};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

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

/// What is wrong with a file that rules read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It is not read at all.
    #[error(transparent)]
    File(#[from] FileError),
    /// It has something in it that it may not have.
    #[error("{path}: {error}", path = .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What, and where in the file.
        error: ContentError,
    },
}

/// What is wrong in a file that rules read.
#[derive(Debug, Error)]
pub enum ContentError {
    /// A line of a map.
    #[error(transparent)]
    Map(#[from] MapError),
    /// A line of a group file.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// A map as a whole.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A compiled map.
    #[error(transparent)]
    Compiled(#[from] CompiledError),
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
    pub fn load(&self) -> Result<(Content, Stamp), Vec<SourceError>> {
        let opened = Opened::new(&self.path).map_err(|error| vec![error.into()])?;
        let stamp = opened.stamp;
        self.read(opened).map(|content| (content, stamp))
    }

    /// Reads the file, opened before.
    ///
    /// # Errors
    /// As [`Source::load`].
    pub fn read(&self, opened: Opened) -> Result<Content, Vec<SourceError>> {
        let bytes = opened.read().map_err(|error| vec![error.into()])?;
        match self.kind {
            FileKind::Compiled => self.map(bytes),
            FileKind::Text => {
                let lines = Map::parse(&bytes).map_err(|errors| self.faults(errors))?;
                self.map(lines.compile().map_err(|error| self.faults([error]))?)
            }
            FileKind::Groups => {
                Groups::parse(&bytes).map(Content::Groups).map_err(|errors| self.faults(errors))
            }
        }
    }

    fn map(&self, bytes: Vec<u8>) -> Result<Content, Vec<SourceError>> {
        CompiledMap::open(bytes.into()).map(Content::Map).map_err(|error| self.faults([error]))
    }

    fn faults<E: Into<ContentError>>(&self, errors: impl IntoIterator<Item = E>) -> Vec<SourceError> {
        let fault = |error: E| SourceError::Content { path: self.path.clone(), error: error.into() };
        errors.into_iter().map(fault).collect()
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
    pub result: Option<Result<(Content, Stamp), Vec<SourceError>>>,
}

impl Loaded {
    /// What it says, if it is good.
    pub fn content(&self) -> Option<&Content> {
        self.result.as_ref()?.as_ref().ok().map(|(content, _)| content)
    }
}

/// Why a map with lines for groups is not taken up.
pub(super) static NO_GROUP_FILE: Message = Code::NoGroupFile.constant(
    "a map has lines for groups (@group), and there is no AuthGroupFile: say which file has the groups",
);

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
    /// [`Code::NoGroupFile`] where there is none, [`Code::BadGroupFile`] for all that is wrong with them.
    pub fn load_groups(&mut self) -> Result<(), Faults> {
        if !self.0.iter().filter_map(Loaded::content).any(Content::asks_for_groups) {
            return Ok(());
        }
        let mut faults = Faults::new();
        let mut is_there = false;
        for loaded in self.0.iter_mut().filter(|loaded| loaded.source.kind == FileKind::Groups) {
            is_there = true;
            if let Err(errors) = loaded.result.get_or_insert_with(|| loaded.source.load()) {
                let fault = |error| Code::BadGroupFile.message(format!("AuthGroupFile: {error}"));
                faults.extend(errors.iter().map(fault));
            }
        }
        if !is_there {
            faults.push(NO_GROUP_FILE.clone());
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
