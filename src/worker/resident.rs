//! Resident workers (`SELinuxWorker resident`): each stays in the context that it has entered, and serves requests of that
//! context only, one after the other, until it has been idle for long, has served many, or its thread is wanted for
//! another context. None ever changes context.

use super::link::News;
use super::{Ready, Worker, spare};
use crate::config::{Section, Stay};
use crate::httpd::request::Request;
use crate::httpd::signals::Quiet;
use crate::httpd::thread::Thread;
use crate::httpd::threads_per_child;
use crate::lsm::{self, Target};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// This child's resident workers.
struct Pool {
    /// Those that wait, the longest first.
    idle: Vec<Ready>,
    /// How many there are, the busy ones included.
    count: usize,
    /// Threads at their end.
    ended: Vec<Thread>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), count: 0, ended: Vec::new() });

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// Has one that waits end.
    fn dismiss(&mut self, place: usize) {
        let thread = self.idle.remove(place).dismiss();
        self.count -= 1;
        self.ended.push(thread);
    }

    /// Has the one end that has waited longest; `false` where none waits.
    fn dismiss_oldest(&mut self) -> bool {
        let is_there = !self.idle.is_empty();
        if is_there {
            self.dismiss(0);
        }
        is_there
    }

    /// Has those end that have entered their context under another policy.
    fn dismiss_stale(&mut self, policy: u32) {
        while let Some(place) = self.idle.iter().position(|ready| ready.policy != policy) {
            self.dismiss(place);
        }
    }
}

/// How long workers for this request stay; `None` where each serves but one.
pub fn stay(request: Request<'_>) -> Option<Stay> {
    request.configuration::<Section>().settings?.worker.get().copied().flatten()
}

/// A worker for a request in the context of `target`: one that is there and waits, or else a new one. No more are kept
/// than the child has threads for connections: where there are so many, the one that has waited longest ends for it.
///
/// Where a resident worker could leave its context, or nobody knows when the policy changes, it is a one-time worker.
///
/// # Errors
/// No thread, or no stack for one, can be made.
pub fn take(target: &Target, stay: Stay, quiet: &Quiet) -> io::Result<Ready> {
    let Some(policy) = lsm::policy_loads() else { return spare::take(quiet) };
    let mut pool = pool();
    pool.dismiss_stale(policy);
    if let Some(place) = pool.idle.iter().rposition(|ready| ready.worker.place.get() == Some(target)) {
        return Ok(pool.idle.remove(place));
    }
    drop(pool);
    if lsm::may_leave(target) {
        return spare::take(quiet);
    }
    make(stay, policy, quiet)
}

fn make(stay: Stay, policy: u32, quiet: &Quiet) -> io::Result<Ready> {
    let mut ended = {
        let mut pool = pool();
        if pool.count >= threads_per_child() {
            pool.dismiss_oldest();
        }
        pool.count += 1;
        std::mem::take(&mut pool.ended)
    };
    loop {
        match Worker::start(Some(stay.idle), ended.pop(), quiet) {
            Ok(ready) => return Ok(Ready { policy, left: stay.requests, ..ready }),
            Err(error) => {
                let mut pool = pool();
                // One that waits has what is wanted.
                if !pool.dismiss_oldest() {
                    pool.count -= 1;
                    return Err(error);
                }
                ended.append(&mut pool.ended);
            }
        }
    }
}

/// Takes back a worker, after this news of it.
pub fn put_back(ready: Ready, news: &News) {
    let mut pool = pool();
    // Joined when the lock is released: they are at their end.
    let _ended = std::mem::take(&mut pool.ended);
    if *news == News::Ended {
        pool.count -= 1;
        pool.ended.push(ready.thread);
        return;
    }
    pool.idle.push(Ready { left: ready.left.saturating_sub(1), ..ready });
    let last = pool.idle.len() - 1;
    if pool.idle[last].left == 0 || lsm::policy_loads() != Some(pool.idle[last].policy) {
        pool.dismiss(last);
    } else if pool.count > threads_per_child() {
        pool.dismiss_oldest();
    }
}

/// Called on a worker that has waited for long: whether it may end, and is no longer among those that wait.
pub fn retire(worker: &Worker) -> bool {
    let mut pool = pool();
    let Some(place) = pool.idle.iter().position(|ready| std::ptr::eq(&*ready.worker, worker)) else {
        return false;
    };
    let ready = pool.idle.remove(place);
    pool.count -= 1;
    pool.ended.push(ready.thread);
    true
}
