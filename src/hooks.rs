//! One type per hook: gather facts, have them decided, act.

use crate::config::{Facts, Section, Settings, Started, Target};
use crate::httpd::directive::{self, Keeper};
use crate::httpd::hook::{PreConfigHook, RequestHook, Server, StartHook, TestConfigHook};
use crate::httpd::log::{self, Level};
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::ssi::{self, ExecHook};
use crate::httpd::status::Status;
use crate::httpd::{has_module, is_defined, only_checks_configuration, php, scopes};
use crate::lsm::{self, Prepared};
use crate::policy::{Asker, Decision, Peer, Range, Why, decide};
use crate::{dump, start, worker};
use std::ffi::{CStr, CString, c_void};
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

/// What is kept with a request from its fixups on.
pub struct Record {
    /// The user that httpd authenticated. Handlers can change `r->user`; what they make of it counts
    /// for nothing.
    user: Option<String>,
    /// The values of the variables that rules read, before handlers, SSI and `.htaccess` could set them.
    variables: Vec<Option<CString>>,
    /// What the rules say, and the place they said it of.
    decision: OnceLock<(*const c_void, Decision<Target>)>,
}

/// When the configuration is read: under `httpd -t`, nothing else comes.
pub struct CheckConfig;

impl StartHook for CheckConfig {
    fn run(configuration: Pool<'_>, server: Server<'_>) -> Status {
        if !only_checks_configuration() {
            return Status::OK;
        }
        report(start::start(settings(configuration), server))
    }
}

/// `httpd -t -D DUMP_SELINUX`
pub struct Dump;

impl TestConfigHook for Dump {
    fn run(configuration: Pool<'_>, server: Server<'_>) {
        if is_defined(c"DUMP_SELINUX") {
            let text = dump::text(&scopes::of_servers(server), Keeper::of(configuration));
            // Whoever reads it may have seen enough.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
        }
    }
}

/// Before `Listen` makes the listening sockets, and before modules retrieve each other's functions.
pub struct PreConfig;

impl PreConfigHook for PreConfig {
    fn run(configuration: Pool<'_>) -> Status {
        start::label_sockets(settings(configuration));
        if has_module(c"mod_cgid.c") {
            ssi::judge_exec::<DaemonExec>();
        }
        Status::OK
    }
}

/// SSI's `exec`, which mod_cgid's daemon would run.
struct DaemonExec;

impl ExecHook for DaemonExec {
    fn may_run(page: Request<'_>) -> bool {
        // What runs on a worker is confined, and the daemon is not.
        let may_run = !worker::is_worker();
        if !may_run {
            log::request(page, Level::Error, IN_CGI_DAEMON);
        }
        may_run
    }
}

/// When the configuration is read and sockets are open.
pub struct PostConfig;

impl StartHook for PostConfig {
    fn run(configuration: Pool<'_>, server: Server<'_>) -> Status {
        start::unlabel_sockets();
        let settings = settings(configuration);
        // Every request finds the settings, also where no rules stand.
        directive::for_each_server(server, |section: &mut Section| section.settings = Some(settings));
        report(start::start(settings, server))
    }
}

fn settings(configuration: Pool<'_>) -> &'static Settings {
    Settings::of(Keeper::of(configuration))
}

fn report(result: Result<(), start::Faults>) -> Status {
    let Err(faults) = result else { return Status::OK };
    for fault in &faults {
        log::server(Level::Emergency, fault);
    }
    Status::INTERNAL_SERVER_ERROR
}

/// The rules of a request's place and what they need; `None` where nothing leads out of the server context.
fn rules(request: Request<'_>) -> Option<(&Section, &'static Started)> {
    let section = request.configuration::<Section>();
    if !section.confines() {
        return None;
    }
    Some((section, section.settings?.started.get()?))
}

/// First of the fixups, just after authorization: keeps who asks.
pub struct FirstFixups;

impl RequestHook for FirstFixups {
    fn run(request: Request<'_>) -> Status {
        let section = request.configuration::<Section>();
        if let Some(started) = section.settings.and_then(|settings| settings.started.get())
            // Without rules too where variables count: a request started from here may come to rules.
            && (section.confines() || !started.variables.is_empty())
        {
            let parent = parent(request);
            let record = Record {
                user: attested_user(request, parent),
                variables: started
                    .variables
                    .iter()
                    .map(|name| attested_variable(request, parent, started, name))
                    .collect(),
                decision: OnceLock::new(),
            };
            request.keep_record(record);
        }
        Status::DECLINED
    }
}

/// The request that a nested one comes from, with what is kept of it.
fn parent(request: Request<'_>) -> Option<(Request<'_>, Option<&Record>)> {
    let parent = request.previous().or(request.main())?;
    Some((parent, parent.record()))
}

/// The user, as authentication found it.
///
/// Where a nested request has its parent's place, httpd authenticates nobody and copies `r->user`
/// (`ap_process_request_internal`), even that of a parent whose password was wrong, or whose handler
/// has written another name there. Then the parent's record counts, or nobody.
fn attested_user(request: Request<'_>, parent: Option<(Request<'_>, Option<&Record>)>) -> Option<String> {
    match parent {
        Some((parent, record)) if parent.place() == request.place() => {
            record.and_then(|record| record.user.clone())
        }
        _ => request.user().map(|user| user.to_string_lossy().into_owned()),
    }
}

/// The value of a variable, as authentication or an early hook set it.
///
/// A subrequest gets a copy of its parent's environment, which the parent's handler can write (SSI
/// `set`, Lua). What it merely inherited is replaced by what the parent's record has.
fn attested_variable(
    request: Request<'_>,
    parent: Option<(Request<'_>, Option<&Record>)>,
    started: &Started,
    name: &CStr,
) -> Option<CString> {
    let own = request.env(name);
    let Some((parent, record)) = parent else { return own.map(CStr::to_owned) };
    let is_inherited = own.is_none() || own == parent.env(name);
    if !is_inherited {
        return own.map(CStr::to_owned);
    }
    let index = started.variables.iter().position(|variable| variable.as_c_str() == name)?;
    record?.variables.get(index)?.clone()
}

/// Last of the fixups: decides.
pub struct LastFixups;

impl RequestHook for LastFixups {
    fn run(request: Request<'_>) -> Status {
        let Some((section, started)) = rules(request) else { return Status::DECLINED };
        let Some(record) = request.record::<Record>() else { return Status::DECLINED };
        let decision = resolve(request, section, started, record);
        if let Decision::Enter(target) = &decision {
            request.set_env(c"SELINUX_CONTEXT", target.text());
            if !section.allow_caches.unwrap_or(false) {
                request.forbid_caching();
            }
        }
        if log::wants_debug(request) {
            log::request(request, Level::Debug, &format!("SEL0030: {}", told(&decision)));
        }
        // A second decision on the same record cannot be: httpd runs the fixups of a request once.
        let _ = record.decision.set((request.place(), decision));
        Status::DECLINED
    }
}

fn resolve(request: Request<'_>, section: &Section, started: &Started, record: &Record) -> Decision<Target> {
    let Some(server) = &started.server else { return Decision::Keep };
    let variables: Vec<_> = record.variables.iter().map(Option::as_deref).collect();
    let facts = Facts {
        asker: Asker { user: record.user.as_deref(), address: request.address() },
        variables: &variables,
    };
    let unmapped = section.unmapped.unwrap_or_default();
    let decision = decide(section.rules, unmapped, |rule| started.try_rule(rule, &facts));
    match section.peer.unwrap_or_default() {
        Peer::None => decision,
        Peer::Range => {
            let decision = decision.with_peer_range(peer_range(request), server, |target| target.context());
            match decision {
                Decision::Enter(context) => Decision::Enter(Arc::new(Prepared::new(context))),
                Decision::Keep => Decision::Keep,
                Decision::Refuse(why) => Decision::Refuse(why),
            }
        }
    }
}

/// The range of the client's connection, as the kernel took it from the client's packets.
fn peer_range(request: Request<'_>) -> Result<Range, String> {
    let socket = request.client_socket().ok_or("the connection has no socket")?;
    let peer = lsm::peer(socket).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => "the client's connection has no label".to_owned(),
        _ => format!("the label of the client's connection cannot be read: {error}"),
    })?;
    peer.range().cloned().ok_or_else(|| format!("the client's label {peer} has no range"))
}

fn told(decision: &Decision<Target>) -> String {
    match decision {
        Decision::Keep => "served in the server context".to_owned(),
        Decision::Enter(target) => format!("enters {}", target.context()),
        Decision::Refuse(why) => format!("refused: {why}"),
    }
}

/// First of the handlers: takes the request's processing over.
pub struct Handler;

impl RequestHook for Handler {
    fn run(request: Request<'_>) -> Status {
        if !worker::is_worker() {
            return serve(
                request,
                |target| worker::enter(request, target),
                || {
                    php::measure_connection_thread();
                    Status::DECLINED
                },
            );
        }
        match decision(request) {
            Ok(Decision::Enter(target)) if worker::is_at(target) && !runs_in_cgi_daemon(request) => {
                Status::DECLINED
            }
            _ => worker::hand_back(request),
        }
    }
}

/// Serves a request by its decision: `enter` on a worker, `keep` on this thread, or not at all.
///
/// Called on a thread that is no worker.
pub fn serve(
    request: Request<'_>,
    enter: impl FnOnce(&Target) -> Status,
    keep: impl FnOnce() -> Status,
) -> Status {
    match decision(request) {
        Ok(Decision::Keep) => keep(),
        Ok(Decision::Enter(target)) => match rewritten(request) {
            Some(uri) => {
                request.internal_redirect(&uri);
                Status::OK
            }
            None if runs_in_cgi_daemon(request) => {
                refuse(request, Status::INTERNAL_SERVER_ERROR, IN_CGI_DAEMON)
            }
            None => enter(target),
        },
        Ok(Decision::Refuse(why @ Why::Unmapped)) => {
            refuse(request, Status::FORBIDDEN, &format!("SEL0104: {why}"))
        }
        Ok(Decision::Refuse(why @ Why::NoPeer(_))) => {
            refuse(request, Status::FORBIDDEN, &format!("SEL0108: {why}"))
        }
        Ok(Decision::Refuse(why)) => {
            refuse(request, Status::INTERNAL_SERVER_ERROR, &format!("SEL0105: {why}"))
        }
        Err(why) => refuse(request, Status::INTERNAL_SERVER_ERROR, why),
    }
}

fn refuse(request: Request<'_>, status: Status, why: &str) -> Status {
    log::request(request, Level::Error, why);
    status
}

/// The decision made for the request where it is now.
fn decision(request: Request<'_>) -> Result<&Decision<Target>, &'static str> {
    let section = request.configuration::<Section>();
    if !section.confines() {
        return Ok(&Decision::Keep);
    }
    let record = request.record::<Record>().and_then(|record| record.decision.get());
    match record {
        Some((place, decision)) if *place == request.place() => Ok(decision),
        Some(_) => Err("SEL0106: refused: the request came to another place after its context was decided"),
        None => Err("SEL0107: refused: the request came to its handler without a decision"),
    }
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

const IN_CGI_DAEMON: &str =
    "SEL0103: mod_cgid would run the script outside of the confinement (load mod_cgi instead)";

fn runs_in_cgi_daemon(request: Request<'_>) -> bool {
    let is_script = |handler: &CStr| matches!(handler.to_bytes(), b"cgi-script" | b"application/x-httpd-cgi");
    rules(request).is_some_and(|(_, started)| started.cgi_daemon) && request.handler().is_some_and(is_script)
}
