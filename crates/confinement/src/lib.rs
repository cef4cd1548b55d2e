//! SELinux: what the kernel says of the process, entering a context, and reading it back.
//!
//! Everything that confinement rests on is asked of the kernel itself. libselinux answers "disabled" to
//! a process that may not read `/etc/selinux/config`, and caches a thread's context: neither will do.
pub mod query;
pub mod state;

use mapping::Context;
use once_cell::sync::OnceCell;
use selinux::SecurityContext;
use std::ffi::{CStr, CString, c_long};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use thiserror::Error;

/// Whether the kernel confines anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The policy is in force.
    Enforcing,
    /// The policy is loaded, and only logs what it would refuse.
    Permissive,
    /// There is no SELinux in the running kernel.
    Off,
}

/// Why the state of SELinux is not known.
#[derive(Debug, Error)]
pub enum StateError {
    /// The process has a context, yet selinuxfs does not tell whether the policy is enforced.
    #[error(
        "/sys/fs/selinux/enforce cannot be read: {0} (is it mounted, and may httpd read it? the policy module grants that)"
    )]
    Enforce(io::Error),
    /// The process's own context is not one.
    #[error("/proc/thread-self/attr/current cannot be read: {0}")]
    Current(io::Error),
}

/// Asks the kernel whether it enforces a policy.
pub fn mode() -> Result<Mode, StateError> {
    match fs::read("/sys/fs/selinux/enforce") {
        Ok(text) => match text.first() {
            Some(b'1') => Ok(Mode::Enforcing),
            Some(b'0') => Ok(Mode::Permissive),
            _ => Err(StateError::Enforce(io::Error::other("it says neither 0 nor 1"))),
        },
        // No selinuxfs: off, unless this process has an SELinux context all the same.
        Err(error) => match current() {
            Ok(_) => Err(StateError::Enforce(error)),
            Err(_) if error.kind() == io::ErrorKind::NotFound => Ok(Mode::Off),
            Err(current) => Err(current),
        },
    }
}

/// The calling thread's context, from the kernel.
pub fn current() -> Result<Context, StateError> {
    let text = fs::read("/proc/thread-self/attr/current").map_err(StateError::Current)?;
    parse(&text).ok_or_else(|| StateError::Current(io::Error::other("it holds no SELinux context")))
}

/// A context as the kernel writes it, with or without the NUL at its end.
fn parse(text: &[u8]) -> Option<Context> {
    let text = text.split(|byte| *byte == 0).next()?;
    Context::parse(std::str::from_utf8(text).ok()?.trim_end()).ok()
}

/// A context made ready for the kernel, so that entering it takes no allocation.
#[derive(PartialEq, Eq, Debug)]
pub struct EncodedContext {
    text: CString,
    /// A `struct lsm_ctx` (`include/uapi/linux/lsm.h`): a head of four words, then the text.
    record: Box<[u64]>,
}

/// A context to serve requests in. Requests with the same one may share it.
pub type SharedContext = Arc<EncodedContext>;

const LSM_ID_SELINUX: u64 = 101;
const LSM_ATTR_CURRENT: libc::c_uint = 100;
const LSM_FLAG_SINGLE: u32 = 1;
const SYS_LSM_GET_SELF_ATTR: c_long = 459;
const SYS_LSM_SET_SELF_ATTR: c_long = 460;
const HEAD_WORDS: usize = 4;
/// The kernel limits a context's text to a page.
const RECORD_WORDS: usize = HEAD_WORDS + 512;

impl EncodedContext {
    /// Prepares a context, given as its text in normal form. Entering it is what shows whether the policy
    /// knows it.
    pub fn new(context: String) -> EncodedContext {
        // A context's grammar has no NUL in it; the empty one cannot be entered.
        let text = CString::new(context).unwrap_or_default();
        let bytes = text.as_bytes_with_nul();
        let words = HEAD_WORDS + bytes.len().div_ceil(8);
        let mut record = vec![0; words].into_boxed_slice();
        record[..HEAD_WORDS].copy_from_slice(&[LSM_ID_SELINUX, 0, words as u64 * 8, bytes.len() as u64]);
        for (word, chunk) in record[HEAD_WORDS..].iter_mut().zip(bytes.chunks(8)) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_ne_bytes(eight);
        }
        EncodedContext { text, record }
    }

    /// The context's text.
    pub fn text(&self) -> &CStr {
        &self.text
    }

    /// The context; `None` where the text is none.
    pub fn context(&self) -> Option<Context> {
        parse(self.text.to_bytes())
    }
}

impl fmt::Display for EncodedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.to_string_lossy())
    }
}

/// Why a thread is not in the context it was to enter. It must run nothing of the request.
#[derive(Debug, Error)]
pub enum EnterError {
    /// The kernel refused.
    #[error("the kernel refuses: {0}")]
    Refused(#[source] io::Error),
    /// The kernel did not tell the context the thread is in now.
    #[error("the kernel does not tell the context entered: {0}")]
    Unread(#[source] io::Error),
    /// The thread is in another context.
    #[error("the thread is in {0} instead")]
    Elsewhere(String),
}

/// Moves the calling thread into a context, and asks the kernel whether it is there.
pub fn enter(target: &EncodedContext) -> Result<(), EnterError> {
    let interface = Interface::get();
    interface.set(target).map_err(EnterError::Refused)?;
    let mut place = [0; RECORD_WORDS];
    let now = interface.read(&mut place).map_err(EnterError::Unread)?;
    if now == target.text.to_bytes() {
        Ok(())
    } else {
        Err(EnterError::Elsewhere(String::from_utf8_lossy(now).into_owned()))
    }
}

/// How the kernel takes and tells a thread's context.
#[derive(Clone, Copy, Debug)]
enum Interface {
    /// One system call (Linux 6.8 and later).
    SystemCall,
    /// `/proc/thread-self/attr/current` to write, and the label of a socket that the thread makes to
    /// read. A confined thread may not open its own `attr/current`: `mem`, beside it, has the same label,
    /// and is the memory of all of httpd.
    ProcAndSocket,
}

impl Interface {
    /// Which of the two this kernel has and lets httpd use; asked once. A unit's `SystemCallFilter=@system-service` has
    /// the call that reads, and not the one that writes: with a flag that there is not, it tells that and does nothing.
    fn get() -> Interface {
        static INTERFACE: OnceCell<Interface> = OnceCell::new();
        *INTERFACE.get_or_init(|| {
            let may_read = Interface::SystemCall.read(&mut [0; RECORD_WORDS]).is_ok();
            let written = set_self_attr(&[], 1).map_err(|error| error.raw_os_error());
            if may_read && written == Err(Some(libc::EINVAL)) {
                Interface::SystemCall
            } else {
                Interface::ProcAndSocket
            }
        })
    }

    fn set(self, target: &EncodedContext) -> io::Result<()> {
        match self {
            Interface::SystemCall => set_self_attr(&target.record, 0),
            Interface::ProcAndSocket => OpenOptions::new()
                .write(true)
                .open("/proc/thread-self/attr/current")?
                .write_all(target.text.to_bytes()),
        }
    }

    /// The calling thread's context, as the kernel writes it, without a NUL.
    fn read(self, place: &mut [u64; RECORD_WORDS]) -> io::Result<&[u8]> {
        let length = match self {
            Interface::SystemCall => {
                place[0] = LSM_ID_SELINUX;
                let mut size = size_of_val(place) as u32;
                // SAFETY: `place` is `size` bytes the kernel may write; with `SINGLE` it takes the id from it.
                let count = unsafe {
                    libc::syscall(
                        SYS_LSM_GET_SELF_ATTR,
                        LSM_ATTR_CURRENT,
                        place.as_mut_ptr(),
                        &raw mut size,
                        LSM_FLAG_SINGLE,
                    )
                };
                if count < 0 {
                    return Err(io::Error::last_os_error());
                }
                if count != 1 || place[0] != LSM_ID_SELINUX {
                    return Err(io::Error::from(io::ErrorKind::NotFound));
                }
                place[3] as usize
            }
            Interface::ProcAndSocket => {
                let (socket, _peer) = UnixStream::pair()?;
                // Its peer was made with the label of this thread (`selinux_socket_socketpair`).
                peer_label(socket.as_fd(), &mut bytes_mut(place)[HEAD_WORDS * 8..])?
            }
        };
        let text = bytes_mut(place)[HEAD_WORDS * 8..].get(..length);
        let text = text.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(text.split(|byte| *byte == 0).next().unwrap_or_default())
    }
}

/// Gives the kernel a `struct lsm_ctx` for the calling thread.
fn set_self_attr(record: &[u64], flags: u32) -> io::Result<()> {
    let (bytes, attribute) = (size_of_val(record) as u32, LSM_ATTR_CURRENT);
    // SAFETY: the record is that many bytes, which the kernel only reads.
    let result = unsafe { libc::syscall(SYS_LSM_SET_SELF_ATTR, attribute, record.as_ptr(), bytes, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn bytes_mut(words: &mut [u64; RECORD_WORDS]) -> &mut [u8] {
    let length = size_of_val(words);
    // SAFETY: the same memory; bytes have no alignment, and every value is a valid one.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), length) }
}

/// The context that the kernel has for the other end of a connection. Of a TCP connection it is what the
/// labels of the client's packets say; where they have none, the error is `ENOPROTOOPT`.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Context> {
    let mut label = [0; mapping::MAX_CONTEXT + 1];
    let length = peer_label(socket, &mut label)?;
    let label = label.get(..length).and_then(parse);
    label.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no SELinux context"))
}

/// Writes the label of a socket's other end to `buffer`, and tells its length.
fn peer_label(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
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
    if result == 0 { Ok(length as usize) } else { Err(io::Error::last_os_error()) }
}

/// Enters a context on a thread that then ends.
pub fn probe(target: &EncodedContext) -> Result<(), EnterError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || enter(target));
        match thread.map(|thread| thread.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(EnterError::Unread(io::Error::other("the probing thread panicked"))),
            Err(error) => Err(EnterError::Refused(error)),
        }
    })
}

/// Runs `make` on a thread of its own, whose new files get this label: nothing else of the process is made with it.
///
/// # Errors
/// The kernel refuses the label, or what `make` says.
pub fn labelled(label: &Context, make: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    let text = CString::new(label.to_string()).unwrap_or_default();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            let label = SecurityContext::from_c_str(&text, true);
            label.set_for_new_file_system_objects(true).map_err(io::Error::other)?;
            make()
        })?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that makes it panicked")))
    })
}

/// Has sockets made from now on carry another context than the thread's; `None` ends that.
pub fn label_sockets(context: Option<&Context>) -> Result<(), selinux::errors::Error> {
    match context {
        None => SecurityContext::set_default_context_for_new_labeled_sockets(),
        Some(context) => {
            let text = CString::new(context.to_string()).unwrap_or_default();
            SecurityContext::from_c_str(&text, true).set_for_new_labeled_sockets(true)
        }
    }
}
