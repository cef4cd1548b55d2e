//! Resident workers (`SELinuxWorker resident`): each stays in the context that it has entered, and serves requests of that
//! context only, one after the other, until it has been idle for long, has served many, or its thread is wanted for
//! another context. None ever changes context.

use super::handoff::WorkerEvent;
use super::idle::{IdleWorker, Lease};
use super::{WaitLimit, Worker};
use crate::config::settings::{ReuseLimits, Serving};
use crate::httpd::signals::BlockedSignals;
use crate::httpd::thread::Thread;
use crate::httpd::threads_per_child;
use crate::selinux::{SharedContext, query};
use crate::status::counters::{self, WorkerKind};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// This child's resident workers.
struct Pool {
    /// Those that wait, the longest first.
    idle: Vec<IdleWorker>,
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
    /// One that waits in this context, the last that was busy. Those that may not go on end.
    fn take(&mut self, target: &SharedContext) -> Option<IdleWorker> {
        while let Some(place) = self.idle.iter().position(IdleWorker::is_over) {
            self.dismiss(place);
        }
        let place = self.idle.iter().rposition(|ready| ready.worker.place.get() == Some(target))?;
        Some(IdleWorker { counted: None, ..self.idle.remove(place) })
    }

    fn dismiss(&mut self, place: usize) {
        self.ended.push(self.idle.remove(place).dismiss());
        self.count -= 1;
    }

    /// Has the one end that has waited longest; `false` where none waits.
    fn dismiss_oldest(&mut self) -> bool {
        let is_there = !self.idle.is_empty();
        if is_there {
            self.dismiss(0);
        }
        is_there
    }
}

/// A resident worker for a request in the context of `target`: one that is there and waits, or else a new one. No more
/// are kept than the child has threads for connections: where there are so many, the one that has waited longest ends.
///
/// `None` where workers are not to stay; or where one might leave its context, or nobody could say that the policy has
/// changed.
///
/// # Errors
/// No thread, or no stack for one, can be made.
pub fn take(
    serving: Option<&Serving>,
    target: &SharedContext,
    signals: &BlockedSignals,
) -> Option<io::Result<IdleWorker>> {
    let Serving { started, live_state, .. } = serving?;
    let limits = started.configured.worker.flatten()?;
    let state = live_state.as_ref()?;
    if let Some(ready) = pool().take(target) {
        return Some(Ok(ready));
    }
    // Before the question: a policy that comes after it is noticed.
    let policy = state.policy_loads();
    if query::may_leave(target) {
        return None;
    }
    Some(make(limits, Lease { state: Arc::clone(state), policy, left: limits.requests }, signals))
}

fn make(limits: ReuseLimits, lease: Lease, signals: &BlockedSignals) -> io::Result<IdleWorker> {
    let mut ended = {
        let mut pool = pool();
        if pool.count >= threads_per_child() {
            pool.dismiss_oldest();
        }
        pool.count += 1;
        std::mem::take(&mut pool.ended)
    };
    loop {
        match IdleWorker::start(
            Worker::new(Some(WaitLimit { idle: limits.idle, retire })),
            ended.pop(),
            signals,
        ) {
            Ok(ready) => return Ok(IdleWorker { lease: Some(lease), ..ready }),
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
pub fn put_back(mut ready: IdleWorker, news: &WorkerEvent) {
    if let Some(lease) = &mut ready.lease {
        lease.left = lease.left.saturating_sub(1);
    }
    // Joined when the lock is released: they are at their end.
    let _ended;
    let mut pool = pool();
    _ended = std::mem::take(&mut pool.ended);
    if *news == WorkerEvent::Ended {
        pool.count -= 1;
        pool.ended.push(ready.thread);
        return;
    }
    if ready.is_over() {
        pool.count -= 1;
        pool.ended.push(ready.dismiss());
        return;
    }
    let counted = ready.worker.place.get().map(|place| counters::worker(WorkerKind::Resident, place.text()));
    pool.idle.push(IdleWorker { counted, ..ready });
    if pool.count > threads_per_child() {
        pool.dismiss_oldest();
    }
}

/// Called on a worker that has waited for long: whether it may end, and is no longer among those that wait.
fn retire(worker: &Worker) -> bool {
    let mut pool = pool();
    let Some(place) = pool.idle.iter().position(|ready| std::ptr::eq(&*ready.worker, worker)) else {
        return false;
    };
    let ready = pool.idle.remove(place);
    pool.count -= 1;
    pool.ended.push(ready.thread);
    true
}
