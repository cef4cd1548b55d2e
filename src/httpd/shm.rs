//! Memory that httpd's processes share: files mapped for reading, and a board of counters.
//!
//! One process writes, and the others have no way to: what they map, they map for reading only. But for what only the
//! status page shows ([`lasting`]), which all of them write.

use memmap2::{Mmap, MmapOptions, MmapRaw};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::FromRawFd as _;
use std::os::unix;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

/// A file in memory, which nobody changes any more. Its clones share it.
#[derive(Clone, Debug)]
pub struct Mapped(Arc<Mmap>);

/// A folder for files that others map. It is made by this process, and for its user alone to write in; each file in it is
/// written in whole before it gets its name, and never again.
#[derive(Debug)]
pub struct SharedFolder {
    path: PathBuf,
    /// Who else may read.
    group: Option<u32>,
}

impl SharedFolder {
    /// Makes it, where there is nothing yet.
    pub fn create(path: PathBuf, group: Option<u32>) -> io::Result<SharedFolder> {
        make_folder(&path, group)?;
        Ok(SharedFolder { path, group })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, number: usize, version: u64) -> PathBuf {
        self.path.join(format!("{number}.{version}"))
    }

    /// Writes a version of a file. It gets its name when all of it is there.
    pub fn write(&self, number: usize, version: u64, bytes: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Nobody else writes to it: one that is there is of a process that has ended.
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let new = self.path.join(format!("new.{}.{next}", std::process::id()));
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&new)?;
        file.write_all(bytes)?;
        unix::fs::fchown(&file, None, self.group)?;
        drop(file);
        fs::rename(&new, self.file(number, version))
    }

    /// Maps a version of a file.
    pub fn map(&self, number: usize, version: u64) -> io::Result<Mapped> {
        let file = File::open(self.file(number, version))?;
        // SAFETY: nobody writes to the file any more, by what such a folder is.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Mapped(Arc::new(map)))
    }

    /// Takes a version of a file away. Who has it mapped keeps it.
    pub fn remove(&self, number: usize, version: u64) {
        let _ = fs::remove_file(self.file(number, version));
    }
}

/// Makes a folder that its maker's user may write, and the group may read.
pub fn make_folder(path: &Path, group: Option<u32>) -> io::Result<()> {
    DirBuilder::new().mode(0o750).create(path)?;
    unix::fs::chown(path, None, group)
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Counters that one process writes and others read, all of which descend from the one that made it.
#[derive(Debug)]
pub struct Board {
    memory: MmapRaw,
    /// What the writer maps. Readers close it.
    file: Mutex<Option<File>>,
}

impl Board {
    /// A board of so many counters, all 0.
    pub fn new(counters: usize) -> io::Result<Board> {
        // SAFETY: the name is a C string.
        let descriptor = unsafe { libc::memfd_create(c"mod_selinux".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else has.
        let file = unsafe { File::from_raw_fd(descriptor) };
        file.set_len(counters as u64 * 8)?;
        let memory = MmapOptions::new().map_raw_read_only(&file)?;
        Ok(Board { memory, file: Mutex::new(Some(file)) })
    }

    /// The value of a counter.
    pub fn read(&self, counter: usize) -> u64 {
        // Relaxed, and a fence: only such a load needs no right to write (`std::sync::atomic`, read-only memory).
        let value = place(&self.memory, counter).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// Gives up the right to write.
    pub fn only_read(&self) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The writer's side, for the one process that has it.
    pub fn writer(&self) -> io::Result<Writer> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref().ok_or(io::ErrorKind::PermissionDenied)?;
        Ok(Writer(MmapRaw::map_raw(file)?))
    }
}

/// A counter in a mapping of a board's file; one that maps it for reading only must but load it, relaxed.
fn place(memory: &MmapRaw, counter: usize) -> &AtomicU64 {
    assert!(counter < memory.len() / size_of::<AtomicU64>(), "the board has no such counter");
    // SAFETY: within the mapping, which begins at a page and is there as long as `memory`, since the file keeps its
    // size; nobody sees these bytes as anything but atomics.
    unsafe { &*memory.as_ptr().cast::<AtomicU64>().add(counter) }
}

/// So many words, all 0, that this process and those that descend from it write and read; they stay as long as it.
pub fn lasting(words: usize) -> io::Result<&'static [AtomicU64]> {
    let bytes = words.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: a mapping of its own, of no file.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: of that length, from a page's beginning on, never unmapped, and nobody sees anything but atomics in it.
    Ok(unsafe { std::slice::from_raw_parts(memory.cast(), words) })
}

/// The side of a [`Board`] that writes.
#[derive(Debug)]
pub struct Writer(MmapRaw);

impl Writer {
    /// Adds one to a counter.
    pub fn add(&mut self, counter: usize) {
        place(&self.0, counter).fetch_add(1, Ordering::Release);
    }

    /// Gives a counter another value, after all that was written before.
    pub fn set(&mut self, counter: usize, value: u64) {
        place(&self.0, counter).store(value, Ordering::Release);
    }
}
