//! One type per hook of a request: gather facts, have them decided, act.

use super::child::Child;
use super::privileged::{self, Privileged};
use super::{app, decide, record};
use crate::config::settings::section;
use crate::httpd::handler;
use crate::httpd::hook::RequestHook;
use crate::httpd::phase::{Phase, PhaseCall, PhaseRunner};
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::status::counters;
use crate::worker::supervisor::Supervisor as _;
use crate::worker::{self, one_time, serve};
use mapping::Decision;

/// The phases of requests: those of one that a worker's handler starts run where those of a client's run, on its
/// supervisor, with the server's privileges.
pub struct Phases;

impl PhaseRunner for Phases {
    fn run(call: PhaseCall<'_>) -> Status {
        // Others that a handler makes for itself (mod_proxy, for a back end's answer) have none that matter.
        let is_brought = match call.phase() {
            // It would answer on this thread, in place of all that follows, for wherever the request leads.
            Phase::QuickHandler if worker::is_worker() => return Status::DECLINED,
            Phase::SessionLoad | Phase::SessionSave => true,
            _ => call.request().parent().is_some(),
        };
        if is_brought && worker::is_worker() {
            worker::run_phase_via_supervisor(call)
        } else {
            privileged::run_phase(call, false)
        }
    }

    fn lost(request: Request<'_>) {
        record::keep(request, |_, record| record.is_lost.set(true));
    }
}

/// When a request's place is known. (Where this list of hooks were empty, nobody would be called, and `<If>` sections would
/// stay as a worker has found them.)
pub struct PlaceKnown;

impl RequestHook for PlaceKnown {
    fn run(request: Request<'_>) -> Status {
        decide::note_place(request);
        Status::DECLINED
    }
}

/// First of the fixups, just after authorization: keeps who asks.
pub struct FirstFixups;

impl RequestHook for FirstFixups {
    fn run(request: Request<'_>) -> Status {
        let section = section(request);
        if let Some(maps) = section.serving.and_then(|serving| serving.maps.as_ref()) {
            maps.refresh();
        }
        decide::attest(request);
        Status::DECLINED
    }
}

/// Last of the fixups: decides.
pub struct LastFixups;

impl RequestHook for LastFixups {
    fn run(request: Request<'_>) -> Status {
        decide::decide(request)
    }
}

/// First of the handlers: takes the request's processing over.
pub struct Handler;

impl RequestHook for Handler {
    fn run(request: Request<'_>) -> Status {
        if !worker::is_worker() {
            if let Some(text) = decide::explanation(request) {
                return request.answer(&text);
            }
            return Privileged.serve(
                request,
                &mut |target| serve::enter(request, target, &Privileged),
                &mut || {
                    if app::name(request).is_some() {
                        return app::refuse_unmapped(request);
                    }
                    counters::kept();
                    handler::go_on_here(request);
                    Status::DECLINED
                },
            );
        }
        match decide::decision(request) {
            Ok(Decision::Enter(target))
                if worker::is_at(target)
                    && Child::this().is_ok_and(|child| privileged::refusal(request, child).is_none()) =>
            {
                app::run(request, target)
            }
            _ => worker::serve_via_supervisor(request),
        }
    }
}

/// After the response: the thread's next request finds its worker ready.
pub struct Logged;

impl RequestHook for Logged {
    fn run(_: Request<'_>) -> Status {
        one_time::make();
        Status::DECLINED
    }
}
