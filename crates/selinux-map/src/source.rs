//! Map files as they lie on disk, text or compiled.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mapping::{Case, CompiledError, CompiledMap, Distrust, Line, Map, MapError, first_untrusted};

use rustix::process::geteuid;

use crate::answer::CommandError;
use crate::problem::{Level, Problem};

/// What every compiled map starts with, of whatever version; no text has the byte that follows it.
const MAGIC: &[u8] = b"selmap";

/// A map file that was read.
pub struct Source {
    /// Its path, as it was given.
    pub path: PathBuf,
    /// Its text; `None` where it is compiled.
    text: Option<Vec<u8>>,
    /// Its rules, in the order of their lines.
    pub lines: Vec<Line>,
    /// Whether the case of names counts.
    pub case: Case,
}

impl Source {
    /// Reads a map.
    ///
    /// # Errors
    /// [`CommandError`] where the file cannot be read, or has errors.
    pub fn read(path: &Path) -> Result<Self, CommandError> {
        let bytes = fs::read(path).map_err(|error| CommandError::file("read", path, &error))?;
        Self::of(path, bytes).map_err(|problems| CommandError::map(path, problems))
    }

    /// Reads a map that must be text, from a file that is open.
    ///
    /// # Errors
    /// As [`Self::read`], and where it is compiled.
    pub fn read_text(path: &Path, file: &mut File) -> Result<Self, CommandError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| CommandError::file("read", path, &error))?;
        match Self::of(path, bytes).map_err(|problems| CommandError::map(path, problems))? {
            source @ Self { text: Some(_), .. } => Ok(source),
            _ => Err(CommandError::refused(format!("{} is a compiled map: name its text", path.display()))),
        }
    }

    /// The map in these bytes, or what is wrong with it.
    pub fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, Vec<Problem>> {
        let name = path.display().to_string();
        let is_compiled =
            bytes.strip_prefix(MAGIC).is_some_and(|rest| rest.first().is_some_and(|b| *b < b'\t'));
        if is_compiled {
            let (lines, case) = compiled_lines(bytes)
                .map_err(|error| vec![Problem::whole(&name, Level::Error, error.to_string())])?;
            return Ok(Self { path: path.to_owned(), text: None, lines, case });
        }
        match Map::parse(&bytes) {
            Ok(map) => Ok(Self {
                path: path.to_owned(),
                lines: map.lines().to_vec(),
                case: map.case(),
                text: Some(bytes),
            }),
            Err(errors) => Err(errors_of(&name, &bytes, &errors)),
        }
    }

    /// The file's bytes; `None` where it is compiled.
    pub fn text(&self) -> Option<&[u8]> {
        self.text.as_deref()
    }

    /// A rule's line as the file has it; from a compiled map, as it would be written.
    pub fn text_of(&self, line: &Line) -> String {
        let text = self.text().and_then(|text| nth_line(text, line.number));
        text.map_or_else(
            || format!("{} {}", line.who, line.spec),
            |text| String::from_utf8_lossy(text).into_owned(),
        )
    }
}

fn compiled_lines(bytes: Vec<u8>) -> Result<(Vec<Line>, Case), CompiledError> {
    let map = CompiledMap::open(Rc::<[u8]>::from(bytes))?;
    let mut lines: Vec<_> = map.lines().collect();
    lines.sort_unstable_by_key(|line| line.number);
    Ok((lines, map.case()))
}

fn errors_of(name: &str, bytes: &[u8], errors: &[MapError]) -> Vec<Problem> {
    let texts: Vec<_> = lines_of(bytes).collect();
    errors.iter().map(|error| Problem::error(name, texts.get(error.line - 1).copied(), error)).collect()
}

/// The lines of a map's text, without what ends them and without a byte order mark.
fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A line of a map's text, by its number.
pub fn nth_line(text: &[u8], number: usize) -> Option<&[u8]> {
    lines_of(text).nth(number.checked_sub(1)?)
}

/// What lets others change a file, so that the server refuses it: as sshd does with its keys, for the file and
/// the folders on the way to it.
pub fn untrusted(path: &Path) -> Option<Problem> {
    let whole = fs::canonicalize(path).ok().filter(|whole| whole.is_file())?;
    // One that may not be looked at has nothing to be told of.
    let ask = |place: &Path| -> Result<_, Infallible> {
        Ok(fs::metadata(place).map_or((0, 0), |metadata| (metadata.uid(), metadata.mode())))
    };
    let Ok(found) = first_untrusted((path, &whole), geteuid().as_raw(), ask);
    let (place, distrust) = found?;
    let message = match distrust {
        Distrust::Owner(_) => {
            "it is neither root's nor yours, and the server refuses such a file: chown root"
        }
        Distrust::Group | Distrust::Everybody => {
            "others may write it, and the server refuses such a file: chmod go-w"
        }
    };
    Some(Problem::whole(&place.display().to_string(), Level::Warning, message.to_owned()))
}
