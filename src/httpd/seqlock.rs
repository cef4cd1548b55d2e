//! Words that one writes and others read, without a lock: a writer that is killed holds nobody up. A word of
//! theirs says which version they are, and whose.
//!
//! Nothing in here knows of httpd: `tests/counters.rs` has it alone.

use std::sync::atomic::{Ordering, fence};

/// A version of the words: a number that changes with each change (odd meanwhile), and the process that they belong to (0: none).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    number: u32,
    process: u32,
}

impl Version {
    /// As a word has it.
    pub fn of(word: u64) -> Version {
        Version { number: (word >> 32) as u32, process: word as u32 }
    }

    /// Whose the words are.
    pub fn process(self) -> u32 {
        self.process
    }

    /// The word.
    pub fn word(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.process)
    }

    /// The next one, about to be written.
    pub fn begun(self, process: u32) -> Version {
        self.next(process, false)
    }

    /// The next one that is whole.
    pub fn whole(self, process: u32) -> Version {
        self.next(process, true)
    }

    fn is_whole(self) -> bool {
        self.number & 1 == 0
    }

    fn next(self, process: u32, is_whole: bool) -> Version {
        let step = if self.is_whole() == is_whole { 2 } else { 1 };
        Version { number: self.number.wrapping_add(step), process }
    }
}

/// Writes the words by `body`, whose version has just been set to one that is about to be written: gives the one to set behind
/// them, with `Ordering::Release`.
pub fn write(begun: Version, body: impl FnOnce()) -> Version {
    // A reader that sees one of the words that follow sees the version changed.
    fence(Ordering::Release);
    body();
    begun.whole(begun.process)
}

/// Reads the words by `body`, all of them relaxed, the version too; `None` where they are about to be written, or have been
/// meanwhile.
pub fn read<T>(version: impl Fn() -> Version, body: impl FnOnce(Version) -> T) -> Option<T> {
    let before = version();
    fence(Ordering::Acquire);
    if !before.is_whole() {
        return None;
    }
    let value = body(before);
    fence(Ordering::Acquire);
    (version() == before).then_some(value)
}

/// Text as so many words have it: cut where it is longer, and else with a NUL at its end.
pub fn words_of(text: &[u8], count: usize) -> impl Iterator<Item = u64> {
    let mut bytes = text.iter().copied();
    (0..count).map(move |_| u64::from_ne_bytes(std::array::from_fn(|_| bytes.next().unwrap_or(0))))
}

/// The text of such words.
pub fn text_of(words: impl Iterator<Item = u64>) -> Vec<u8> {
    words.flat_map(u64::to_ne_bytes).take_while(|byte| *byte != 0).collect()
}
