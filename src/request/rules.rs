//! A rule tried against a request: whether it is for it, and what it leads to.

use crate::config::rule::{Granted, Rule};
use crate::config::settings::Started;
use crate::httpd::provider::ProviderAnswer;
use crate::httpd::request::Request;
use crate::maps::{Maps, PublishedFile};
use crate::request::identity::Attested;
use crate::selinux::contexts::resolve;
use crate::selinux::{EncodedContext, SharedContext};
use mapping::{Client, CompiledError, DomainSpec, RefusalReason, Rule as Source};
use std::sync::Arc;

/// What a request brings for rules to be tried against.
pub struct RuleInput<'f> {
    /// Who asks.
    pub client: Client<'f>,
    /// The request, for providers.
    pub request: Request<'f>,
    /// What counts of its user and environment.
    pub attested: &'f Attested<'f>,
    /// The published files.
    pub maps: Option<&'f Maps>,
    /// The number of the group file for the request's place.
    pub group_file: Option<usize>,
}

/// What a rule leads to.
pub struct Match {
    /// The context.
    pub target: SharedContext,
    /// The line of the map that says so, where it is a map.
    pub line: Option<usize>,
}

impl From<SharedContext> for Match {
    fn from(target: SharedContext) -> Match {
        Match { target, line: None }
    }
}

/// What a rule leads to for a request; `None` where the rule does not match it.
pub fn try_rule(
    started: &Started,
    rule: &Rule,
    facts: &RuleInput<'_>,
) -> Result<Option<Match>, RefusalReason> {
    let slot = match &rule.source {
        Source::Val(slot) => slot,
        Source::Map(map) => return try_map(map.number, facts),
        Source::Env(name) => return try_variable(started, name, facts),
        Source::Provider(granted) if applies(granted, facts)? => &granted.slot,
        Source::Provider(_) => return Ok(None),
    };
    let target = slot.target.get().cloned().ok_or(RefusalReason::Unprepared)?;
    Ok(Some(target.into()))
}

fn try_variable(
    started: &Started,
    name: &str,
    facts: &RuleInput<'_>,
) -> Result<Option<Match>, RefusalReason> {
    let value = facts.attested.input.environment.get_str(name);
    let Some(value) = value else { return Ok(None) };
    let bad = |error| RefusalReason::BadValue { variable: name.to_owned(), error };
    let spec = DomainSpec::parse_bytes(value.to_bytes()).map_err(bad)?;
    let server = started.server.as_ref().ok_or(RefusalReason::Unprepared)?;
    let context = resolve(&spec, server).map_err(bad)?;
    Ok(Some(Arc::new(EncodedContext::new(context.to_string())).into()))
}

/// The context that a map leads to for a request.
fn try_map(number: usize, facts: &RuleInput<'_>) -> Result<Option<Match>, RefusalReason> {
    let maps = facts.maps.ok_or(RefusalReason::Unprepared)?;
    let published = maps.current(number).ok_or(RefusalReason::Unprepared)?;
    let PublishedFile::Map(map) = &published.file else { return Err(RefusalReason::Unprepared) };
    let bad = |error: CompiledError| RefusalReason::BadFile(error);
    let mut client = facts.client;
    let (group_file, groups);
    if let Some(user) = client.user.filter(|_| map.has_groups()) {
        let number = facts.group_file.ok_or(RefusalReason::NoGroupFile)?;
        group_file = maps.current(number).ok_or(RefusalReason::Unprepared)?;
        let PublishedFile::Groups(file) = &group_file.file else { return Err(RefusalReason::Unprepared) };
        groups = file.groups(user, map.case()).map_err(bad)?;
        client.groups = &groups;
    }
    let found = map.find(&client).map_err(bad)?;
    Ok(found
        .map(|(line, context)| Match { target: Arc::new(EncodedContext::new(context)), line: Some(line) }))
}

/// Whether the rule is for this request: asks the provider.
fn applies(granted: &Granted, facts: &RuleInput<'_>) -> Result<bool, RefusalReason> {
    let Attested { user, input, .. } = facts.attested;
    match granted.provider.check(facts.request, *user, input.environment) {
        ProviderAnswer::Granted => Ok(!granted.negated),
        ProviderAnswer::Denied => Ok(granted.negated),
        ProviderAnswer::Failed => Err(RefusalReason::ProviderFailed(granted.provider.to_string())),
    }
}
