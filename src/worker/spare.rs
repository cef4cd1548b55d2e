//! One-time workers, made before they are needed: each thread that serves connections has one in reserve, parked, made
//! when its last response was on its way. Each serves one request; its stack is used again.

use super::{Ready, Worker, is_worker};
use crate::counters::{self, Kind};
use crate::httpd::is_threaded;
use crate::httpd::signals::Quiet;
use crate::httpd::thread::Thread;
use std::cell::RefCell;
use std::io;

/// What a thread has in reserve.
#[derive(Default)]
struct Reserve {
    spare: Option<Ready>,
    /// Threads at their end, of the present request.
    ended: Vec<Thread>,
    /// One of the request before.
    before: Option<Thread>,
}

thread_local! {
    static RESERVE: RefCell<Reserve> = RefCell::default();
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if !is_threaded() {
            // The process ends, perhaps from within a signal's handler: no time to wait.
            std::mem::forget((self.spare.take(), std::mem::take(&mut self.ended), self.before.take()));
        }
        self.ended.extend(self.spare.take().map(Ready::dismiss));
    }
}

/// A worker for one request: the thread's spare, or else a new one.
///
/// # Errors
/// No thread, or no stack for one, can be made.
pub fn take(quiet: &Quiet) -> io::Result<Ready> {
    RESERVE.with_borrow_mut(|reserve| match reserve.spare.take() {
        Some(spare) => Ok(Ready { counted: None, ..spare }),
        None => Worker::start(None, reserve.ended.pop(), quiet),
    })
}

/// Takes back the thread of a worker that has served.
pub fn put_back(thread: Thread) {
    RESERVE.with_borrow_mut(|reserve| reserve.ended.push(thread));
}

/// Makes a spare for a thread that has used its own.
pub fn make() {
    // What a worker makes would be in its context.
    if is_worker() {
        return;
    }
    RESERVE.with_borrow_mut(|reserve| {
        let Some(latest) = reserve.ended.pop() else { return };
        if reserve.spare.is_none() {
            // That of the request before has ended long ago, and need not be waited for. Without a spare, the next request
            // makes its own, or says why it cannot.
            let spare = Worker::start(None, reserve.before.take(), &Quiet::new()).ok();
            let counted = |spare| Ready { counted: Some(counters::worker(Kind::Spare, c"")), ..spare };
            reserve.spare = spare.map(counted);
        }
        // Those of nested requests are not kept.
        reserve.ended.clear();
        reserve.before = Some(latest);
    });
}
