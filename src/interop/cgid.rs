//! mod_cgid, whose daemon runs scripts and SSI's `exec`: it is not confined.

use super::module::{ForeignModule, HandlerKind, Handlers};
use crate::httpd::hook::OneThread;
use crate::httpd::log;
use crate::httpd::request::Request;
use crate::httpd::ssi::{self, ExecHook};
use crate::worker;
use messages::{Code, Message};

/// Why scripts and SSI `exec` of mapped requests are refused beside mod_cgid.
static IN_CGI_DAEMON: Message = Code::CgidScript
    .constant("mod_cgid would run the script outside of the confinement (load mod_cgi instead)");

/// Its handler.
pub const MODULE: ForeignModule = ForeignModule {
    source: c"mod_cgid.c",
    handlers: Handlers::Named(&[c"cgi-script", c"application/x-httpd-cgi"]),
    kind: HandlerKind::Elsewhere(&IN_CGI_DAEMON),
};

/// What is said of it when the server starts.
pub fn warning() -> Option<Message> {
    let text = "mod_cgid is loaded: its daemon would run CGI scripts outside of the confinement, so those of mapped requests are refused; load mod_cgi instead";
    MODULE.is_loaded().then(|| Code::CgidLoaded.message(text))
}

/// Has each `exec` judged; to be called before modules retrieve each other's functions.
pub fn judge_exec(start: &OneThread) {
    if MODULE.is_loaded() {
        ssi::judge_exec::<DaemonExec>(start);
    }
}

/// SSI's `exec`, which mod_cgid's daemon would run.
struct DaemonExec;

impl ExecHook for DaemonExec {
    fn may_run(page: Request<'_>) -> bool {
        // What runs on a worker is confined, and the daemon is not.
        let may_run = !worker::is_worker();
        if !may_run {
            log::request(page, &IN_CGI_DAEMON);
        }
        may_run
    }
}
