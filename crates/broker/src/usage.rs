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

/// The kernel's list of sockets.
pub const SOCKETS: &str = "/proc/net/unix";

/// What it says of a socket that is connected (`net/unix/af_unix.c: unix_seq_show`).
const CONNECTED: &str = "03";

/// The paths of those listeners that have connections, of a text of `/proc/net/unix`.
#[must_use]
pub fn connected(text: &str) -> BTreeSet<&str> {
    let paths = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let state = words.nth(5)?;
        let path = words.nth(1)?;
        (state == CONNECTED && path.starts_with('/')).then_some(path)
    });
    paths.collect()
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
    use super::{connected, was_connected};
    use std::fs;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_listener_has_connections_from_their_beginning_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let is_busy = || {
            let text = fs::read_to_string("/proc/net/unix").unwrap();
            connected(&text).contains(path.to_str().unwrap())
        };
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
