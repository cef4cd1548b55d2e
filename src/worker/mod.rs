//! A request's thread: the request is handed over to it, it enters the context, proves it, and runs the
//! handler. Its supervisor, the thread that had the request, waits meanwhile, and serves the
//! requests that the handler starts and that are mapped to something else.
//!
//! A worker never changes context a second time, and never makes another thread for a request: what it
//! makes would inherit its context. It ends with its request (`one_time`), or stays for others of the same
//! context (`resident`).

mod filter_bridge;
mod handoff;
mod idle;
pub mod one_time;
mod resident;
pub mod serve;
pub mod supervisor;

use crate::httpd::filter::{self, Call};
use crate::httpd::log;
use crate::httpd::panic;
use crate::httpd::phase::PhaseCall;
use crate::httpd::request::{Request, Ticket};
use crate::httpd::signals::BlockedSignals;
use crate::httpd::status::Status;
use crate::httpd::thread::{Task, ThreadName, with_task};
use crate::selinux::{self, EnterError, SharedContext};
use crate::status::counters;
use handoff::{Handoff, Reply, SupervisorRequest, WorkerCommand, WorkerEvent};
use messages::Code;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use supervisor::Supervisor;

/// A thread for requests, as it and its supervisors have it.
struct Worker {
    handoff: Handoff<Arc<Job>>,
    /// Whether it waits for another request; `None`: it ends with its first.
    wait_limit: Option<WaitLimit>,
    /// The context that it has entered, for good.
    place: OnceLock<SharedContext>,
    /// What it serves; its thread's alone.
    job: Mutex<Option<Arc<Job>>>,
}

/// How long a worker waits for its next request.
#[derive(Clone, Copy)]
struct WaitLimit {
    idle: Duration,
    /// Whether it may end, when it has waited for so long.
    retire: fn(&Worker) -> bool,
}

/// A request on its way through a worker.
pub struct Job {
    worker: Arc<Worker>,
    /// Until the worker takes it.
    ticket: Mutex<Option<Ticket>>,
    target: SharedContext,
    /// The name of the worker's thread meanwhile.
    name: ThreadName,
    /// What is done for it with the server's privileges.
    supervisor: &'static dyn Supervisor,
    /// Serves a request that its handler has started (`serve`).
    serve_nested: fn(Request<'_>, &Arc<Job>) -> Status,
    /// What the handler answered. It starts out as an error: a handler may end its thread.
    status: AtomicI32,
    /// Whether the worker has given the request back, and may have another.
    is_over: AtomicBool,
    /// When it was given to the worker.
    given: Instant,
    /// The job whose handler started this request; `None` where a connection's thread did.
    origin: Option<Arc<Job>>,
}

/// The job of this thread; `None` on a thread that is no worker, or has none.
fn current() -> Option<Arc<Job>> {
    with_task(|worker: &Worker| worker.job().clone()).flatten()
}

/// Whether this thread is a worker.
pub fn is_worker() -> bool {
    with_task(|_: &Worker| ()).is_some()
}

/// Whether this thread is a worker in the context of `target`, and so the right place for it.
pub fn is_at(target: &SharedContext) -> bool {
    current().is_some_and(|job| job.target == *target)
}

/// Has a request that this worker's handler started served elsewhere: by another worker, or by the
/// supervisor itself, as its own decision says. Waits for its end.
pub fn serve_via_supervisor(request: Request<'_>) -> Status {
    match current() {
        Some(job) => request.lend(|ticket| served(job.ask(SupervisorRequest::Serve(ticket)))),
        None => Status::INTERNAL_SERVER_ERROR,
    }
}

/// Has the supervisor run a phase of a request that this worker's handler started; answers for the phase.
pub fn run_phase_via_supervisor(call: PhaseCall<'_>) -> Status {
    match current() {
        Some(job) => call.lend(|ticket| served(job.ask(SupervisorRequest::Phase(ticket)))),
        None => Status::INTERNAL_SERVER_ERROR,
    }
}

fn served(reply: Reply) -> Status {
    match reply {
        Reply::Served(status) => status,
        Reply::Returned(_) => Status::INTERNAL_SERVER_ERROR,
    }
}

impl Job {
    /// Supervisor: answers the worker until there is other news of it.
    fn attend(self: &Arc<Job>, signals: &BlockedSignals) -> WorkerEvent {
        self.worker.handoff.attend(|question| self.answer(question, signals))
    }

    fn answer(self: &Arc<Job>, question: SupervisorRequest, signals: &BlockedSignals) -> Reply {
        match question {
            SupervisorRequest::Serve(mut ticket) => Reply::Served(self.serve(ticket.redeem(), signals)),
            SupervisorRequest::Phase(mut ticket) => Reply::Served(self.run_phase(ticket.redeem(), signals)),
            SupervisorRequest::Call(call) => Reply::Returned(self.take_on(call, signals)),
        }
    }

    fn serve(self: &Arc<Job>, request: Request<'_>, signals: &BlockedSignals) -> Status {
        panic::catch_panic(Status::INTERNAL_SERVER_ERROR, || {
            signals.unblocked(|| (self.serve_nested)(request, self))
        })
    }

    /// Supervisor: runs a phase of a request that the worker started.
    fn run_phase(&self, call: PhaseCall<'_>, signals: &BlockedSignals) -> Status {
        // What hooks keep with the thread (mod_lua), the worker must not share.
        call.request().on_this_thread(|| {
            panic::catch_panic(Status::INTERNAL_SERVER_ERROR, || {
                signals.unblocked(|| self.supervisor.run_phase(call))
            })
        })
    }

    fn take_on(&self, call: Call, signals: &BlockedSignals) -> i32 {
        let carry = || match &self.origin {
            None => call.run(),
            Some(origin) => origin.call(call),
        };
        panic::catch_panic(filter::FAILED, || signals.unblocked(carry))
    }

    /// Supervisor: has the waiting worker call a filter of its request.
    fn call(self: &Arc<Job>, call: Call) -> i32 {
        if self.is_over.load(Ordering::Acquire) {
            return wrong_thread();
        }
        let signals = BlockedSignals::new();
        match self.worker.handoff.call(call, |question| self.answer(question, &signals)) {
            WorkerEvent::Returned(result) => result,
            WorkerEvent::Served | WorkerEvent::Ended => wrong_thread(),
        }
    }

    /// Worker: asks the supervisor, and makes the calls it wants made meanwhile.
    fn ask(&self, question: SupervisorRequest) -> Reply {
        let signals = BlockedSignals::new();
        self.worker.handoff.ask(question, |call| signals.unblocked(|| call.run()))
    }
}

/// The answer to a call of a filter whose request has nothing to do with this thread.
fn wrong_thread() -> i32 {
    let text = "a filter was called on a thread that has no part in its request";
    log::server(&Code::WrongThread.message(text));
    filter::FAILED
}

impl Worker {
    /// One that stays for so long where it has nothing to do; `None`: it serves one request. It has no thread yet.
    fn new(wait_limit: Option<WaitLimit>) -> Arc<Worker> {
        Arc::new(Worker {
            handoff: Handoff::new(),
            wait_limit,
            place: OnceLock::new(),
            job: Mutex::new(None),
        })
    }

    fn job(&self) -> MutexGuard<'_, Option<Arc<Job>>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_job(&self) -> Option<Arc<Job>> {
        self.job().take()
    }

    /// Confines the thread, once.
    fn enter(&self, target: &SharedContext) -> Result<(), EnterError> {
        match self.place.get() {
            None => {
                selinux::enter(target)?;
                let _ = self.place.set(Arc::clone(target));
                Ok(())
            }
            Some(place) if place == target => Ok(()),
            Some(place) => Err(EnterError::Elsewhere(place.to_string())),
        }
    }
}

impl Task for Worker {
    fn wait(&self) -> bool {
        if let Some(served) = self.take_job() {
            if self.wait_limit.is_none() || self.place.get().is_none() {
                return false;
            }
            drop(served);
            self.handoff.finish();
        }
        let command = match self.handoff.await_command(self.wait_limit.map(|wait_limit| wait_limit.idle)) {
            None if self.wait_limit.is_some_and(|wait_limit| (wait_limit.retire)(self)) => None,
            // Somebody has taken it just now.
            None => self.handoff.await_command(None),
            command => command,
        };
        match command {
            Some(WorkerCommand::Serve(job)) => {
                *self.job() = Some(job);
                true
            }
            Some(WorkerCommand::Dismiss) | None => false,
        }
    }

    fn begin(&self) -> Option<Ticket> {
        let job = self.job().clone()?;
        job.begin()
    }

    fn leave(&self, status: Option<Status>) {
        if let (Some(job), Some(status)) = (&*self.job(), status) {
            job.status.store(status.0, Ordering::Release);
        }
    }

    fn end(&self) {
        // One whose handler ended its thread is still there.
        drop(self.take_job());
        self.handoff.end();
    }
}

impl Job {
    /// Supervisor: there will be no worker.
    fn give_up(&self) {
        self.worker.end();
        drop(self.take_ticket());
    }

    fn take_ticket(&self) -> Option<Ticket> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Confines the thread; `None` where that failed, and nothing may run.
    fn begin(self: &Arc<Job>) -> Option<Ticket> {
        panic::catch_panic(None, || {
            let mut ticket = self.take_ticket()?;
            let request = ticket.redeem();
            self.name.give();
            if let Err(error) = self.worker.enter(&self.target) {
                let text = format!("refused: {} cannot be entered: {error}", self.target);
                counters::log_refusal(request, &Code::EnterFailed.message(text));
                return None;
            }
            counters::entered(self.given);
            Some(ticket)
        })
    }
}
