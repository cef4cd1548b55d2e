//! What the status page has counted: requests by what becomes of them, how long workers take to begin, and which
//! contexts they are in. All children write to the same memory, which lasts from httpd's first start to its end.
//!
//! Nothing is decided by it: code that has taken httpd's process over can write it, on a worker or not.

pub use super::board::{Totals, WorkerKind};
pub use super::latency::percentile;

use super::board::{self, CounterBoard};
use crate::httpd::hook::Server;
use crate::httpd::request::Request;
use crate::httpd::{log, process};
use messages::{Code, Message};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// The parent's, set at every start.
static BOARD: Mutex<Option<CounterBoard>> = Mutex::new(None);

/// What a child counts with, set when it begins.
static CHILD: OnceLock<Child> = OnceLock::new();

struct Child {
    board: CounterBoard,
    process: u32,
    /// Its set of counters.
    set: usize,
}

thread_local! {
    static HOME: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Finds what was counted before a restart, or begins at 0. In httpd's parent, before children are made.
pub fn open(main: &Server<'_>) -> io::Result<()> {
    let words = process::lasting(main, board::NAME, board::WORDS)?;
    *BOARD.lock().unwrap_or_else(PoisonError::into_inner) = Some(CounterBoard::new(words));
    Ok(())
}

/// In a child, before it serves requests.
pub fn child_begins() {
    if let Some(board) = of_parent() {
        let _ = CHILD.set(Child { board, process: std::process::id(), set: board.take_set() });
    }
}

/// In httpd's parent: a child has ended.
pub fn child_ended(process: u32) {
    if let Some(board) = of_parent() {
        board.process_ended(process);
    }
}

fn of_parent() -> Option<CounterBoard> {
    *BOARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request is served in the server's context.
pub fn kept() {
    if let Some(child) = CHILD.get() {
        child.board.kept(child.set);
    }
}

/// A request is refused, for the reason that the code is for.
pub fn refused(code: Code) {
    if let Some(child) = CHILD.get() {
        child.board.refused(child.set, code);
    }
}

/// Logs why a request is refused, and counts it.
pub fn log_refusal(request: Request<'_>, why: &Message) {
    log::request(request, why);
    refused(why.code());
}

/// A request is in its context; its worker was given it at this time.
pub fn entered(given: Instant) {
    if let Some(child) = CHILD.get() {
        let nanoseconds = u64::try_from(given.elapsed().as_nanos()).unwrap_or(u64::MAX);
        child.board.entered(child.set, nanoseconds);
    }
}

/// A worker that is counted: as long as this value is there.
pub struct Counted(Option<(CounterBoard, usize)>);

/// Such a worker in this context is about to be. To be kept by whoever waits for it, and knows its end however that comes.
pub fn worker(kind: WorkerKind, context: &CStr) -> Counted {
    Counted(CHILD.get().and_then(|&Child { board, process, .. }| {
        let home = HOME.get().unwrap_or_else(|| board.take_home());
        HOME.set(Some(home));
        Some((board, board.worker_begins(process, home, kind, context.to_bytes())?))
    }))
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some((board, place)) = self.0 {
            board.worker_ends(place);
        }
    }
}

/// What was counted so far, and the workers there are now.
pub struct Now {
    /// Of requests.
    pub totals: Totals,
    /// Workers that serve requests, by context.
    pub active: BTreeMap<String, usize>,
    /// Workers that wait for requests, by context.
    pub resident: BTreeMap<String, usize>,
    /// Workers that have no context yet.
    pub spare: usize,
}

/// What there is now; `None` where nothing is counted.
pub fn now() -> Option<Now> {
    let board = CHILD.get()?.board;
    let [active, resident, spare] =
        [WorkerKind::Active, WorkerKind::Resident, WorkerKind::Spare].map(|kind| board.workers(kind));
    Some(Now { totals: board.totals(), active, resident, spare: spare.values().sum() })
}
