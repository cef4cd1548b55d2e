//! All that the server's privileges do for a worker: a request that its handler has started is served by its own decision, and
//! has its phases run, on the thread that waits for the worker.

use super::child::Child;
use super::{decide, nested, record};
use crate::config::settings::Serving;
use crate::httpd::filter;
use crate::httpd::phase::PhaseCall;
use crate::httpd::process_state;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::interop;
use crate::selinux::SharedContext;
use crate::status::counters;
use crate::worker::supervisor::Supervisor;
use mapping::{Decision, RefusalReason};
use messages::{Code, Message};
use std::ffi::{CStr, CString};

/// What waits for a worker, with the server's privileges.
pub struct Privileged;

impl Supervisor for Privileged {
    fn thread_name<'r>(&self, request: Request<'r>) -> &'r CStr {
        decide::tag(request)
    }

    fn run_phase(&self, call: PhaseCall<'_>) -> Status {
        run_phase(call, true)
    }

    fn serve(
        &self,
        request: Request<'_>,
        enter: &mut dyn FnMut(&SharedContext) -> Status,
        keep: &mut dyn FnMut() -> Status,
    ) -> Status {
        undo_page(request);
        if let Err(why) = nested::part(request) {
            return refuse(request, Status::INTERNAL_SERVER_ERROR, &why);
        }
        match decide::decision(request) {
            Ok(Decision::Keep) => {
                if record::decided(request).is_some_and(|decided| decided.is_servers_own) {
                    filter::keep_only(request, &interop::SERVERS_FILTERS);
                }
                keep()
            }
            Ok(Decision::Enter(target)) => match confine(request, target, enter) {
                Ok(status) => status,
                Err(why) => refuse(request, Status::INTERNAL_SERVER_ERROR, &why),
            },
            Ok(Decision::Refuse(why)) => {
                let (status, code) = match why {
                    RefusalReason::Unmapped => (Status::FORBIDDEN, Code::NoRule),
                    RefusalReason::NoPeer(_) => (Status::FORBIDDEN, Code::NoPeerLabel),
                    RefusalReason::ProviderFailed(_) => (Status::INTERNAL_SERVER_ERROR, Code::ProviderFailed),
                    RefusalReason::NoPrivateTmp(_) => (Status::INTERNAL_SERVER_ERROR, Code::NoPrivateTmp),
                    _ => (Status::INTERNAL_SERVER_ERROR, Code::BadValue),
                };
                refuse(request, status, &code.message(why.to_string()))
            }
            Err(why) => refuse(request, Status::INTERNAL_SERVER_ERROR, &why),
        }
    }
}

/// Serves a mapped request in its context.
///
/// # Errors
/// Why it is not to be.
fn confine(
    request: Request<'_>,
    target: &SharedContext,
    enter: &mut dyn FnMut(&SharedContext) -> Status,
) -> Result<Status, Message> {
    let child = Child::this()?;
    if let Some(uri) = rewritten(request) {
        request.internal_redirect(&uri);
        return Ok(Status::OK);
    }
    if let Some(why) = refusal(request, child) {
        return Err(why);
    }
    if let Some(record) = record::of(request) {
        record.has_run.set(true);
    }
    let status = enter(target);
    if record::of(request).is_some_and(|record| record.had_interpreter.get()) {
        process_state::put_back();
    }
    decide::set_after_page(request);
    Ok(status)
}

/// Runs a phase of a request on this thread, which is no worker. `is_brought`: a worker's handler has started the request.
pub fn run_phase(call: PhaseCall<'_>, is_brought: bool) -> Status {
    let request = call.request();
    if is_brought {
        undo_page(request);
    }
    let status = nested::before(request, call.phase(), is_brought);
    if status != Status::OK {
        return status;
    }
    let status = call.run();
    nested::after(request, call.phase());
    status
}

/// Puts back what the page that a request comes from has changed of the process: the request may be another context's.
fn undo_page(request: Request<'_>) {
    let mut pages = std::iter::successors(request.parent(), |request| request.parent());
    if pages.any(|page| record::of(page).is_some_and(|record| record.had_interpreter.get())) {
        process_state::put_back();
    }
}

fn refuse(request: Request<'_>, status: Status, why: &Message) -> Status {
    // Nothing of it runs, its filters neither. (A part's has what tells its end from the page's.)
    if request.main().is_none() {
        filter::close(request, || ());
    }
    counters::log_refusal(request, why);
    status
}

/// Where mod_rewrite wants to go, for a request whose handler would do nothing but redirect it.
///
/// The redirect starts here, on the connection's thread, so that the new request is authorised with the
/// server's privileges and confined by its own decision. It is not left to the handlers: another one
/// might take the request first, and would not be confined.
fn rewritten(request: Request<'_>) -> Option<CString> {
    if request.handler()?.to_bytes() != b"redirect-handler" {
        return None;
    }
    let mut uri = request.filename()?.to_bytes().strip_prefix(b"redirect:")?.to_vec();
    if let Some(arguments) = request.arguments() {
        uri.push(b'?');
        uri.extend_from_slice(arguments.to_bytes());
    }
    CString::new(uri).ok()
}

/// Why a mapped request's handler is not to run, as far as it is known before.
pub fn refusal(request: Request<'_>, child: &Child) -> Option<Message> {
    let Serving { started, binding, .. } = decide::mapping(request)?;
    if !binding.bind(request) {
        return Some(Code::Internal.message(interop::UNBOUND));
    }
    interop::refusal(request, started, &child.interpreters)
}
