//! One-time workers made before they are needed: a thread that serves connections has one in reserve, parked, made when its
//! last response was on its way and the child had nothing else to do. Each serves one request; its stack is used again.
//!
//! A spare saves its request the time that making a thread takes, and costs the processor a wait and a wake-up more. Where
//! requests are being served, the next one's thread is made with it.

use super::idle::IdleWorker;
use super::{Worker, is_worker};
use crate::httpd::is_threaded;
use crate::httpd::signals::BlockedSignals;
use crate::httpd::thread::Thread;
use crate::status::counters::{self, WorkerKind};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a thread has in reserve.
#[derive(Default)]
struct Reserve {
    spare: Option<IdleWorker>,
    /// Threads at their end, the first to end first.
    ended: Vec<Thread>,
}

/// How many are kept for their stacks: the last of them may not have ended when the next request comes.
const KEPT: usize = 2;

thread_local! {
    static RESERVE: RefCell<Reserve> = RefCell::default();
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if !is_threaded() {
            // The process ends, perhaps from within a signal's handler: no time to wait.
            std::mem::forget((self.spare.take(), std::mem::take(&mut self.ended)));
        }
        self.ended.extend(self.spare.take().map(IdleWorker::dismiss));
    }
}

/// How many requests workers of this child have.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// A request that a worker has, as long as this value is there.
pub(super) struct BusyGuard(());

impl BusyGuard {
    /// One more.
    pub fn new() -> BusyGuard {
        BUSY.fetch_add(1, Ordering::Relaxed);
        BusyGuard(())
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The thread's spare, for one request; `None` where it has none.
pub(super) fn take() -> Option<IdleWorker> {
    RESERVE.with_borrow_mut(|reserve| reserve.spare.take()).map(|spare| IdleWorker { counted: None, ..spare })
}

/// A thread whose stack is free for another, once it is joined.
pub(super) fn take_ended() -> Option<Thread> {
    RESERVE.with_borrow_mut(|reserve| (!reserve.ended.is_empty()).then(|| reserve.ended.remove(0)))
}

/// Takes back the thread of a worker that has served.
pub(super) fn put_back(thread: Thread) {
    RESERVE.with_borrow_mut(|reserve| reserve.ended.push(thread));
}

/// Makes a spare for a thread that has none, where this is the time for it.
pub fn make() {
    // What a worker makes would be in its context.
    if is_worker() {
        return;
    }
    RESERVE.with_borrow_mut(|reserve| {
        // Those of nested requests are not kept.
        let excess = reserve.ended.len().saturating_sub(KEPT);
        reserve.ended.drain(..excess);
        let is_used = !reserve.ended.is_empty() && reserve.spare.is_none();
        if !is_used || BUSY.load(Ordering::Relaxed) > 0 {
            return;
        }
        // The one before the last has ended long ago, and need not be waited for. Without a spare, the next request
        // makes its worker, or says why it cannot.
        let ended = (reserve.ended.len() == KEPT).then(|| reserve.ended.remove(0));
        let spare = IdleWorker::start(Worker::new(None), ended, &BlockedSignals::new()).ok();
        let counted = |spare| IdleWorker { counted: Some(counters::worker(WorkerKind::Spare, c"")), ..spare };
        reserve.spare = spare.map(counted);
    });
}
