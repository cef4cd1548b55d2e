//! What the status page has counted: requests by what becomes of them, how long workers take to begin, and which
//! contexts they are in. All children write to the same memory, which lasts from httpd's first start to its end.
//!
//! Nothing is decided by it: code that has taken httpd's process over can write it, on a worker or not.

mod board;
mod latency;

pub use board::{REASONS, Totals};
pub use latency::percentile;

use crate::httpd::hook::Server;
use crate::httpd::process;
use board::Board;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;
use std::sync::OnceLock;
use std::time::Instant;

static BOARD: OnceLock<Board> = OnceLock::new();

/// Set in each child when it begins: the process, and its set of counters.
static CHILD: OnceLock<(u32, usize)> = OnceLock::new();

thread_local! {
    static HOME: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Finds what was counted before a restart, or begins at 0. In httpd's parent, before children are made.
pub fn open(main: Server<'_>) -> io::Result<()> {
    let name = CString::new(format!("mod_selinux counters {} {}", board::LAYOUT, board::WORDS));
    let words = process::lasting(main, &name.unwrap_or_default(), board::WORDS)?;
    let _ = BOARD.set(Board::new(words));
    Ok(())
}

/// In a child, before it serves requests.
pub fn child_begins() {
    if let Some(board) = BOARD.get() {
        let _ = CHILD.set((std::process::id(), board.take_set()));
    }
}

/// In httpd's parent: a child has ended.
pub fn child_ended(process: u32) {
    if let Some(board) = BOARD.get() {
        board.process_ended(process);
    }
}

/// A child's board, with its process and its set of counters.
fn of_child() -> Option<(Board, u32, usize)> {
    let &(process, set) = CHILD.get()?;
    BOARD.get().map(|board| (*board, process, set))
}

/// A request is served in the server's context.
pub fn kept() {
    if let Some((board, _, set)) = of_child() {
        board.kept(set);
    }
}

/// A request is refused: `message` begins with the code that says why.
pub fn refused(message: &str) {
    if let Some((board, _, set)) = of_child() {
        board.refused(set, message);
    }
}

/// A request is in its context; its worker was given it at this time.
pub fn entered(given: Instant) {
    if let Some((board, _, set)) = of_child() {
        board.entered(set, u64::try_from(given.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
}

/// A worker that serves a request: there as long as this value.
pub struct Active(Option<(Board, usize)>);

/// A worker in this context is about to be. To be kept by whoever waits for it, and knows its end however that comes.
pub fn active(context: &CStr) -> Active {
    Active(of_child().and_then(|(board, process, _)| {
        let home = HOME.get().unwrap_or_else(|| board.take_home());
        HOME.set(Some(home));
        Some((board, board.worker_begins(process, home, context.to_bytes())?))
    }))
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some((board, place)) = self.0 {
            board.worker_ends(place);
        }
    }
}

/// What was counted so far, and the workers there are now by context; `None` where nothing is counted.
pub fn now() -> Option<(Totals, BTreeMap<String, usize>)> {
    BOARD.get().map(|board| (board.totals(), board.workers()))
}
