//! Deciding: gathers what a request brings, has its place's rules tried, and keeps what they say.

use crate::attested::Attested;
use crate::config::{Facts, Found, Rule, Section, Started};
use crate::explain;
use crate::httpd::log::{self, Level};
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::lsm::{self, Prepared, Target};
use crate::policy::{self, Asker, Context, Decision, Peer, Range, Rule as Source, Why};
use crate::tag;
use std::cell::OnceCell;
use std::ffi::{CStr, c_void};
use std::sync::Arc;

/// What is kept with a request from its fixups on.
struct Record<'r> {
    /// Who asks.
    attested: Attested<'r>,
    /// What the rules say.
    decided: OnceCell<Decided<'r>>,
}

struct Decided<'r> {
    /// Of which place.
    place: *const c_void,
    decision: Decision<Target>,
    /// The context's text, in the request's pool: what reads the environment last may do so when the decision is gone.
    context: Option<&'r CStr>,
    /// The rule that it comes from (`SELINUX_RULE`).
    rule: &'r CStr,
    tag: &'r CStr,
}

/// The rules of a request's place and what they need; `None` where nothing leads out of the server context.
pub fn rules(request: Request<'_>) -> Option<(&Section, &'static Started)> {
    let section = request.configuration::<Section>();
    if !section.confines() {
        return None;
    }
    Some((section, section.settings?.started.get()?))
}

/// Keeps who asks, just after authorization.
pub fn attest(request: Request<'_>) {
    let section = request.configuration::<Section>();
    let Some(started) = section.settings.and_then(|settings| settings.started.get()) else { return };
    // Without rules too where variables count: a request started from here may come to rules.
    if section.confines() || started.reads_environment {
        let attested = Attested::of(request, started.reads_environment, attested);
        request.keep_record(Record { attested, decided: OnceCell::new() });
    }
}

/// The tag of the client's request that this one is, or comes from; made when it is first asked for.
pub fn tag(request: Request<'_>) -> &CStr {
    known_tag(request).unwrap_or_else(|| tag::of(request))
}

/// The same; `None` where none has been made.
fn known_tag(request: Request<'_>) -> Option<&CStr> {
    let decided = request.first().record::<Record<'_>>().and_then(|record| record.decided.get());
    decided.map(|decided| decided.tag).or_else(|| tag::known(request))
}

/// Whether a rule of the request's place has a provider of httpd's asked.
pub fn asks_providers(request: Request<'_>) -> bool {
    let section = request.configuration::<Section>();
    section.rules.into_iter().flatten().any(|rule| matches!(rule.source, Source::Provider(_)))
}

fn attested(request: Request<'_>) -> Option<&Attested<'_>> {
    request.record::<Record<'_>>().map(|record| &record.attested)
}

/// The last of the fixups, on the thread that is to look things up.
pub fn decide(request: Request<'_>) -> Status {
    let Some((section, started)) = rules(request) else { return tag_nested(request) };
    let Some(record) = request.record::<Record<'_>>() else { return Status::DECLINED };
    let (decision, rule) = resolve(request, section, started, &record.attested);
    // Nor what the server context answers, where others get another: a cache asks nobody who they are.
    if !section.allow_caches.unwrap_or(false) {
        request.forbid_caching();
    }
    // A second decision on the same record cannot be: httpd runs the fixups of a request once.
    let decided = record.decided.get_or_init(|| {
        let context = match &decision {
            Decision::Enter(target) => Some(request.pool().copy(target.text())),
            Decision::Keep | Decision::Refuse(_) => None,
        };
        let tag = match request.previous().or(request.main()) {
            // Those that come of it find it here.
            None => known_tag(request).unwrap_or_else(|| tag::make(request)),
            Some(_) => tag(request),
        };
        Decided { place: request.place(), decision, context, rule, tag }
    });
    set_variables(request);
    if log::wants_debug(request) {
        log::request(request, Level::Debug, &told(&record.attested, decided));
    }
    Status::DECLINED
}

/// A request where no rules stand, started from one that has a tag.
fn tag_nested(request: Request<'_>) -> Status {
    if request.previous().or(request.main()).is_some()
        && let Some(tag) = known_tag(request)
    {
        request.environment().set(c"SELINUX_TAG", tag);
    }
    Status::DECLINED
}

/// Sets what the logs are to have of a request, and of those that it was redirected to.
///
/// Once more when a page has run: it may write its environment, and so say that it was another.
pub fn set_variables(request: Request<'_>) {
    for request in std::iter::successors(Some(request), |request| request.next()) {
        let Some(decided) = request.record::<Record<'_>>().and_then(|record| record.decided.get()) else {
            continue;
        };
        let environment = request.environment();
        match decided.context {
            Some(context) => environment.set(c"SELINUX_CONTEXT", context),
            // A subrequest begins with its parent's.
            None => environment.unset(c"SELINUX_CONTEXT"),
        }
        environment.set(c"SELINUX_RULE", decided.rule);
        environment.set(c"SELINUX_TAG", decided.tag);
        // It may be part of a page that no rule is for.
        if let Some(parent) = request.previous().or(request.main()) {
            parent.first().environment().set(c"SELINUX_TAG", decided.tag);
        }
    }
}

/// The decision, and the rule that it comes from.
fn resolve<'r>(
    request: Request<'r>,
    section: &Section,
    started: &Started,
    attested: &Attested<'_>,
) -> (Decision<Target>, &'r CStr) {
    let mut name = c"none";
    let decision = with_facts(request, section, attested, |facts| {
        resolve_by(section, started, facts, |rule, outcome| match outcome {
            Ok(None) => {}
            Ok(Some(found)) => name = rule.named(found.line, request.pool()),
            Err(_) => name = rule.named(None, request.pool()),
        })
    });
    (decision, name)
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
    mut tell: impl FnMut(&'static Rule, &Result<Option<Found>, Why>),
) -> Decision<Target> {
    let Some(server) = &started.server else { return Decision::Keep };
    let unmapped = section.unmapped.unwrap_or_default();
    let decision = policy::decide(section.rules, unmapped, |rule| {
        let outcome = started.try_rule(rule, facts);
        tell(rule, &outcome);
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
pub fn explanation(request: Request<'_>) -> Option<String> {
    let section = request.configuration::<Section>();
    let address = request.address()?;
    section.explain?.iter().find(|network| network.contains(address))?;
    let started = section.settings?.started.get()?;
    let nobody = Attested::nobody();
    let attested = attested(request).unwrap_or(&nobody);
    Some(with_facts(request, section, attested, |facts| {
        let mut tried = Vec::new();
        let decision = resolve_by(section, started, facts, |_, outcome| {
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

/// The line of the log that tells of a decision.
fn told(attested: &Attested<'_>, decided: &Decided<'_>) -> String {
    let user = attested.user.as_deref().map(|user| format!("user {:?}", user.to_string_lossy()));
    let what = match &decided.decision {
        Decision::Keep => "served in the server context".to_owned(),
        Decision::Enter(target) => format!("enters {target}"),
        Decision::Refuse(why) => format!("refused: {why}"),
    };
    format!(
        "SEL0030: tag {}, {}, rule {}: {what}",
        decided.tag.to_string_lossy(),
        user.as_deref().unwrap_or("nobody logged in"),
        decided.rule.to_string_lossy(),
    )
}

/// The decision made for the request where it is now.
pub fn decision(request: Request<'_>) -> Result<&Decision<Target>, &'static str> {
    let section = request.configuration::<Section>();
    if section.is_broken {
        return Err("SEL0001: refused: what is configured here could not be made out");
    }
    if !section.confines() {
        return Ok(&Decision::Keep);
    }
    let record = request.record::<Record<'_>>().and_then(|record| record.decided.get());
    match record {
        Some(decided) if decided.place == request.place() => Ok(&decided.decision),
        Some(_) => Err("SEL0106: refused: the request came to another place after its context was decided"),
        None => Err("SEL0107: refused: the request came to its handler without a decision"),
    }
}
