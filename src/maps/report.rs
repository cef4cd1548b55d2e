//! What is known of a file that rules read, for the status page: on the board, whose one writer is the watcher.

use crate::httpd::seqlock::{self, Version};
use crate::httpd::shm::{Board, Writer};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many counters one takes: the version, the lines, since when they apply, and the fault.
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
        let version = || Version::of(board.read(at));
        let mut attempts = 0..ATTEMPTS;
        let whole = attempts.find_map(|_| seqlock::read(version, |_| Report::read_once(board, at)));
        // A watcher that died in between leaves it so, until the next one has something to say.
        whole.unwrap_or_else(|| Report::read_once(board, at))
    }

    fn read_once(board: &Board, at: usize) -> Report {
        let text = seqlock::text_of((TEXT..WORDS).map(|word| board.read(at + word)));
        let fault = String::from_utf8_lossy(&text).into_owned();
        Report { lines: board.read(at + 1), since: board.read(at + 2), fault }
    }

    /// Writes it there.
    pub fn write(&self, board: &Board, writer: &mut Writer, at: usize) {
        let begun = Version::of(board.read(at)).begun(0);
        writer.set(at, begun.word());
        let whole = seqlock::write(begun, || {
            writer.set(at + 1, self.lines);
            writer.set(at + 2, self.since);
            let text = seqlock::words_of(self.fault.as_bytes(), WORDS - TEXT);
            (at + TEXT..).zip(text).for_each(|(counter, word)| writer.set(counter, word));
        });
        writer.set(at, whole.word());
    }

    /// How long it has counted, in seconds.
    pub fn age(&self) -> u64 {
        now().saturating_sub(self.since)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
