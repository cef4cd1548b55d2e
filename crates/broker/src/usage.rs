//! Who has something to do: a pool that has a connection now, or was connected to since it was asked last.
//!
//! The kernel lists an accepted socket with its listener's path, from the connection's beginning to its end. And it touches a
//! socket's file when somebody connects (`net/unix/af_unix.c: unix_find_bsd`), as `relatime` has it: where the last access was
//! before the last change.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What `/proc/net/unix` says of a socket that is connected (`net/unix/af_unix.c: unix_seq_show`).
const CONNECTED: &str = "03";

/// The paths of those listeners that have connections; `None` where the kernel does not tell.
pub struct Connections(Option<BTreeSet<String>>);

impl Connections {
    /// Those that there are now.
    #[must_use]
    pub fn read() -> Connections {
        let text = fs::read_to_string("/proc/net/unix").ok();
        Connections(text.map(|text| text.lines().skip(1).filter_map(connected).map(str::to_owned).collect()))
    }

    /// Whether a listener has one. Without the list nobody is known to be idle.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        self.0.as_ref().is_none_or(|paths| path.to_str().is_some_and(|path| paths.contains(path)))
    }
}

/// The path of a line's socket, where that is connected.
fn connected(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    let state = words.nth(5)?;
    let path = words.nth(1)?;
    (state == CONNECTED && path.starts_with('/')).then_some(path)
}

/// Whether somebody has connected to a listener since this was asked last. The first time, the answer is that somebody has.
///
/// # Errors
/// Its file is gone, or is another's.
pub fn was_connected(path: &Path) -> io::Result<bool> {
    let was = fs::symlink_metadata(path)?.atime() != 0;
    if was {
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: never, last_modification: now };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(was)
}

#[cfg(test)]
mod tests {
    use super::{Connections, was_connected};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_listener_has_connections_from_their_beginning_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let is_busy = || Connections::read().has(&path);
        assert!(!is_busy());
        let client = UnixStream::connect(&path).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(is_busy());
        drop(client);
        drop(server);
        assert!(!is_busy());
    }

    #[test]
    fn a_connection_that_has_come_and_gone_is_told_of_once() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(was_connected(&path).unwrap());
        for _ in 0..3 {
            assert!(!was_connected(&path).unwrap());
            assert!(!was_connected(&path).unwrap());
            drop(UnixStream::connect(&path).unwrap());
            drop(listener.accept().unwrap());
            assert!(was_connected(&path).unwrap());
        }
    }
}
