//! A worker that has a thread and no request: what spares are, and resident workers that wait.

use super::Worker;
use super::handoff::WorkerCommand;
use crate::httpd::signals::BlockedSignals;
use crate::httpd::stack::Stack;
use crate::httpd::thread::Thread;
use crate::httpd::thread_stack_size;
use crate::selinux::state::LiveState;
use crate::status::counters::Counted;
use std::io;
use std::sync::Arc;

/// What a resident worker has been made under, and how long it may go on.
pub struct Lease {
    pub(super) state: Arc<LiveState>,
    /// How many policies the kernel had loaded when it was made.
    pub(super) policy: u32,
    /// How many requests it may serve.
    pub(super) left: u32,
}

/// A worker that has no request, for whoever has one.
pub struct IdleWorker {
    pub worker: Arc<Worker>,
    pub thread: Thread,
    /// For a resident one.
    pub lease: Option<Lease>,
    /// It is counted while it waits.
    #[expect(dead_code, reason = "its drop is what it does")]
    pub counted: Option<Counted>,
}

impl IdleWorker {
    /// Starts a worker's thread, on the stack of the one that has ended if there is one.
    ///
    /// # Errors
    /// No thread, or no stack for one, can be made.
    pub fn start(
        worker: Arc<Worker>,
        ended: Option<Thread>,
        signals: &BlockedSignals,
    ) -> io::Result<IdleWorker> {
        let stack = match ended {
            Some(thread) => thread.join(),
            None => Stack::new(thread_stack_size())?,
        };
        let thread = Thread::start(worker.clone(), stack, signals)?;
        Ok(IdleWorker { worker, thread, lease: None, counted: None })
    }

    /// Has the worker end; its thread is to be joined.
    pub fn dismiss(self) -> Thread {
        self.worker.handoff.command(WorkerCommand::Dismiss);
        self.thread
    }

    /// Whether it may not go on.
    pub(super) fn is_over(&self) -> bool {
        let is_over = |lease: &Lease| lease.left == 0 || lease.policy != lease.state.policy_loads();
        self.lease.as_ref().is_none_or(is_over)
    }
}
