//! Handlers of other modules that do not do their work on the thread that runs them, or share with all contexts what they
//! do it with: to confine the thread is not enough.
//!
//! One file for each module, or for a few of a kind, and in the table one row for each that has such handlers. A row is
//! looked at twice: before a worker is made, to refuse in time; and when the module's own handler comes to its turn, since
//! what it goes by (`r->handler`) may have been written by the one before. Where the functions of a module are wrapped, that
//! is in `httpd`.

mod auth_form;
pub mod cgid;
pub mod dbd;
mod fcgid;
pub mod lua;
pub mod module;
mod perl;
mod php;
pub mod proxy;
mod security;
mod status_handlers;
pub mod wsgi;

use crate::config::settings::{Configured, Interpreters, Started};
use crate::httpd::bound::Wanted;
use crate::httpd::code_of;
use crate::httpd::filter;
use crate::httpd::hook::Server;
use crate::httpd::log;
use crate::httpd::request::Request;
use messages::{Code, Level, Message};
use module::{ForeignModule, HandlerKind, Handlers};
use std::ffi::CStr;
use std::ops::Range;

/// httpd's own handler, which serves whatever no other takes.
const CORE: ForeignModule =
    ForeignModule { source: c"core.c", handlers: Handlers::Named(&[]), kind: HandlerKind::Default };

/// All that have such handlers.
const MODULES: &[&ForeignModule] = &[
    &cgid::MODULE,
    &fcgid::MODULE,
    &wsgi::MODULE,
    &php::MODULES[0],
    &php::MODULES[1],
    &perl::MODULE,
    &lua::MODULE,
    &status_handlers::MODULES[0],
    &status_handlers::MODULES[1],
    &status_handlers::MODULES[2],
    &status_handlers::MODULES[3],
    &status_handlers::MODULES[4],
    &status_handlers::MODULES[5],
    &status_handlers::MODULES[6],
    &auth_form::MODULE,
    &CORE,
];

/// What interpreters are told for mapped requests, whatever is configured.
pub const BOUND: &[Wanted] = &[lua::BOUND, php::BOUND[0], php::BOUND[1], php::BOUND[2], php::BOUND[3]];

/// Why nothing is served where an interpreter cannot be told how to treat mapped requests.
pub const UNBOUND: &str = "this interpreter is unknown: what it keeps would be used outside of its context";

/// Why a request is not served that an interpreter would filter.
static FILTERED: Message = Code::SharedInterpreter.constant("an interpreter would filter the request in httpd itself, beside those of other contexts: refused (take its filter away, or say SELinuxInterpreters shared where all mapped pages trust each other)");

/// The number of the module with this source in the table, if it is there.
pub fn number(source: &CStr) -> Option<usize> {
    MODULES.iter().position(|row| row.source == source)
}

/// The module with this number.
pub fn module(number: usize) -> &'static ForeignModule {
    MODULES[number]
}

/// Says of which modules the work for a mapped request is not done as the configuration says.
pub fn warn(started: &Started, main: &Server<'_>) {
    let Started { configured, python, .. } = started;
    if !configured.confines() {
        return;
    }
    let warn = |message: Message| log::server(&message);
    cgid::warning().into_iter().for_each(warn);
    warn_of_interpreters(configured);
    proxy::warnings(configured, main).into_iter().for_each(warn);
    security::warnings().into_iter().for_each(warn);
    wsgi::warning(python).into_iter().for_each(warn);
}

fn warn_of_interpreters(configured: &Configured) {
    let interpreters = interpreters().join(", ");
    if !interpreters.is_empty() {
        let (level, text) = match configured.interpreters() {
            Interpreters::Shared => (
                Level::Warning,
                format!(
                    "pages of all mapped requests run in the same {interpreters}, and can reach each other there (SELinuxInterpreters shared)"
                ),
            ),
            Interpreters::Refuse => (
                Level::Notice,
                format!("{interpreters} run no page of a mapped request (SELinuxInterpreters refuse)"),
            ),
        };
        log::server(&Code::Interpreters.message(text).at(level));
    }
}

/// Whether the request's handler is one of those that are served as the server: httpd's own, whose module is loaded, or one that
/// `SELinuxServerHandler` names.
pub fn is_servers_own(request: Request<'_>, started: &Started) -> bool {
    let Some(handler) = request.handler() else { return false };
    let is_own = |module: &&ForeignModule| {
        matches!(module.kind, HandlerKind::ServersOwn) && module.takes(request, started)
    };
    started.configured.server_handlers.iter().any(|name| name.as_c_str() == handler)
        || MODULES.iter().copied().find(is_own).is_some_and(ForeignModule::is_loaded)
}

/// The filters that such a request keeps, of those that its place has: a session's, and headers. What else there is may be a
/// tenant's choice (`SetOutputFilter` in `.htaccess`), and would run as the server.
pub const SERVERS_FILTERS: [&CStr; 6] = [
    c"mod_session_out",
    c"kept_body",
    c"keep_body",
    c"fixup_headers_out",
    c"fixup_headers_err",
    c"mod_expires",
];

/// The interpreters that httpd has loaded, by the names of their sources.
fn loaded_interpreters() -> impl Iterator<Item = &'static CStr> {
    let is_interpreter = |module: &&ForeignModule| matches!(module.kind, HandlerKind::Interpreter);
    let loaded = MODULES.iter().copied().filter(is_interpreter).filter(|module| module.is_loaded());
    loaded.map(|module| module.source)
}

/// Where the code of the interpreters is that httpd has loaded.
pub fn code_of_interpreters() -> Vec<Range<usize>> {
    loaded_interpreters().filter_map(code_of).collect()
}

/// The names of the interpreters that httpd has loaded.
pub fn interpreters() -> Vec<&'static str> {
    loaded_interpreters().filter_map(|source| source.to_str().ok()).collect()
}

/// Why the handler of a mapped request is not to run, as it is chosen now; `None` where nothing speaks against it. `code`: where
/// that of the interpreters is.
pub fn refusal(request: Request<'_>, started: &Started, code: &[Range<usize>]) -> Option<Message> {
    if started.configured.interpreters() == Interpreters::Refuse && filter::any_in(request, code) {
        return Some(FILTERED.clone());
    }
    let takes = |module: &&ForeignModule| module.takes(request, started) && module.is_loaded();
    MODULES.iter().copied().filter(takes).find_map(|module| module.refusal(&started.configured))
}
