//! The one-time thread: a request is handed over to it, it enters the context, proves it, runs the
//! handler, and ends. Its supervisor, the thread that had the request, waits meanwhile, and serves the
//! requests that the handler starts and that are mapped to something else.
//!
//! A worker never changes context a second time, and never makes another thread for a request: what it
//! makes would inherit its context.

mod link;

use crate::counters;
use crate::httpd::filter::{self, Call, Carrier};
use crate::httpd::log::{self, Level};
use crate::httpd::request::{ConnectionThread, Request, Ticket};
use crate::httpd::status::Status;
use crate::httpd::thread::{Quiet, Task, Thread};
use crate::httpd::{boundary, php, thread_stack_size};
use crate::lsm::{self, Target};
use link::{Answer, Link, Question};
use std::cell::{Cell, OnceCell};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{self, Arc};
use std::time::{Duration, Instant};

/// A request on its way through a worker.
pub struct Job {
    ticket: Ticket,
    target: Target,
    /// What the handler answered. It starts out as an error: a handler may end its thread.
    status: AtomicI32,
    link: Link,
    /// When it was given to the worker.
    given: Instant,
    /// The thread that the connection runs on, where workers are started and nested requests decided.
    home: ConnectionThread,
    /// The job whose handler started this request; `None` where a connection's thread did.
    origin: Option<Arc<Job>>,
}

thread_local! {
    static IN_WORKER: Cell<bool> = const { Cell::new(false) };
    static KEPT: OnceCell<Kept> = const { OnceCell::new() };
}

/// A worker's hold on its job. Its drop is the thread's end, however that came.
struct Kept(Arc<Job>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.link.end();
    }
}

/// The job of this thread; `None` on a thread that is no worker.
fn current() -> Option<Arc<Job>> {
    if !IN_WORKER.get() {
        return None;
    }
    KEPT.with(|kept| kept.get().map(|kept| Arc::clone(&kept.0)))
}

/// Whether this thread is a worker.
pub fn is_worker() -> bool {
    IN_WORKER.get()
}

/// Whether this thread is a worker in the context of `target`, and so the right place for it.
pub fn is_at(target: &Target) -> bool {
    current().is_some_and(|job| job.target == *target)
}

/// Serves a request on a fresh worker in the context of `target`, and waits for its end.
///
/// Called on a thread that is no worker.
pub fn enter(request: Request<'_>, target: &Target) -> Status {
    enter_for(request, target, None)
}

/// Has a request that this worker's handler started served elsewhere: by another worker, or by the
/// supervisor itself, as its own decision says. Waits for its end.
pub fn hand_back(request: Request<'_>) -> Status {
    lend(request, Question::Serve)
}

/// Has the supervisor decide on a request that this worker's handler started; answers for the last fixup.
pub fn have_decided(request: Request<'_>) -> Status {
    lend(request, Question::Decide)
}

/// Has the supervisor authorize a request that this worker's handler started; answers for a fixup.
pub fn have_authorized(request: Request<'_>) -> Status {
    lend(request, Question::Authorize)
}

/// Has the supervisor say whether an `.htaccess` counts, for a request that this worker's handler started.
pub fn have_judged(request: Request<'_>, file: BorrowedFd<'_>) -> Status {
    match file.try_clone_to_owned() {
        Ok(file) => lend(request, |ticket| Question::Judge(ticket, file)),
        Err(_) => Status::INTERNAL_SERVER_ERROR,
    }
}

fn lend(request: Request<'_>, what_for: impl FnOnce(Ticket) -> Question) -> Status {
    let Some(job) = current() else { return Status::INTERNAL_SERVER_ERROR };
    request.lend(|ticket| match job.ask(what_for(ticket)) {
        Answer::Served(status) => status,
        Answer::Returned(_) => Status::INTERNAL_SERVER_ERROR,
    })
}

fn enter_for(request: Request<'_>, target: &Target, origin: Option<Arc<Job>>) -> Status {
    filter::cross(request, || Crossing { origin: origin.clone() });
    let thread_before = request.connection_thread();
    let status = request.lend(|ticket| {
        let job = Arc::new(Job {
            ticket,
            target: Arc::clone(target),
            status: AtomicI32::new(Status::INTERNAL_SERVER_ERROR.0),
            link: Link::new(),
            given: Instant::now(),
            home: origin.as_ref().map_or(thread_before, |origin| origin.home),
            origin,
        });
        let quiet = Quiet::new();
        let _active = counters::active(target.text());
        let thread = match Thread::start(Arc::clone(&job), thread_stack_size(), &quiet) {
            Ok(thread) => thread,
            Err(error) => return Err(error),
        };
        // A worker that has ended says no more; one that waits for an answer gets one in there.
        while job.attend(&quiet).is_some() {}
        drop(thread);
        Ok(Status(job.status.load(Ordering::Acquire)))
    });
    request.set_connection_thread(thread_before);
    match status {
        Ok(status) => request_status(request, status),
        Err(error) => {
            let why = format!("SEL0201: no thread can be made for the request: {error}");
            log::request(request, Level::Error, &why);
            counters::refused(&why);
            request.set_error_header(c"Retry-After", c"1");
            Status::SERVICE_UNAVAILABLE
        }
    }
}

/// What httpd is told of a handler's answer: never that the request can be served by another.
fn request_status(request: Request<'_>, status: Status) -> Status {
    let why = match status {
        Status::DECLINED => "SEL0202: no handler took the request",
        Status::SUSPENDED => "SEL0203: the handler would go on later, on a thread that is not confined",
        other => return other,
    };
    log::request(request, Level::Error, why);
    counters::refused(why);
    Status::INTERNAL_SERVER_ERROR
}

impl Job {
    /// Supervisor: answers the worker until it has the result of a call (`Some`) or ends (`None`).
    fn attend(self: &Arc<Job>, quiet: &Quiet) -> Option<i32> {
        self.link.attend(|question| self.answer(question, quiet))
    }

    fn answer(self: &Arc<Job>, question: Question, quiet: &Quiet) -> Answer {
        match question {
            Question::Serve(ticket) => Answer::Served(self.serve(ticket, quiet)),
            Question::Decide(ticket) => {
                Answer::Served(self.ask_server(ticket.redeem(), quiet, crate::decide::decide))
            }
            Question::Authorize(ticket) => {
                Answer::Served(self.ask_server(ticket.redeem(), quiet, Request::authorize))
            }
            Question::Judge(ticket, file) => {
                let judge = |request| crate::htaccess::judge(request, file.as_fd());
                Answer::Served(self.ask_server(ticket.redeem(), quiet, judge))
            }
            Question::Call(call) => Answer::Returned(self.take_on(call, quiet)),
        }
    }

    fn serve(self: &Arc<Job>, ticket: Ticket, quiet: &Quiet) -> Status {
        boundary::guard(Status::INTERNAL_SERVER_ERROR, || {
            quiet.lifted(|| serve_nested(ticket.redeem(), self))
        })
    }

    /// Supervisor: has providers and other hooks of authorization asked of a request that the worker started.
    fn ask_server<'r>(
        &self,
        request: Request<'r>,
        quiet: &Quiet,
        ask: impl FnOnce(Request<'r>) -> Status,
    ) -> Status {
        // What a provider keeps with the thread (mod_lua), the worker must not share.
        let thread_before = request.set_connection_thread(self.home);
        let status = boundary::guard(Status::INTERNAL_SERVER_ERROR, || quiet.lifted(|| ask(request)));
        request.set_connection_thread(thread_before);
        status
    }

    fn take_on(&self, call: Call, quiet: &Quiet) -> i32 {
        let carry = || match &self.origin {
            None => call.run(),
            Some(origin) => origin.call(call),
        };
        boundary::guard(filter::FAILED, || quiet.lifted(carry))
    }

    /// Supervisor: has the waiting worker call a filter of its request.
    fn call(self: &Arc<Job>, call: Call) -> i32 {
        let quiet = Quiet::new();
        let result = self.link.call(call, |question| self.answer(question, &quiet));
        // A worker does not end within a call, unless the process does: under prefork, a signal's handler calls `exit`,
        // which ends thread-locals. The pools are gone by then, and nobody may go on with the request.
        result.unwrap_or_else(|| {
            loop {
                std::thread::sleep(Duration::MAX);
            }
        })
    }

    /// Worker: asks the supervisor, and makes the calls it wants made meanwhile.
    fn ask(&self, question: Question) -> Answer {
        let quiet = Quiet::new();
        let answer = self.link.ask(question, |call| {
            php::measure_worker();
            quiet.lifted(|| call.run())
        });
        // Another worker may have run PHP since.
        php::measure_worker();
        answer
    }
}

/// Supervisor: serves a request that `origin`'s handler started, by the request's own decision.
fn serve_nested(request: Request<'_>, origin: &Arc<Job>) -> Status {
    crate::hooks::serve(
        request,
        |target| enter_for(request, target, Some(Arc::clone(origin))),
        || {
            filter::cross(request, || Crossing { origin: Some(Arc::clone(origin)) });
            // The worker's would give the server its interpreters (`LuaScope thread`).
            let thread_before = request.set_connection_thread(origin.home);
            php::measure_connection_thread();
            let status = request.run_handler();
            if status == Status::OK || status == Status::DONE {
                request.finalize();
            }
            request.set_connection_thread(thread_before);
            request_status(request, status)
        },
    )
}

impl Task for Job {
    fn adopt(self: Arc<Self>) {
        IN_WORKER.set(true);
        KEPT.with(|kept| kept.set(Kept(self)).ok());
    }

    fn run(&self) {
        if !self.begin() {
            return;
        }
        let request = self.ticket.redeem();
        let status = request.run_handler();
        if status == Status::OK || status == Status::DONE {
            request.finalize();
        }
        self.status.store(status.0, Ordering::Release);
    }
}

impl Job {
    /// Confines the thread; `false` where that failed, and nothing may run.
    fn begin(&self) -> bool {
        boundary::guard(false, || {
            let request = self.ticket.redeem();
            if let Err(error) = lsm::enter(&self.target) {
                let why = format!("SEL0101: refused: {} cannot be entered: {error}", self.target);
                log::request(request, Level::Error, &why);
                counters::refused(&why);
                return false;
            }
            counters::entered(self.given);
            request.set_connection_thread(request.adopt_thread());
            php::measure_worker();
            true
        })
    }
}

/// Where a subrequest's filters end, and its parent's begin.
struct Crossing {
    /// The job of the parent's worker; `None`: the parent is served by the connection's thread.
    origin: Option<Arc<Job>>,
}

impl Carrier for Crossing {
    fn carry(&self, call: Call) -> i32 {
        let here = current();
        match (&here, &self.origin) {
            // The subrequest's own worker: its supervisor takes the call on.
            (Some(job), origin) if same(job.origin.as_ref(), origin.as_ref()) => {
                match job.ask(Question::Call(call)) {
                    Answer::Returned(result) => result,
                    Answer::Served(_) => filter::FAILED,
                }
            }
            // Back on the parent's own thread: the subrequest is over, and ends its stream.
            (Some(job), Some(origin)) if Arc::ptr_eq(job, origin) => call.run(),
            (None, None) => call.run(),
            // The supervisor, which serves the subrequest itself.
            (None, Some(origin)) => origin.call(call),
            (Some(_), _) => {
                log::server(
                    Level::Error,
                    "SEL0204: a filter was called on a thread that has no part in its request",
                );
                filter::FAILED
            }
        }
    }
}

fn same(one: Option<&Arc<Job>>, other: Option<&Arc<Job>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
