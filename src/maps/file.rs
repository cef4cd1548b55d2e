//! Files that say who gets which context: whether they may be believed, and when they have changed.

use crate::httpd::process;
use mapping::{Distrust, first_untrusted};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file is not read.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// The system's reason.
        error: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("{0} is not a plain file: name one")]
    NotPlain(String),
    /// It, or a folder on the way to it, belongs to somebody who could change it.
    #[error("{path} belongs to user {owner}, who could give anybody any context: `chown root` it")]
    Owner {
        /// Which.
        path: String,
        /// The user's number.
        owner: u32,
    },
    /// Its group or all may write to it.
    #[error("{path} may be written by {whom}, who could give anybody any context: `chmod go-w` it")]
    Writable {
        /// Which.
        path: String,
        /// Who may.
        whom: &'static str,
    },
    /// It changed while it was read.
    #[error("{0} was changed while it was read")]
    Changing(String),
}

/// What tells one version of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    content: Content,
    /// Its owner, its mode, and when these were changed.
    owner: (u32, u32, u32, i64, i64),
}

/// As far as its bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Content {
    place: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp {
            content: Content {
                place: (file.dev(), file.ino()),
                size: file.size(),
                changed: (file.mtime(), file.mtime_nsec()),
            },
            owner: (file.uid(), file.gid(), file.mode(), file.ctime(), file.ctime_nsec()),
        }
    }

    /// Whether it is another file, not only other bytes.
    pub fn is_elsewhere(&self, other: &Stamp) -> bool {
        self.content.place != other.content.place
    }
}

/// An open file, as it was at one time.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    file: File,
    /// The version it was.
    pub stamp: Stamp,
}

impl Opened {
    /// Opens a plain file, without waiting for a pipe's writer.
    pub fn new(path: &Path) -> Result<Opened, FileError> {
        let unreadable = |error| FileError::Unreadable { path: shown(path), error };
        let file =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(FileError::NotPlain(shown(path)));
        }
        Ok(Opened { path: path.to_owned(), file, stamp: Stamp::of(&metadata) })
    }

    /// Whether its bytes are still those of when it was opened, also where the path leads to another file now.
    pub fn is_settled(&self) -> bool {
        self.file.metadata().is_ok_and(|now| Stamp::of(&now).content == self.stamp.content)
    }

    /// Reads it in whole, if nobody but root and whoever started httpd could have written it.
    pub fn read(mut self) -> Result<Vec<u8>, FileError> {
        let unreadable = |error| FileError::Unreadable { path: shown(&self.path), error };
        let metadata = self.file.metadata().map_err(unreadable)?;
        let whole_path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        // Of the file, what was opened is looked at, and not what has its name by now.
        let ask = |place: &Path| {
            let now = if place == self.path { Ok(metadata.clone()) } else { fs::metadata(place) };
            now.map(|metadata| (metadata.uid(), metadata.mode())).map_err(unreadable)
        };
        if let Some((place, distrust)) = first_untrusted((&self.path, &whole_path), process::user(), ask)? {
            return Err(untrusted(place, distrust));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.size()).unwrap_or(0));
        self.file
            .read_to_end(&mut bytes)
            .map_err(|error| FileError::Unreadable { path: shown(&self.path), error })?;
        if self.is_settled() { Ok(bytes) } else { Err(FileError::Changing(shown(&self.path))) }
    }
}

fn untrusted(place: &Path, distrust: Distrust) -> FileError {
    let path = shown(place);
    match distrust {
        Distrust::Owner(owner) => FileError::Owner { path, owner },
        Distrust::Group => FileError::Writable { path, whom: "its group" },
        Distrust::Everybody => FileError::Writable { path, whom: "everybody" },
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
