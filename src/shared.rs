//! Memory that httpd's processes share: files mapped for reading, and a board of counters.
//!
//! One process writes, and the others have no way to: what they map, they map for reading only.
#![allow(unsafe_code)]

use memmap2::{Mmap, MmapMut};
use std::fs::File;
use std::io;
use std::os::fd::FromRawFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A file in memory, which nobody changes any more. Its clones share it.
#[derive(Clone, Debug)]
pub struct Mapped(Arc<Mmap>);

impl Mapped {
    /// Maps a published file: one that was written in whole before it got its name, and is never written again.
    pub fn open(path: &Path) -> io::Result<Mapped> {
        let file = File::open(path)?;
        // SAFETY: see above: its folder is for httpd's own user alone to write in, and the watcher, which does
        // write there, makes a new file for each version.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Mapped(Arc::new(map)))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Counters that one process writes and others read, all of which descend from the one that made it.
#[derive(Debug)]
pub struct Board {
    memory: Mmap,
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
        // SAFETY: the file keeps its size; what changes in it is read as atomics only.
        let memory = unsafe { Mmap::map(&file) }?;
        Ok(Board { memory, file: Mutex::new(Some(file)) })
    }

    /// The value of a counter.
    pub fn read(&self, counter: usize) -> u64 {
        let place = self.memory[counter * 8..][..8].as_ptr().cast::<u64>().cast_mut();
        // SAFETY: within the mapping, which begins at a page; eight bytes that are loaded at once, which needs no
        // right to write.
        unsafe { AtomicU64::from_ptr(place) }.load(Ordering::Acquire)
    }

    /// Gives up the right to write.
    pub fn only_read(&self) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The writer's side, for the one process that has it.
    pub fn writer(&self) -> io::Result<Writer> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref().ok_or(io::ErrorKind::PermissionDenied)?;
        // SAFETY: as in `new`.
        let memory = unsafe { MmapMut::map_mut(file) }?;
        Ok(Writer(memory))
    }
}

/// The side of a [`Board`] that writes.
#[derive(Debug)]
pub struct Writer(MmapMut);

impl Writer {
    /// Adds one to a counter.
    pub fn add(&mut self, counter: usize) {
        let place = self.0[counter * 8..][..8].as_mut_ptr().cast::<u64>();
        // SAFETY: as in `Board::read`.
        unsafe { AtomicU64::from_ptr(place) }.fetch_add(1, Ordering::Release);
    }
}
