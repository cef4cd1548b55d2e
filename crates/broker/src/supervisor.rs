//! What the broker tells its supervisor and gets from it (sd_notify(3), sd_listen_fds(3)): that it is ready, its listening
//! sockets and its processes, which are kept for it when it ends, however it ends. Without a supervisor nothing of it happens.

use crate::sys;
use rustix::fs::fgetxattr;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};
use std::env;
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;

/// The name by which the broker's own socket is kept.
pub const CONTROL: &str = "control";

/// The supervisor, if there is one.
#[derive(Debug)]
pub struct Supervisor(Option<(UnixDatagram, OsString)>);

impl Supervisor {
    /// The one that the environment names.
    ///
    /// # Errors
    /// There is one, and no socket can be had to speak to it.
    pub fn new() -> io::Result<Supervisor> {
        let address = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty());
        let supervisor = address.map(|address| UnixDatagram::unbound().map(|socket| (socket, address)));
        Ok(Supervisor(supervisor.transpose()?))
    }

    /// The broker serves.
    ///
    /// # Errors
    /// The supervisor cannot be told.
    pub fn ready(&self) -> io::Result<()> {
        self.tell("READY=1", None)
    }

    /// The broker has been asked to end, and waits for its processes.
    ///
    /// # Errors
    /// The supervisor cannot be told.
    pub fn stopping(&self) -> io::Result<()> {
        self.tell("STOPPING=1", None)
    }

    /// Has a socket kept, by this name.
    ///
    /// # Errors
    /// The supervisor cannot be told.
    pub fn keep(&self, name: &str, socket: BorrowedFd<'_>) -> io::Result<()> {
        // A socket that is closed at the other end is not to be thrown away: nobody polls it there.
        self.tell(&format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}"), Some(socket))
    }

    /// Has a process's descriptor (pidfd_open(2)) kept, by this name, until it ends or is forgotten.
    ///
    /// # Errors
    /// The supervisor cannot be told.
    pub fn keep_process(&self, name: &str, process: BorrowedFd<'_>) -> io::Result<()> {
        self.tell(&format!("FDSTORE=1\nFDNAME={name}"), Some(process))
    }

    /// Has what is kept by this name kept no longer.
    ///
    /// # Errors
    /// The supervisor cannot be told.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        self.tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), None)
    }

    fn tell(&self, text: &str, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Some((own, address)) = &self.0 else { return Ok(()) };
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
            path => SocketAddrUnix::new(path)?,
        };
        let sockets: Vec<_> = socket.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() {
            rights.push(SendAncillaryMessage::ScmRights(&sockets));
        }
        sendmsg_addr(own, &address, &[IoSlice::new(text.as_bytes())], &mut rights, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// The descriptors that were kept, with their names. To be asked for once, before anything else is opened.
#[must_use]
pub fn kept() -> Vec<(String, OwnedFd)> {
    let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").unwrap_or(0);
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    names.zip(sys::inherited(count)).collect()
}

/// The context that a socket was made with: of a pool's listener, that of its processes.
///
/// # Errors
/// The kernel does not tell it.
pub fn context_of(socket: impl AsFd) -> io::Result<String> {
    let mut label = vec![0; mapping::MAX_CONTEXT + 1];
    let length = fgetxattr(socket, "security.selinux", label.as_mut_slice())?;
    label.truncate(length);
    let text = label.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(text.to_vec()).map_err(io::Error::other)
}
