//! A request's way through a worker, as its supervisor has it: a worker is found or made, given the request, and attended to
//! until it gives it back.

use super::filter_bridge::FilterBridge;
use super::handoff::{WorkerCommand, WorkerEvent};
use super::idle::IdleWorker;
use super::one_time::{self, BusyGuard};
use super::resident;
use super::supervisor::Supervisor;
use super::{Job, Worker};
use crate::config::settings::section;
use crate::httpd::filter;
use crate::httpd::handler;
use crate::httpd::request::Request;
use crate::httpd::signals::BlockedSignals;
use crate::httpd::status::Status;
use crate::httpd::thread::ThreadName;
use crate::selinux::SharedContext;
use crate::status::counters::{self, WorkerKind};
use messages::Code;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Serves a request on a worker in the context of `target`, and waits for its end.
///
/// Called on a thread that is no worker.
pub fn enter(request: Request<'_>, target: &SharedContext, supervisor: &'static dyn Supervisor) -> Status {
    enter_for(request, target, supervisor, None)
}

fn enter_for(
    request: Request<'_>,
    target: &SharedContext,
    supervisor: &'static dyn Supervisor,
    origin: Option<Arc<Job>>,
) -> Status {
    let name = ThreadName::new(supervisor.thread_name(request));
    filter::bridge(request, || FilterBridge { origin: origin.clone() });
    let serving = section(request).serving;
    let status = request.lend(|ticket| -> std::io::Result<Status> {
        let signals = BlockedSignals::new();
        let ready = resident::take(serving, target, &signals).transpose()?.or_else(one_time::take);
        let worker = ready.as_ref().map_or_else(|| Worker::new(None), |ready| Arc::clone(&ready.worker));
        let job = Arc::new(Job {
            worker: Arc::clone(&worker),
            ticket: Mutex::new(Some(ticket)),
            target: Arc::clone(target),
            name,
            supervisor,
            serve_nested,
            status: AtomicI32::new(Status::INTERNAL_SERVER_ERROR.0),
            is_over: AtomicBool::new(false),
            given: Instant::now(),
            origin,
        });
        let _active = (counters::worker(WorkerKind::Active, target.text()), BusyGuard::new());
        worker.handoff.command(WorkerCommand::Serve(Arc::clone(&job)));
        let ready = match ready {
            Some(ready) => ready,
            // It finds its order, and need not wait for it. Where it cannot be, the order is given up.
            None => {
                IdleWorker::start(worker, one_time::take_ended(), &signals).inspect_err(|_| job.give_up())?
            }
        };
        // One that waits for an answer gets it in there.
        let news = loop {
            match job.attend(&signals) {
                WorkerEvent::Returned(_) => {}
                news => break news,
            }
        };
        job.is_over.store(true, Ordering::Release);
        // If the worker has come to its end before.
        drop(job.take_ticket());
        match ready.lease {
            Some(_) => resident::put_back(ready, &news),
            None => one_time::put_back(ready.thread),
        }
        Ok(Status(job.status.load(Ordering::Acquire)))
    });
    match status {
        Ok(status) => request_status(request, status),
        Err(error) => {
            let text = format!("no thread can be made for the request: {error}");
            counters::log_refusal(request, &Code::NoThread.message(text));
            request.set_error_header(c"Retry-After", c"1");
            Status::SERVICE_UNAVAILABLE
        }
    }
}

/// What httpd is told of a handler's answer: never that the request can be served by another.
fn request_status(request: Request<'_>, status: Status) -> Status {
    let why = match status {
        Status::DECLINED => Code::NoHandler.constant("no handler took the request"),
        Status::SUSPENDED => {
            Code::Suspended.constant("the handler would go on later, on a thread that is not confined")
        }
        other => return other,
    };
    counters::log_refusal(request, &why);
    Status::INTERNAL_SERVER_ERROR
}

/// Supervisor: serves a request that `origin`'s handler started, by the request's own decision.
fn serve_nested(request: Request<'_>, origin: &Arc<Job>) -> Status {
    let supervisor = origin.supervisor;
    supervisor.serve(
        request,
        &mut |target| enter_for(request, target, supervisor, Some(Arc::clone(origin))),
        &mut || {
            filter::bridge(request, || FilterBridge { origin: Some(Arc::clone(origin)) });
            // The worker's would give the server its interpreters (`LuaScope thread`).
            let status = request.on_this_thread(|| handler::run_to_end(request));
            request_status(request, status)
        },
    )
}
