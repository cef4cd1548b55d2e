//! SELinux: what the kernel says of the process, entering a context, and reading it back.
//!
//! Everything that confinement rests on is asked of the kernel itself. libselinux answers "disabled" to
//! a process that may not read `/etc/selinux/config`, and caches a thread's context: neither will do.
#![deny(unsafe_code)]

pub mod query;
pub mod state;
mod sys;

use mapping::Context;
use once_cell::sync::OnceCell;
use selinux::SecurityContext;
use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use sys::LsmRecord;
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
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct EncodedContext {
    text: CString,
    record: LsmRecord,
}

/// A context to serve requests in. Requests with the same one may share it.
pub type SharedContext = Arc<EncodedContext>;

/// What the kernel limits a context's text to: a page.
const MAX_TEXT: usize = 4096;

impl EncodedContext {
    /// Prepares a context, given as its text in normal form. Entering it is what shows whether the policy
    /// knows it.
    pub fn new(context: String) -> EncodedContext {
        // A context's grammar has no NUL in it; the empty one cannot be entered.
        let text = CString::new(context).unwrap_or_default();
        let record = LsmRecord::new(&text);
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
    let mut buffer = [0; sys::HEAD + MAX_TEXT];
    let now = interface.read(&mut buffer).map_err(EnterError::Unread)?;
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
            let may_read = Interface::SystemCall.read(&mut [0; sys::HEAD + MAX_TEXT]).is_ok();
            let written = sys::set_self_attr(None, 1).map_err(|error| error.raw_os_error());
            if may_read && written == Err(Some(libc::EINVAL)) {
                Interface::SystemCall
            } else {
                Interface::ProcAndSocket
            }
        })
    }

    fn set(self, target: &EncodedContext) -> io::Result<()> {
        match self {
            Interface::SystemCall => sys::set_self_attr(Some(&target.record), 0),
            Interface::ProcAndSocket => OpenOptions::new()
                .write(true)
                .open("/proc/thread-self/attr/current")?
                .write_all(target.text.to_bytes()),
        }
    }

    /// The calling thread's context, as the kernel writes it, without a NUL.
    fn read(self, buffer: &mut [u8; sys::HEAD + MAX_TEXT]) -> io::Result<&[u8]> {
        let text = match self {
            Interface::SystemCall => sys::get_self_attr(buffer)?,
            Interface::ProcAndSocket => {
                let (socket, _peer) = UnixStream::pair()?;
                // Its peer was made with the label of this thread (`selinux_socket_socketpair`).
                sys::peer_label(socket.as_fd(), buffer)?
            }
        };
        Ok(text.split(|byte| *byte == 0).next().unwrap_or_default())
    }
}

/// The context that the kernel has for the other end of a connection. Of a TCP connection it is what the
/// labels of the client's packets say; where they have none, the error is `ENOPROTOOPT`.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Context> {
    let mut label = [0; mapping::MAX_CONTEXT + 1];
    let label = parse(sys::peer_label(socket, &mut label)?);
    label.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no SELinux context"))
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
