//! Deciding: gathers what a request brings, has its place's rules tried, and keeps what they say.

use super::{audit_tag, explain, nested, private_tmp};
use crate::config::rule::Rule;
use crate::config::settings::{Section, Selinux, Serving, Started, section};
use crate::httpd::cache;
use crate::httpd::log;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::interop;
use crate::request::identity::Attested;
use crate::request::record::{self, Decided};
use crate::request::rules::{Match, RuleInput, try_rule};
use crate::selinux::{self, EncodedContext, SharedContext};
use mapping::{self, Client, Decision, Peer, Quoted, Range, RefusalReason};
use messages::{Code, Message};
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// What requests are served by where the server has rules somewhere; `None` where it has none.
pub fn mapping(request: Request<'_>) -> Option<&Serving> {
    section(request).serving
}

/// Keeps who asks, just after authorization.
pub fn attest(request: Request<'_>) {
    if mapping(request).is_none() {
        return;
    }
    let confines = section(request).confines();
    // mod_dir may yet take it to a place with rules, and a request that a confined one has started may start others.
    if confines || record::of(request).is_some() || !request.leads_to_a_file() {
        record::keep(request, |own, record| {
            let attested = attested(own.request());
            nested::identify(own.request(), &attested);
            record.set_attested(own, attested);
        });
    }
}

/// Who asks, with what is kept of the request so far, and of the one that it comes from.
fn attested(request: Request<'_>) -> Attested<'_> {
    let parent = request.parent().and_then(record::attested);
    let before = record::of(request).and_then(|record| record.first_environment.get(request));
    Attested::of(request, parent.as_ref(), before)
}

/// The tag of the client's request that this one is, or comes from; made when it is first asked for.
pub fn tag(request: Request<'_>) -> &CStr {
    known_tag(request).unwrap_or_else(|| audit_tag::of(request))
}

/// The same; `None` where none has been made.
fn known_tag(request: Request<'_>) -> Option<&CStr> {
    let decided = record::decided(request.first());
    decided.map(|decided| decided.tag).or_else(|| audit_tag::known(request))
}

/// Notes a request's place when it is first known.
pub fn note_place(request: Request<'_>) {
    if mapping(request).is_some() && section(request).confines() {
        record::keep(request, |own, record| {
            let request = own.request();
            record.first_place.set(own, request.dir_config_id());
            record.first_environment.set(own, request.environment().copy(request.pool()));
        });
    }
}

/// The configuration that a request is decided by: that of its place. One that has lost its URI since (mod_negotiation: `MultiViews`,
/// type maps) has come to where no `<Location>` applies: it is decided by where its URI led.
fn deciding(request: Request<'_>) -> &Section<'_> {
    let first = record::of(request).and_then(|record| record.first_place.get(request));
    match first.filter(|_| request.main().is_none() && request.is_without_uri()) {
        Some(place) => place.section::<Selinux>(),
        None => section(request),
    }
}

/// The last of the fixups.
pub fn decide(request: Request<'_>) -> Status {
    let section = deciding(request);
    let of_page = nested::of_page(request);
    let serving = section.serving.filter(|_| section.confines() || of_page.is_some());
    let Some(Serving { started, .. }) = serving else {
        nested::settle(request);
        return tag_nested(request);
    };
    let Some(attested) = record::attested(request) else { return Status::DECLINED };
    let is_servers_own = of_page.is_none() && interop::is_servers_own(request, started);
    let (mut decision, rule) = match of_page {
        Some(page) => (page.decision.clone(), page.rule),
        None if is_servers_own => (Decision::Keep, c"SELinuxServerHandler"),
        None => resolve(request, section, started, &attested),
    };
    let private_tmp = match tmp_of(started, &decision) {
        Ok(folder) => folder,
        Err(why) => {
            decision = Decision::Refuse(why);
            None
        }
    };
    // Nor what the server context answers, where others get another: a cache asks nobody who they are. Nor a page of which
    // this is a part.
    if !section.allow_caches.unwrap_or(false) {
        cache::forbid(request);
        std::iter::successors(request.parent(), |request| request.parent()).for_each(cache::stop);
    }
    record::keep(request, |own, record| {
        let request = own.request();
        let context = match &decision {
            Decision::Enter(target) => Some(request.pool().copy(target.text())),
            Decision::Keep | Decision::Refuse(_) => None,
        };
        let tag = match request.parent() {
            // Those that come of it find it here.
            None => known_tag(request).unwrap_or_else(|| audit_tag::make(request)),
            Some(_) => tag(request),
        };
        let private_tmp = private_tmp.as_deref().map(|folder| request.pool().copy(folder));
        let texts = (context, private_tmp, request.pool().copy(rule), tag);
        record.set_decided(own, (decision, is_servers_own), texts);
    });
    nested::settle(request);
    set_variables(request);
    if log::wants_debug(request)
        && let Some(decided) = record::decided(request)
    {
        log::request(request, &describe(&attested, &decided));
    }
    Status::DECLINED
}

/// The folder for temporary files of the context that a request is about to enter; `None` where there are none.
fn tmp_of(started: &Started, decision: &Decision<SharedContext>) -> Result<Option<CString>, RefusalReason> {
    let (Decision::Enter(target), Some((_, parent))) = (decision, &started.configured.private_tmp) else {
        return Ok(None);
    };
    let server = started.server.as_ref().ok_or(RefusalReason::Unprepared)?;
    let folder = private_tmp::folder(parent, target, server);
    folder.map(Some).map_err(|error| RefusalReason::NoPrivateTmp(format!("{}: {error}", parent.display())))
}

/// A request where no rules stand, started from one that has a tag.
fn tag_nested(request: Request<'_>) -> Status {
    if request.parent().is_some()
        && let Some(tag) = known_tag(request)
    {
        request.environment().set(c"SELINUX_TAG", tag);
    }
    Status::DECLINED
}

/// Sets what the logs are to have of a request, and of those that it was redirected to.
pub fn set_variables(request: Request<'_>) {
    for request in std::iter::successors(Some(request), |request| request.next()) {
        let Some(decided) = record::decided(request) else { continue };
        let environment = request.environment();
        match decided.context {
            Some(context) => environment.set(c"SELINUX_CONTEXT", context),
            // A subrequest begins with its parent's.
            None => environment.unset(c"SELINUX_CONTEXT"),
        }
        if let Some(folder) = decided.private_tmp {
            // One of `SetEnv tmpdir` would keep its spelling.
            environment.unset(c"TMPDIR");
            environment.set(c"TMPDIR", folder);
        }
        environment.set(c"SELINUX_RULE", decided.rule);
        environment.set(c"SELINUX_TAG", decided.tag);
        // It may be part of a page that no rule is for.
        if let Some(parent) = request.parent() {
            parent.first().environment().set(c"SELINUX_TAG", decided.tag);
        }
    }
}

/// Sets that once more when a page has run, which may have written its environment and its user, and so say that it was
/// another.
pub fn set_after_page(request: Request<'_>) {
    set_variables(request);
    for request in std::iter::successors(Some(request), |request| request.next()) {
        if let Some(attested) = record::attested(request) {
            request.set_identity(attested.user, attested.auth_type);
        }
    }
}

/// The decision, and the rule that it comes from.
fn resolve<'r>(
    request: Request<'r>,
    section: &Section<'r>,
    started: &Started,
    attested: &Attested<'_>,
) -> (Decision<SharedContext>, &'r CStr) {
    let mut name = c"none";
    let decision = with_input(request, section, attested, |facts| {
        resolve_by(section, started, facts, |rule, outcome| match outcome {
            Ok(None) => {}
            Ok(Some(found)) => name = rule.named(found.line, request.pool()),
            Err(_) => name = rule.named(None, request.pool()),
        })
    });
    (decision, name)
}

/// Gathers what a request brings for rules to be tried against.
fn with_input<T>(
    request: Request<'_>,
    section: &Section<'_>,
    attested: &Attested<'_>,
    body: impl FnOnce(&RuleInput<'_>) -> T,
) -> T {
    let user = attested.user.map(CStr::to_bytes);
    body(&RuleInput {
        client: Client { user, groups: &[], address: request.address() },
        request,
        attested,
        maps: section.serving.and_then(|serving| serving.maps.as_deref()),
        group_file: section.group_file,
    })
}

/// Decides, and lets `tell` know what becomes of each rule that is tried.
fn resolve_by<'s>(
    section: &Section<'s>,
    started: &Started,
    facts: &RuleInput<'_>,
    mut tell: impl FnMut(&'s Rule, &Result<Option<Match>, RefusalReason>),
) -> Decision<SharedContext> {
    let Some(server) = &started.server else { return Decision::Keep };
    let unmapped = section.unmapped.unwrap_or_default();
    let decision = mapping::decide(section.rules, unmapped, |rule| {
        let outcome = try_rule(started, rule, facts);
        tell(rule, &outcome);
        Ok(outcome?.map(|found| found.target))
    });
    match section.peer.unwrap_or_default() {
        Peer::None => decision,
        Peer::Range => {
            let decision = decision.with_peer_range(peer_range(facts.request), server, |target| {
                target.context().expect("what was prepared is a context")
            });
            match decision {
                Decision::Enter(context) => {
                    Decision::Enter(Arc::new(EncodedContext::new(context.to_string())))
                }
                Decision::Keep => Decision::Keep,
                Decision::Refuse(why) => Decision::Refuse(why),
            }
        }
    }
}

/// What `SELinuxExplain` answers; `None` where the request is to be served.
pub fn explanation(request: Request<'_>) -> Option<String> {
    let section = section(request);
    let address = request.address()?;
    section.explain?.iter().find(|network| network.contains(address))?;
    let Serving { started, .. } = section.serving?;
    // Where no rules are, nothing has been kept.
    let attested = record::attested(request).unwrap_or_else(|| attested(request));
    Some(with_input(request, section, &attested, |facts| {
        let mut tried = Vec::new();
        let decision = resolve_by(section, started, facts, |_, outcome| {
            tried.push(explain::describe(outcome));
        });
        explain::text(section, started, facts, &tried, &decision)
    }))
}

/// The range of the client's connection, as the kernel took it from the client's packets.
fn peer_range(request: Request<'_>) -> Result<Range, String> {
    let socket = request.client_socket().ok_or("the connection has no socket")?;
    let peer = selinux::peer(socket).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => "the client's connection has no label".to_owned(),
        _ => format!("the label of the client's connection cannot be read: {error}"),
    })?;
    peer.range().cloned().ok_or_else(|| format!("the client's label {peer} has no range"))
}

/// The line of the log that tells of a decision.
fn describe(attested: &Attested<'_>, decided: &Decided<'_>) -> Message {
    let user = attested.user.map(|user| format!("user {}", Quoted(user.to_bytes())));
    let what = explain::result(decided.decision);
    let (tag, rule) = (decided.tag.to_string_lossy(), decided.rule.to_string_lossy());
    let user = user.as_deref().unwrap_or("nobody logged in");
    Code::Decision.message(format!("tag {tag}, {user}, rule {rule}: {what}"))
}

/// The decision made for the request where it is now.
///
/// # Errors
/// Why there is none.
pub fn decision(request: Request<'_>) -> Result<&Decision<SharedContext>, Message> {
    let section = section(request);
    if section.is_broken {
        return Err(Code::Internal.message("refused: what is configured here could not be made out"));
    }
    if record::of(request).is_some_and(|record| record.is_lost.get()) {
        return Err(Code::Internal.message("refused: a phase of the request could not be run"));
    }
    match record::decided(request) {
        Some(decided) if decided.place == request.dir_config_id() => Ok(decided.decision),
        Some(_) => {
            let text = "refused: the request came to another place after its context was decided";
            Err(Code::Moved.message(text))
        }
        None if section.confines() => {
            Err(Code::Undecided.message("refused: the request came to its handler without a decision"))
        }
        None => Ok(&Decision::Keep),
    }
}
