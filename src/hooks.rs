//! One type per hook: gather facts, have them decided, act.

use crate::aims::Faults;
use crate::attested::Attested;
use crate::config::{Facts, Found, Rule, Section, Settings, Started};
use crate::httpd::directive::{self, Keeper};
use crate::httpd::hook::{ChildHook, PreConfigHook, RequestHook, Server, StartHook, TestConfigHook};
use crate::httpd::log::{self, Level};
use crate::httpd::pool::Pool;
use crate::httpd::proxy::BackEnd;
use crate::httpd::request::Request;
use crate::httpd::ssi::{self, ExecHook};
use crate::httpd::status::Status;
use crate::httpd::{has_module, is_defined, on_first_pass, only_checks_configuration, php, scopes};
use crate::lsm::{self, Prepared, Target};
use crate::policy::{Asker, Context, Decision, Peer, Range, Rule as Source, Why, decide};
use crate::{dump, elsewhere, explain, start, worker};
use std::ffi::{CStr, CString, c_void};
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

/// What is kept with a request from its fixups on.
struct Record<'r> {
    /// Who asks.
    attested: Attested<'r>,
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
            log::request(page, Level::Error, elsewhere::IN_CGI_DAEMON);
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
        let started = start::start(settings, server);
        // The first pass's result is thrown away, under `httpd -t` the only one.
        let serves = !on_first_pass() && !only_checks_configuration();
        report(started.and_then(|()| if serves { start::publish(settings, configuration) } else { Ok(()) }))
    }
}

/// When a child begins.
pub struct ChildInit;

impl ChildHook for ChildInit {
    fn run(main: Server<'_>) {
        let section: &Section = directive::server_section(main);
        if let Some(maps) = section.settings.and_then(|settings| settings.maps.get()) {
            maps.become_reader();
            maps.refresh();
        }
        let started = section.settings.and_then(|settings| settings.started.get());
        if started.is_some_and(|started| started.server.is_some()) {
            // The kernel would let a worker use what the server context has opened, and the back end would take it
            // for that.
            start::mapped_back_ends(main).iter_mut().for_each(BackEnd::keep_no_connections);
        }
    }
}

fn settings(configuration: Pool<'_>) -> &'static Settings {
    Settings::of(Keeper::of(configuration))
}

fn report(result: Result<(), Faults>) -> Status {
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
        // A worker may not open what the watcher has published: its request's main request did.
        if let Some(maps) = section.settings.and_then(|settings| settings.maps.get())
            && !worker::is_worker()
        {
            maps.refresh();
        }
        if let Some(started) = section.settings.and_then(|settings| settings.started.get())
            // Without rules too where variables count: a request started from here may come to rules.
            && (section.confines() || started.reads_environment)
        {
            let attested = Attested::of(request, started.reads_environment, attested);
            request.keep_record(Record { attested, decision: OnceLock::new() });
        }
        Status::DECLINED
    }
}

fn attested(request: Request<'_>) -> Option<&Attested<'_>> {
    request.record::<Record<'_>>().map(|record| &record.attested)
}

/// Last of the fixups: decides.
pub struct LastFixups;

impl RequestHook for LastFixups {
    fn run(request: Request<'_>) -> Status {
        let Some((section, _)) = rules(request) else { return Status::DECLINED };
        let asks_provider = |rule: &Arc<Rule>| matches!(rule.source, Source::Provider(_));
        // Providers read what a worker may not, and many take what they cannot read for a denial.
        if worker::is_worker() && section.rules.into_iter().flatten().any(asks_provider) {
            return worker::have_decided(request);
        }
        decide_here(request)
    }
}

/// The last of the fixups, on the thread that is to look things up.
pub fn decide_here(request: Request<'_>) -> Status {
    let Some((section, started)) = rules(request) else { return Status::DECLINED };
    let Some(record) = request.record::<Record<'_>>() else { return Status::DECLINED };
    let decision = resolve(request, section, started, &record.attested);
    if let Decision::Enter(target) = &decision {
        request.set_env(c"SELINUX_CONTEXT", target.text());
    }
    // Nor what the server context answers, where others get another: a cache asks nobody who they are.
    if !section.allow_caches.unwrap_or(false) {
        request.forbid_caching();
    }
    if log::wants_debug(request) {
        log::request(request, Level::Debug, &format!("SEL0030: {}", told(&decision)));
    }
    // A second decision on the same record cannot be: httpd runs the fixups of a request once.
    let _ = record.decision.set((request.place(), decision));
    Status::DECLINED
}

fn resolve(
    request: Request<'_>,
    section: &Section,
    started: &Started,
    attested: &Attested<'_>,
) -> Decision<Target> {
    with_facts(request, section, attested, |facts| resolve_by(section, started, facts, |_| ()))
}

/// Gathers what a request brings for rules to be tried against.
fn with_facts<T>(
    request: Request<'_>,
    section: &Section,
    attested: &Attested<'_>,
    body: impl FnOnce(&Facts<'_>) -> T,
) -> T {
    let user = attested.user.as_deref().map(CStr::to_string_lossy);
    body(&Facts {
        asker: Asker { user: user.as_deref(), groups: &[], address: request.address() },
        request,
        attested,
        maps: section.settings.and_then(|settings| settings.maps.get()),
        group_file: section.group_file,
    })
}

/// Decides, and lets `tell` know what becomes of each rule that is tried.
fn resolve_by(
    section: &Section,
    started: &Started,
    facts: &Facts<'_>,
    mut tell: impl FnMut(&Result<Option<Found>, Why>),
) -> Decision<Target> {
    let Some(server) = &started.server else { return Decision::Keep };
    let unmapped = section.unmapped.unwrap_or_default();
    let decision = decide(section.rules, unmapped, |rule| {
        let outcome = started.try_rule(rule, facts);
        tell(&outcome);
        Ok(outcome?.map(|found| found.target))
    });
    match section.peer.unwrap_or_default() {
        Peer::None => decision,
        Peer::Range => {
            let decision = decision.with_peer_range(peer_range(facts.request), server, |target| {
                Context::parse(&target.to_string()).expect("what was prepared is a context")
            });
            match decision {
                Decision::Enter(context) => Decision::Enter(Arc::new(Prepared::new(context.to_string()))),
                Decision::Keep => Decision::Keep,
                Decision::Refuse(why) => Decision::Refuse(why),
            }
        }
    }
}

/// What `SELinuxExplain` answers; `None` where the request is to be served.
fn explanation(request: Request<'_>) -> Option<String> {
    let section = request.configuration::<Section>();
    let address = request.address()?;
    section.explain?.iter().find(|network| network.contains(address))?;
    let started = section.settings?.started.get()?;
    let nobody = Attested::nobody();
    let attested = attested(request).unwrap_or(&nobody);
    Some(with_facts(request, section, attested, |facts| {
        let mut tried = Vec::new();
        let decision = resolve_by(section, started, facts, |outcome| {
            tried.push(explain::told(outcome));
        });
        explain::text(section, started, facts, &tried, &decision)
    }))
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
        Decision::Enter(target) => format!("enters {target}"),
        Decision::Refuse(why) => format!("refused: {why}"),
    }
}

/// First of the handlers: takes the request's processing over.
pub struct Handler;

impl RequestHook for Handler {
    fn run(request: Request<'_>) -> Status {
        if !worker::is_worker() {
            if let Some(text) = explanation(request) {
                return request.answer(&text);
            }
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
            Ok(Decision::Enter(target)) if worker::is_at(target) && runs_elsewhere(request).is_none() => {
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
            None => match runs_elsewhere(request) {
                Some(why) => refuse(request, Status::INTERNAL_SERVER_ERROR, why),
                None => enter(target),
            },
        },
        Ok(Decision::Refuse(why @ Why::Unmapped)) => {
            refuse(request, Status::FORBIDDEN, &format!("SEL0104: {why}"))
        }
        Ok(Decision::Refuse(why @ Why::ProviderFailed(_))) => {
            refuse(request, Status::INTERNAL_SERVER_ERROR, &format!("SEL0108: {why}"))
        }
        Ok(Decision::Refuse(why @ Why::NoPeer(_))) => {
            refuse(request, Status::FORBIDDEN, &format!("SEL0109: {why}"))
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
    let record = request.record::<Record<'_>>().and_then(|record| record.decision.get());
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

fn runs_elsewhere(request: Request<'_>) -> Option<&'static str> {
    rules(request).and_then(|(_, started)| elsewhere::why(request, started))
}
