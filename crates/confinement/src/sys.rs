//! The system calls, and the memory that the kernel shares: all of the crate's unsafe code.
#![allow(unsafe_code)]

use memmap2::MmapRaw;
use std::ffi::{CStr, c_long, c_uint};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};

const LSM_ID_SELINUX: u64 = 101;
const LSM_ATTR_CURRENT: c_uint = 100;
const LSM_FLAG_SINGLE: u32 = 1;
const SYS_LSM_GET_SELF_ATTR: c_long = 459;
const SYS_LSM_SET_SELF_ATTR: c_long = 460;

/// The bytes of a `struct lsm_ctx` (`include/uapi/linux/lsm.h`) before its text: id, flags, length of all, length of
/// the text, a word each.
pub(crate) const HEAD: usize = 32;

/// A context as a `struct lsm_ctx`.
#[derive(PartialEq, Eq, Hash, Debug)]
pub(crate) struct LsmRecord(Box<[u8]>);

impl LsmRecord {
    pub(crate) fn new(context: &CStr) -> LsmRecord {
        let text = context.to_bytes_with_nul();
        let head = [LSM_ID_SELINUX, 0, (HEAD + text.len()) as u64, text.len() as u64];
        LsmRecord([head.map(u64::to_ne_bytes).as_flattened(), text].concat().into())
    }
}

/// Gives the kernel a context for the calling thread; `None`: no context, which it refuses.
pub(crate) fn set_self_attr(record: Option<&LsmRecord>, flags: u32) -> io::Result<()> {
    let record = record.map_or(&[][..], |record| &record.0);
    let (bytes, attribute) = (record.len() as u32, LSM_ATTR_CURRENT);
    // SAFETY: the record is that many bytes, which the kernel only reads.
    let result = unsafe { libc::syscall(SYS_LSM_SET_SELF_ATTR, attribute, record.as_ptr(), bytes, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The calling thread's context, which the kernel writes to `buffer`, with or without the NUL at its end.
pub(crate) fn get_self_attr(buffer: &mut [u8]) -> io::Result<&[u8]> {
    let too_short = || io::Error::from(io::ErrorKind::InvalidInput);
    buffer.first_chunk_mut().ok_or_else(too_short).map(|id| *id = LSM_ID_SELINUX.to_ne_bytes())?;
    let mut size = buffer.len() as u32;
    // SAFETY: `buffer` is `size` bytes the kernel may write; with `SINGLE` it takes the id from it.
    let count = unsafe {
        libc::syscall(
            SYS_LSM_GET_SELF_ATTR,
            LSM_ATTR_CURRENT,
            buffer.as_mut_ptr(),
            &raw mut size,
            LSM_FLAG_SINGLE,
        )
    };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    let (head, text) = buffer.split_at_checked(HEAD).ok_or_else(too_short)?;
    let word = |place: usize| head.as_chunks().0.get(place).map_or(0, |word| u64::from_ne_bytes(*word));
    if count != 1 || word(0) != LSM_ID_SELINUX {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    text.get(..word(3) as usize).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The label of a socket's other end, which the kernel writes to `buffer`, with or without the NUL at its end.
pub(crate) fn peer_label<'b>(socket: BorrowedFd<'_>, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut length = buffer.len() as libc::socklen_t;
    // SAFETY: an open socket, and a buffer of that many bytes for the kernel to write.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERSEC,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    buffer.get(..length as usize).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// A word of a page that the kernel writes while it is read.
///
/// # Panics
/// The mapping has no such word.
pub(crate) fn load(page: &MmapRaw, word: usize) -> u32 {
    assert!((word + 1) * size_of::<u32>() <= page.len());
    // SAFETY: within the mapping, which begins with a page; what the kernel writes there is seen as an atomic alone,
    // which is loaded, relaxed: that needs no right to write.
    unsafe { &*page.as_ptr().cast::<AtomicU32>().add(word) }.load(Ordering::Relaxed)
}
