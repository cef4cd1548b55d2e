//! Handlers of other modules that do not do their work on the thread that runs them, or share with all contexts what they
//! do it with: to confine the thread is not enough.
//!
//! One row for each module. A row is looked at twice: before a worker is made, to refuse in time; and when the module's
//! own handler comes to its turn, since what it goes by (`r->handler`) may have been written by the one before.

use crate::config::settings::{Interpreters, Settings};
use crate::httpd::bound::Wanted;
use crate::httpd::filter;
use crate::httpd::handler::{HandlerJudge, Verdict};
use crate::httpd::log::{self, Level};
use crate::httpd::lua::LuaPageHook;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::httpd::{code_of, has_module};
use crate::request::decide;
use crate::request::record;
use crate::status::counters;
use crate::worker;
use std::ffi::CStr;
use std::ops::Range;
use std::sync::OnceLock;

/// A module with such handlers.
struct Module {
    /// The name of its source, by which httpd knows it.
    source: &'static CStr,
    /// The names of its handlers (`SetHandler`).
    handlers: &'static [&'static CStr],
    kind: Kind,
}

/// What there is about a module's handlers.
#[derive(Clone, Copy)]
enum Kind {
    /// They have the work done by processes that are not confined; the message says so.
    Daemon(&'static str),
    /// They run pages in an interpreter that all contexts share.
    Interpreter,
    /// mod_wsgi's, which may.
    Python,
    /// They show what other requests are about.
    OthersData,
    /// They do the server's own work, and run nobody's page.
    ServersOwn,
    /// httpd's own, which serve whatever no other handler takes.
    Default,
}

/// Why nothing is served where an interpreter cannot be told how to treat mapped requests.
pub const UNBOUND: &str =
    "SEL0001: this interpreter is unknown: what it keeps would be used outside of its context";

/// Why scripts and SSI `exec` of mapped requests are refused beside mod_cgid.
pub const IN_CGI_DAEMON: &str =
    "SEL0103: mod_cgid would run the script outside of the confinement (load mod_cgi instead)";

/// Why pages of mapped requests get no connection of mod_dbd's.
pub const ON_KEPT_CONNECTION: &str = "SEL0111: a page asked for a connection of mod_dbd's, which the server or another context may have opened: refused (say DBDPersist Off, or have it open one of its own)";

const IN_FCGI_MANAGER: &str = "SEL0114: mod_fcgid's manager would start the script outside of the confinement (use mod_cgi, or mod_proxy_fcgi with a pool in the request's context)";

/// mod_wsgi's "embedded mode".
const IN_HTTPD: &str = "SEL0110: mod_wsgi may run the script in an interpreter that it shares and that is tied to httpd's own threads (say WSGIRestrictEmbedded On, and have daemon processes for it)";

const OTHERS_DATA: &str = "SEL0115: the handler shows what other requests are about: refused to a mapped request (serve it where no rule applies, or name it in SELinuxServerHandler)";

const MODULES: &[Module] = &[
    Module {
        source: c"mod_cgid.c",
        handlers: &[c"cgi-script", c"application/x-httpd-cgi"],
        kind: Kind::Daemon(IN_CGI_DAEMON),
    },
    Module { source: c"mod_fcgid.c", handlers: &[c"fcgid-script"], kind: Kind::Daemon(IN_FCGI_MANAGER) },
    Module { source: c"mod_wsgi.c", handlers: &[], kind: Kind::Python },
    Module { source: c"mod_php.c", handlers: PHP, kind: Kind::Interpreter },
    Module { source: c"mod_php7.c", handlers: PHP, kind: Kind::Interpreter },
    Module { source: c"mod_perl.c", handlers: &[c"perl-script", c"modperl"], kind: Kind::Interpreter },
    Module { source: c"mod_lua.c", handlers: &[c"lua-script"], kind: Kind::Interpreter },
    Module {
        source: c"mod_status.c",
        handlers: &[c"server-status", c"application/x-httpd-status"],
        kind: Kind::OthersData,
    },
    Module { source: c"mod_info.c", handlers: &[c"server-info"], kind: Kind::OthersData },
    Module { source: c"mod_proxy_balancer.c", handlers: &[c"balancer-manager"], kind: Kind::OthersData },
    Module { source: c"util_ldap.c", handlers: &[c"ldap-status"], kind: Kind::OthersData },
    Module { source: c"mod_md.c", handlers: &[c"md-status"], kind: Kind::OthersData },
    Module { source: c"mod_http2.c", handlers: &[c"http2-status"], kind: Kind::OthersData },
    Module { source: c"mod_heartmonitor.c", handlers: &[c"heartbeat"], kind: Kind::OthersData },
    Module {
        source: c"mod_auth_form.c",
        handlers: &[c"form-login-handler", c"form-logout-handler", c"form-redirect-handler"],
        kind: Kind::ServersOwn,
    },
    Module { source: c"core.c", handlers: &[], kind: Kind::Default },
];

/// What interpreters are told for mapped requests, whatever is configured.
///
/// mod_lua runs a page's code once more where it closes an interpreter (`__gc`): with `LuaScope thread` that is the worker,
/// which ends it. PHP's opcache takes a page's word for the source of any other, and tells what others run.
pub const BOUND: &[Wanted] = &[
    Wanted { module: c"mod_lua.c", directive: c"LuaScope", first: c"thread", second: None },
    no_opcache(c"mod_php.c"),
    no_opcache_functions(c"mod_php.c"),
    no_opcache(c"mod_php7.c"),
    no_opcache_functions(c"mod_php7.c"),
];

const fn no_opcache(module: &'static CStr) -> Wanted {
    let (directive, first) = (c"php_admin_flag", c"opcache.enable");
    Wanted { module, directive, first, second: Some(c"off") }
}

const fn no_opcache_functions(module: &'static CStr) -> Wanted {
    let (directive, first) = (c"php_admin_value", c"opcache.restrict_api");
    // No script lies there.
    Wanted { module, directive, first, second: Some(c"/dev/null/") }
}

/// mod_php's, of all versions (`sapi_apache2.c: php_handler`).
const PHP: &[&CStr] =
    &[c"application/x-httpd-php", c"application/x-httpd-php-source", c"php-script", c"php7-script"];

/// Whether the request's handler is one of those that are served as the server: httpd's own, whose module is loaded, or one that
/// `SELinuxServerHandler` names.
pub fn is_servers_own(request: Request<'_>, settings: &Settings) -> bool {
    let Some(handler) = request.handler() else { return false };
    let named = settings.started.get().map_or(&[][..], |started| &started.server_handlers);
    let is_own =
        |module: &&Module| matches!(module.kind, Kind::ServersOwn) && module.handlers.contains(&handler);
    named.iter().any(|name| name.as_c_str() == handler)
        || MODULES.iter().find(is_own).is_some_and(|module| has_module(module.source))
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

/// Where the code of the interpreters is; set when a child begins.
static CODE: OnceLock<Vec<Range<usize>>> = OnceLock::new();

/// Notes where the code of the interpreters is.
pub fn find_interpreters() {
    let interpreters = MODULES.iter().filter(|module| matches!(module.kind, Kind::Interpreter));
    let _ = CODE.set(interpreters.filter_map(|module| code_of(module.source)).collect());
}

/// The interpreters that httpd has loaded, by the names of their sources.
pub fn interpreters() -> Vec<&'static str> {
    let modules =
        MODULES.iter().filter(|module| matches!(module.kind, Kind::Interpreter) && has_module(module.source));
    modules.filter_map(|module| module.source.to_str().ok()).collect()
}

/// Why the handler of a mapped request is not to run, as it is chosen now; `None` where nothing speaks against it.
pub fn refusal(request: Request<'_>, settings: &Settings) -> Option<String> {
    let code = CODE.get().map_or(&[][..], Vec::as_slice);
    if settings.interpreters() == Interpreters::Refuse && filter::any_in(request, code) {
        return Some("SEL0113: an interpreter would filter the request in httpd itself, beside those of other contexts: refused (take its filter away, or say SELinuxInterpreters shared where all mapped pages trust each other)".to_owned());
    }
    let takes = |module: &&Module| module.takes(request, settings) && has_module(module.source);
    MODULES.iter().filter(takes).find_map(|module| module.refusal(settings))
}

impl Module {
    /// Whether the module's handler would take the request, as far as it goes by its name.
    fn takes(&self, request: Request<'_>, settings: &Settings) -> bool {
        let Some(handler) = request.handler() else { return false };
        match self.kind {
            Kind::Python => {
                let started = settings.started.get();
                started.is_some_and(|started| started.python.iter().any(|name| name.as_c_str() == handler))
            }
            _ => self.handlers.contains(&handler),
        }
    }

    /// Why it is not to run a mapped request.
    fn refusal(&self, settings: &Settings) -> Option<String> {
        match self.kind {
            Kind::Daemon(why) => Some(why.to_owned()),
            Kind::Python => Some(IN_HTTPD.to_owned()),
            Kind::OthersData => Some(OTHERS_DATA.to_owned()),
            Kind::ServersOwn | Kind::Default => None,
            Kind::Interpreter => match settings.interpreters() {
                Interpreters::Shared => None,
                Interpreters::Refuse => {
                    let module = self.source.to_string_lossy();
                    Some(format!(
                        "SEL0113: {module} would run the page in httpd itself, beside those of other contexts: refused (run it as CGI or in a process of its context; or say SELinuxInterpreters shared where all mapped pages trust each other)"
                    ))
                }
            },
        }
    }

    /// Why an interpreter in the middle of another page is not to run this one.
    fn nesting(&self, request: Request<'_>) -> Option<String> {
        let mut inner = request;
        while let Some(outer) = inner.parent() {
            // A redirect ends the page that it comes from.
            let runs = inner.previous().is_none()
                && record::of(outer).is_some_and(|record| record.interpreter.get() == Some(self.source));
            if runs && record::context(outer) != record::context(request) {
                return Some(format!(
                    "SEL0116: {} is in the middle of a page of another context, and would run this one inside of it: refused",
                    self.source.to_string_lossy()
                ));
            }
            inner = outer;
        }
        None
    }
}

/// Judges the handlers of these modules.
pub struct Judge;

impl HandlerJudge for Judge {
    fn number(module: &CStr) -> Option<usize> {
        MODULES.iter().position(|row| row.source == module)
    }

    fn before(request: Request<'_>, number: usize) -> Verdict {
        let module = &MODULES[number];
        let Some(settings) = decide::mapping(request) else { return Verdict::Run };
        let is_interpreter = matches!(module.kind, Kind::Interpreter);
        let is_confined = worker::is_worker();
        if module.takes(request, settings) {
            let refusal = if is_confined { module.refusal(settings) } else { None };
            let refusal = refusal.or_else(|| if is_interpreter { module.nesting(request) } else { None });
            if let Some(why) = refusal {
                log::request(request, Level::Error, &why);
                counters::refused(&why);
                return Verdict::Answer(Status::INTERNAL_SERVER_ERROR);
            }
            if is_interpreter {
                let record = record::of_or_new(request);
                record.interpreter.set(Some(module.source));
                record.had_interpreter.set(true);
            }
        }
        // It may run pages by other names as well (PHP's xbithack, LuaMapHandler); and where nobody takes a name that is the
        // server's own work, core would serve the file.
        let decided = record::of(request).and_then(|record| record.decided.get());
        let is_servers_own = !is_confined && decided.is_some_and(|decided| decided.is_servers_own);
        let is_kept_out = match module.kind {
            Kind::Interpreter if is_confined => settings.interpreters() == Interpreters::Refuse,
            Kind::Interpreter | Kind::Default => is_servers_own,
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

/// Keeps mod_lua's pages of mapped requests from what others' requests are about.
pub struct Restricted;

impl LuaPageHook for Restricted {
    fn is_restricted() -> bool {
        worker::is_worker()
    }
}
