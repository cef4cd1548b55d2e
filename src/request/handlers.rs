//! Other modules' handlers, judged when each comes to its turn: what httpd goes by (`r->handler`) may have been written by the
//! one before.

use super::{decide, record};
use crate::config::settings::{Interpreters, Serving};
use crate::httpd::handler::{HandlerJudge, Verdict};
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::interop;
use crate::interop::module::HandlerKind;
use crate::status::counters;
use crate::worker;
use messages::{Code, Message};
use std::ffi::CStr;

/// The handlers of the modules that `interop` knows.
pub struct HandlersInTurn;

impl HandlerJudge for HandlersInTurn {
    fn number(module: &CStr) -> Option<usize> {
        interop::number(module)
    }

    fn before(request: Request<'_>, number: usize) -> Verdict {
        let module = interop::module(number);
        let Some(Serving { started, .. }) = decide::mapping(request) else { return Verdict::Run };
        let is_interpreter = matches!(module.kind, HandlerKind::Interpreter);
        let is_confined = worker::is_worker();
        if module.takes(request, started) {
            let refusal = if is_confined { module.refusal(&started.configured) } else { None };
            let refusal =
                refusal.or_else(|| if is_interpreter { nesting(module.source, request) } else { None });
            if let Some(why) = refusal {
                counters::log_refusal(request, &why);
                return Verdict::Answer(Status::INTERNAL_SERVER_ERROR);
            }
            if is_interpreter {
                record::keep(request, |_, record| {
                    record.interpreter.set(Some(module.source));
                    record.had_interpreter.set(true);
                });
            }
        }
        // It may run pages by other names as well (PHP's xbithack, LuaMapHandler); and where nobody takes a name that is the
        // server's own work, or what is for an application, core would serve the file.
        let decided = record::decided(request);
        let is_servers_own = !is_confined && decided.is_some_and(|decided| decided.is_servers_own);
        let is_passed_on = || record::of(request).is_some_and(|record| record.is_passed_on.get());
        let is_kept_out = match module.kind {
            HandlerKind::Interpreter if is_confined => {
                started.configured.interpreters() == Interpreters::Refuse
            }
            HandlerKind::Interpreter => is_servers_own,
            HandlerKind::Default => is_servers_own || is_passed_on(),
            _ => false,
        };
        if is_kept_out { Verdict::Skip } else { Verdict::Run }
    }

    fn after(request: Request<'_>, _: usize) {
        if let Some(record) = record::of(request) {
            record.interpreter.set(None);
        }
    }
}

/// Why an interpreter in the middle of another page is not to run this one.
fn nesting(source: &'static CStr, request: Request<'_>) -> Option<Message> {
    let mut inner = request;
    while let Some(outer) = inner.parent() {
        // A redirect ends the page that it comes from.
        let runs = inner.previous().is_none()
            && record::of(outer).is_some_and(|record| record.interpreter.get() == Some(source));
        if runs && record::context(outer) != record::context(request) {
            return Some(Code::NestedPage.message(format!(
                "{} is in the middle of a page of another context, and would run this one inside of it: refused",
                source.to_string_lossy()
            )));
        }
        inner = outer;
    }
    None
}
