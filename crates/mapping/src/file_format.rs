//! The form of compiled files: a head, and sections one behind the other.
//!
//! Owns how sections are found and how damage is noticed. It must not know what is in a section.

use std::ops::Range;

const MAGIC: [u8; 8] = *b"selmap\x01\n";
/// Magic, checksum, kind, and the lengths of all sections.
const HEAD: usize = 8 + 4 + 4 + SECTIONS * 8;
/// How many sections each kind of file has.
pub(super) const SECTIONS: usize = 5;

/// Why a file is no compiled map.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompiledError {
    /// Something else, or of another version.
    #[error("it is not a compiled map of this version: make it with `selinux-map build`")]
    Foreign,
    /// The checksum is wrong, or a length.
    #[error("it is damaged or not all there: make it anew with `selinux-map build`")]
    Damaged,
}

/// What a compiled file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A map with its domain specs.
    Map = 1,
    /// A map with the contexts that these lead to on one server.
    Resolved = 2,
    /// A group file.
    Groups = 3,
    /// As `Map`, of a map that ignores the case of names.
    MapIgnoringCase = 4,
    /// As `Resolved`, of such a map.
    ResolvedIgnoringCase = 5,
}

/// A file of these sections.
pub(super) fn write(kind: Kind, sections: [&[u8]; SECTIONS]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD + sections.iter().map(|section| section.len()).sum::<usize>());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&(kind as u32).to_le_bytes());
    for section in sections {
        file.extend_from_slice(&(section.len() as u64).to_le_bytes());
    }
    for section in sections {
        file.extend_from_slice(section);
    }
    let sum = crc32fast::hash(&file[12..]).to_le_bytes();
    file[8..12].copy_from_slice(&sum);
    file
}

/// Where the sections of a file are. Its checksum is not looked at: see [`verify`].
pub(super) fn read(kind: Kind, file: &[u8]) -> Result<[Range<usize>; SECTIONS], CompiledError> {
    let head = file.get(..HEAD).ok_or(CompiledError::Foreign)?;
    if head[..8] != MAGIC || head[12..16] != (kind as u32).to_le_bytes() {
        return Err(CompiledError::Foreign);
    }
    let mut sections = [const { 0..0 }; SECTIONS];
    let mut at = HEAD;
    for (section, length) in sections.iter_mut().zip(head[16..].chunks_exact(8)) {
        let length = u64::from_le_bytes(length.try_into().map_err(|_| CompiledError::Damaged)?);
        let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
        *section = at..end.filter(|end| *end <= file.len()).ok_or(CompiledError::Damaged)?;
        at = section.end;
    }
    if at == file.len() { Ok(sections) } else { Err(CompiledError::Damaged) }
}

/// Whether a file is as it was written.
pub(super) fn verify(file: &[u8]) -> Result<(), CompiledError> {
    let sum = file.get(8..12).ok_or(CompiledError::Foreign)?;
    if crc32fast::hash(&file[12..]).to_le_bytes() == sum { Ok(()) } else { Err(CompiledError::Damaged) }
}

/// A list of texts in a section, each found by its index.
pub(super) fn texts<T: AsRef<[u8]>>(texts: impl ExactSizeIterator<Item = T>) -> Vec<u8> {
    let mut section = (texts.len() as u32).to_le_bytes().to_vec();
    let mut all = Vec::new();
    for text in texts {
        section.extend_from_slice(&(all.len() as u32).to_le_bytes());
        all.extend_from_slice(text.as_ref());
    }
    section.extend_from_slice(&(all.len() as u32).to_le_bytes());
    section.extend_from_slice(&all);
    section
}

/// How many texts a list made by [`texts`] has.
pub(super) fn count(section: &[u8]) -> usize {
    number(section, 0).unwrap_or(0)
}

/// Whether all texts that a list claims to have are there.
pub(super) fn is_list(section: &[u8]) -> bool {
    number(section, 0).is_some_and(|count| (0..count).all(|index| text(section, index).is_some()))
}

/// One text of a list made by [`texts`].
pub(super) fn text(section: &[u8], index: usize) -> Option<&str> {
    str::from_utf8(bytes(section, index)?).ok()
}

/// The same, where it is any bytes.
pub(super) fn bytes(section: &[u8], index: usize) -> Option<&[u8]> {
    let count = number(section, 0)?;
    let start = number(section, 1 + index).filter(|_| index < count)?;
    let end = number(section, 2 + index)?;
    section.get(4 * (2 + count)..)?.get(start..end)
}

fn number(section: &[u8], index: usize) -> Option<usize> {
    let bytes = section.get(4 * index..4 * index + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}
