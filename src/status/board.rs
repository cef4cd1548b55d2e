//! The words that are counted in, and how: without a lock, so that whoever is killed in between holds nobody up.
//!
//! Nothing in here knows of httpd: `tests/counters.rs` has it alone.

use super::latency;
use crate::httpd::seqlock::{self, Version};
use messages::{Code, REFUSALS};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many sets of counters there are, so that children do not wait for each other's memory: each child has one,
/// which others may have as well.
const SETS: usize = 64;
/// How many workers are told by context.
pub const WORKERS: usize = 4096;

/// Words that the processor fetches together.
const LINE: usize = 8;

// The head: whose turn it is.
const NEXT_SET: usize = 0;
const NEXT_HOME: usize = 1;
/// Behind it, no worker was ever noted.
const NOTED: usize = 2;

// A set: requests kept, those refused by reason, and those entered by latency.
const SETS_AT: usize = LINE;
const REFUSED: usize = 1;
const ENTERED: usize = REFUSED + REFUSALS.len();
const SET: usize = (ENTERED + latency::CLASSES).next_multiple_of(LINE);

// A note of a worker: its version, with the process, its kind, and its context.
const NOTES_AT: usize = SETS_AT + SETS * SET;
const NOTE: usize = 4 * LINE;
const TEXT_AT: usize = 2;
const TEXT: usize = NOTE - TEXT_AT;

/// How many words there are.
pub const WORDS: usize = NOTES_AT + WORKERS * NOTE;

/// What the words are kept by: another name where they come to mean something else.
pub const NAME: &str = "mod_selinux counters 2";

/// What a worker is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WorkerKind {
    /// It serves a request.
    Active,
    /// It has entered its context, and waits for another request.
    Resident,
    /// It has no context yet.
    Spare,
}

/// The words, which all processes of httpd share.
#[derive(Clone, Copy)]
pub struct CounterBoard(&'static [AtomicU64]);

/// What was counted so far.
pub struct Totals {
    /// Requests that entered a context of their own, by how long that took.
    pub entered: Vec<u64>,
    /// Requests served in the server's context.
    pub kept: u64,
    /// Requests refused, as in [`REFUSALS`].
    pub refused: [u64; REFUSALS.len()],
}

impl CounterBoard {
    /// Over [`WORDS`] words, at first all 0.
    pub fn new(words: &'static [AtomicU64]) -> CounterBoard {
        assert!(words.len() >= WORDS, "too few words to count in");
        CounterBoard(words)
    }

    fn add(self, word: usize) {
        self.0[word].fetch_add(1, Ordering::Relaxed);
    }

    /// The set of counters for one more child.
    pub fn take_set(self) -> usize {
        self.0[NEXT_SET].fetch_add(1, Ordering::Relaxed) as usize % SETS
    }

    /// Where one more thread looks first for a free note.
    pub fn take_home(self) -> usize {
        self.0[NEXT_HOME].fetch_add(1, Ordering::Relaxed) as usize % WORKERS
    }

    /// A request is served in the server's context.
    pub fn kept(self, set: usize) {
        self.add(SETS_AT + set * SET);
    }

    /// A request is refused, by a message with this code; others than [`REFUSALS`] are not counted.
    pub fn refused(self, set: usize, code: Code) {
        if let Some(reason) = REFUSALS.iter().position(|refusal| *refusal == code) {
            self.add(SETS_AT + set * SET + REFUSED + reason);
        }
    }

    /// A request has entered its context, so many nanoseconds after it was given to its worker.
    pub fn entered(self, set: usize, nanoseconds: u64) {
        self.add(SETS_AT + set * SET + ENTERED + latency::class_of(nanoseconds));
    }

    /// What was counted so far.
    pub fn totals(self) -> Totals {
        let sum = |word: usize| {
            let words = (0..SETS).map(|set| self.0[SETS_AT + set * SET + word].load(Ordering::Relaxed));
            words.sum::<u64>()
        };
        Totals {
            entered: (0..latency::CLASSES).map(|class| sum(ENTERED + class)).collect(),
            kept: sum(0),
            refused: std::array::from_fn(|reason| sum(REFUSED + reason)),
        }
    }

    fn note(self, note: usize) -> &'static [AtomicU64] {
        let start = NOTES_AT + note * NOTE;
        &self.0[start..start + NOTE]
    }

    /// Notes that a process has such a worker in a context, in the first free place from `home` on; gives the place, or
    /// `None` where all are taken.
    pub fn worker_begins(self, process: u32, home: usize, kind: WorkerKind, context: &[u8]) -> Option<usize> {
        let places = (0..WORKERS).map(|step| (home + step) % WORKERS);
        let (place, begun) = places.into_iter().find_map(|place| {
            let word = &self.note(place)[0];
            let free = word.load(Ordering::Relaxed);
            let begun = Version::of(free).begun(process);
            let is_free = Version::of(free).process() == 0;
            // First: who looks for the workers of a process that was killed in between finds this one.
            if is_free && self.0[NOTED].load(Ordering::Relaxed) <= place as u64 {
                self.0[NOTED].fetch_max(place as u64 + 1, Ordering::SeqCst);
            }
            let is_taken = is_free
                && word.compare_exchange(free, begun.word(), Ordering::Acquire, Ordering::Relaxed).is_ok();
            is_taken.then_some((place, begun))
        })?;
        let note = self.note(place);
        let whole = seqlock::write(begun, || {
            note[1].store(kind as u64, Ordering::Relaxed);
            for (word, text) in note[TEXT_AT..].iter().zip(seqlock::words_of(context, TEXT)) {
                word.store(text, Ordering::Relaxed);
            }
        });
        note[0].store(whole.word(), Ordering::Release);
        Some(place)
    }

    /// The worker noted there has ended.
    pub fn worker_ends(self, place: usize) {
        let word = &self.note(place)[0];
        let version = Version::of(word.load(Ordering::Relaxed));
        word.store(version.whole(0).word(), Ordering::Release);
    }

    /// A process has ended, however that came, and all its workers with it.
    pub fn process_ended(self, process: u32) {
        for place in 0..self.noted() {
            if Version::of(self.note(place)[0].load(Ordering::Relaxed)).process() == process {
                self.worker_ends(place);
            }
        }
    }

    fn noted(self) -> usize {
        WORKERS.min(self.0[NOTED].load(Ordering::Relaxed) as usize)
    }

    /// How many such workers there are now by context: of all, at most [`WORKERS`].
    pub fn workers(self, kind: WorkerKind) -> BTreeMap<String, usize> {
        let mut workers = BTreeMap::new();
        for context in (0..self.noted()).filter_map(|place| self.read(place, kind)) {
            *workers.entry(context).or_default() += 1;
        }
        workers
    }

    /// The context of the worker noted there; `None` where there is none of this kind.
    fn read(self, place: usize, kind: WorkerKind) -> Option<String> {
        let note = self.note(place);
        let version = || Version::of(note[0].load(Ordering::Relaxed));
        let (is_such, text) = seqlock::read(version, |version| {
            let is_such = version.process() != 0 && note[1].load(Ordering::Relaxed) == kind as u64;
            (is_such, seqlock::text_of(note[TEXT_AT..].iter().map(|word| word.load(Ordering::Relaxed))))
        })?;
        let mark = if text.len() == TEXT * 8 { "..." } else { "" };
        is_such.then(|| format!("{}{mark}", String::from_utf8_lossy(&text)))
    }
}
