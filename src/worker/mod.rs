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
use crate::httpd::log::{self, Level};
use crate::httpd::phase::PhaseCall;
use crate::httpd::request::{AdoptedThread, ConnectionThread, Request, Ticket};
use crate::httpd::signals::BlockedSignals;
use crate::httpd::status::Status;
use crate::httpd::thread::{Task, name_this, with_task};
use crate::httpd::{panic, php};
use crate::selinux::{self, EnterError, SharedContext};
use crate::status::counters;
use handoff::{Handoff, Reply, SupervisorRequest, WorkerCommand, WorkerEvent};
use std::ffi::CString;
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
    ticket: Ticket,
    target: SharedContext,
    /// The name of the worker's thread meanwhile.
    name: CString,
    /// What is done for it with the server's privileges.
    supervisor: &'static dyn Supervisor,
    /// Serves a request that its handler has started (`serve`).
    serve_nested: fn(Request<'_>, &Arc<Job>) -> Status,
    /// What the handler answered. It starts out as an error: a handler may end its thread.
    status: AtomicI32,
    /// Whether the worker has given the request back, and may have another.
    is_over: AtomicBool,
    /// The worker's thread, as httpd knows it while it has the request.
    adopted: Mutex<Option<AdoptedThread>>,
    /// When it was given to the worker.
    given: Instant,
    /// The thread that the connection runs on, where workers are started and phases of nested requests run.
    home: ConnectionThread,
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
    lend(request, SupervisorRequest::Serve)
}

/// Has the supervisor run a phase of a request that this worker's handler started; answers for the phase.
pub fn run_phase_via_supervisor(request: Request<'_>, call: PhaseCall) -> Status {
    lend(request, |ticket| SupervisorRequest::Phase(ticket, call))
}

fn lend(request: Request<'_>, what_for: impl FnOnce(Ticket) -> SupervisorRequest) -> Status {
    let Some(job) = current() else { return Status::INTERNAL_SERVER_ERROR };
    request.lend(|ticket| match job.ask(what_for(ticket)) {
        Reply::Served(status) => status,
        Reply::Returned(_) => Status::INTERNAL_SERVER_ERROR,
    })
}

impl Job {
    /// Supervisor: answers the worker until there is other news of it.
    fn attend(self: &Arc<Job>, signals: &BlockedSignals) -> WorkerEvent {
        self.worker.handoff.attend(|question| self.answer(question, signals))
    }

    fn answer(self: &Arc<Job>, question: SupervisorRequest, signals: &BlockedSignals) -> Reply {
        match question {
            SupervisorRequest::Serve(ticket) => Reply::Served(self.serve(ticket, signals)),
            SupervisorRequest::Phase(ticket, call) => {
                Reply::Served(self.run_phase(ticket.redeem(), call, signals))
            }
            SupervisorRequest::Call(call) => Reply::Returned(self.take_on(call, signals)),
        }
    }

    fn serve(self: &Arc<Job>, ticket: Ticket, signals: &BlockedSignals) -> Status {
        panic::catch_panic(Status::INTERNAL_SERVER_ERROR, || {
            signals.unblocked(|| (self.serve_nested)(ticket.redeem(), self))
        })
    }

    /// Supervisor: runs a phase of a request that the worker started.
    fn run_phase(&self, request: Request<'_>, call: PhaseCall, signals: &BlockedSignals) -> Status {
        // What hooks keep with the thread (mod_lua), the worker must not share.
        request.on_thread(self.home, || {
            panic::catch_panic(Status::INTERNAL_SERVER_ERROR, || {
                signals.unblocked(|| self.supervisor.run_phase(request, call))
            })
        })
    }

    fn take_on(&self, call: Call, signals: &BlockedSignals) -> i32 {
        let carry = || match &self.origin {
            None => self.ticket.redeem().on_thread(self.home, || call.run()),
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
        let answer = self.worker.handoff.ask(question, |call| {
            php::measure_worker();
            let adopted = self.adopted().as_ref().map(AdoptedThread::name);
            let run = || match adopted {
                // What its filters keep with a thread is not to go with the part's.
                Some(thread) => self.ticket.redeem().on_thread(thread, || call.run()),
                None => call.run(),
            };
            signals.unblocked(run)
        });
        // Another worker may have run PHP since.
        php::measure_worker();
        answer
    }
}

/// Runs the handler, and has the request's own filters see the response's end here.
fn run_to_end(request: Request<'_>) -> Status {
    let status = request.run_handler();
    // The end of a part is sent whatever its handler answers (`ap_run_sub_req`).
    if status == Status::OK || status == Status::DONE || request.main().is_some() {
        request.finalize();
    } else if status.breaks_off() {
        filter::break_off(request);
    }
    status
}

/// The answer to a call of a filter whose request has nothing to do with this thread.
fn wrong_thread() -> i32 {
    let text = "SEL0204: a filter was called on a thread that has no part in its request";
    log::server(Level::Error, text);
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

    fn run(&self) {
        let Some(ticket) = current().filter(Job::begin).map(|job| job.ticket) else { return };
        let request = ticket.redeem();
        let status = run_to_end(request);
        if let Some(job) = current() {
            job.status.store(status.0, Ordering::Release);
            job.close();
        }
    }

    fn end(&self) {
        // One whose handler ended its thread is still there.
        self.take_job().inspect(|job| job.close());
        self.handoff.end();
    }
}

impl Job {
    /// Closes what the handler has left, here and not where the request goes on.
    fn close(&self) {
        let adopted = self.adopted().take();
        if adopted.is_some() {
            filter::close(self.ticket.redeem(), || drop(adopted));
        }
    }

    fn adopted(&self) -> MutexGuard<'_, Option<AdoptedThread>> {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Confines the thread; `false` where that failed, and nothing may run.
    fn begin(self: &Arc<Job>) -> bool {
        panic::catch_panic(false, || {
            let request = self.ticket.redeem();
            name_this(&self.name);
            if let Err(error) = self.worker.enter(&self.target) {
                let why = format!("SEL0101: refused: {} cannot be entered: {error}", self.target);
                log::request(request, Level::Error, &why);
                counters::refused(&why);
                return false;
            }
            counters::entered(self.given);
            let adopted = request.adopt_thread();
            request.set_connection_thread(adopted.name());
            *self.adopted() = Some(adopted);
            php::measure_worker();
            true
        })
    }
}
