//! What is known of a file that rules read, for the status page: on the board, whose one writer is the watcher.

use crate::httpd::shm::{Board, Writer};
use std::sync::atomic::{Ordering, fence};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many counters one takes: a number that changes with each change (odd meanwhile), the lines, since when they
/// count, and the fault.
pub const WORDS: usize = 64;
const TEXT: usize = 3;
const ATTEMPTS: usize = 100;

/// What is known of a file beside its version.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Report {
    /// How many rules, or users in groups, the version has that counts.
    pub lines: u64,
    /// When it began to count, in seconds of Unix.
    pub since: u64,
    /// Why the file as it is now does not count, where it does not; empty where it does.
    pub fault: String,
}

impl Report {
    /// One of a version that counts from now on.
    pub fn good(lines: usize) -> Report {
        Report { lines: lines as u64, since: now(), fault: String::new() }
    }

    /// The same version, with another fault, as far as there is room for it.
    pub fn with_fault(&self, fault: &str) -> Report {
        let room = (WORDS - TEXT) * 8;
        let end = (0..=room.min(fault.len())).rfind(|end| fault.is_char_boundary(*end)).unwrap_or(0);
        Report { fault: fault[..end].to_owned(), ..self.clone() }
    }

    /// Reads the one that begins at a counter.
    pub fn read(board: &Board, at: usize) -> Report {
        let mut attempts = 0;
        loop {
            let before = board.read(at);
            let report = Report::read_once(board, at);
            fence(Ordering::Acquire);
            // A watcher that died in between leaves it so, until the next one has something to say.
            if (before & 1 == 0 && board.read(at) == before) || attempts == ATTEMPTS {
                return report;
            }
            attempts += 1;
        }
    }

    fn read_once(board: &Board, at: usize) -> Report {
        let text = (TEXT..WORDS).flat_map(|word| board.read(at + word).to_ne_bytes());
        let text: Vec<u8> = text.take_while(|byte| *byte != 0).collect();
        let fault = String::from_utf8_lossy(&text).into_owned();
        Report { lines: board.read(at + 1), since: board.read(at + 2), fault }
    }

    /// Writes it there.
    pub fn write(&self, board: &Board, writer: &mut Writer, at: usize) {
        let odd = board.read(at) | 1;
        writer.set(at, odd);
        // Whoever sees some of what follows sees the number changed.
        fence(Ordering::Release);
        writer.set(at + 1, self.lines);
        writer.set(at + 2, self.since);
        let mut bytes = self.fault.bytes();
        for word in TEXT..WORDS {
            let eight = std::array::from_fn(|_| bytes.next().unwrap_or(0));
            writer.set(at + word, u64::from_ne_bytes(eight));
        }
        writer.set(at, odd + 1);
    }

    /// How long it has counted, in seconds.
    pub fn age(&self) -> u64 {
        now().saturating_sub(self.since)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
