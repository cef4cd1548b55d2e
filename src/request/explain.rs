//! `SELinuxExplain`: the answer that tells how a request is decided, instead of serving it.

use crate::config::settings::{Section, Started};
use crate::maps::PublishedFile;
use crate::request::rules::{Match, RuleInput};
use crate::selinux::{self, SharedContext, query};
use mapping::{Case, Context, Decision, Escaped, RefusalReason, Shown};
use std::fmt::Write as _;

/// What became of a rule, in words.
pub fn describe(outcome: &Result<Option<Match>, RefusalReason>) -> String {
    match outcome {
        Ok(None) => "is for others".to_owned(),
        Ok(Some(Match { line: Some(line), .. })) => format!("decides, by its line {line}"),
        Ok(Some(_)) => "decides".to_owned(),
        Err(why) => format!("refuses: {why}"),
    }
}

/// A decision, in words.
pub fn result(decision: &Decision<SharedContext>) -> String {
    match decision {
        Decision::Keep => "served in the server's context".to_owned(),
        Decision::Enter(target) => format!("served in {target}"),
        Decision::Refuse(why) => format!("refused: {why}"),
    }
}

/// All that is known of a request's decision, as text.
///
/// The context is entered for trial, on a thread that then ends.
pub fn text(
    section: &Section,
    started: &Started,
    facts: &RuleInput<'_>,
    // What became of the rules that were tried.
    tried: &[String],
    decision: &Decision<SharedContext>,
) -> String {
    let mut text = String::from("mod_selinux: how this request is decided (SELinuxExplain)\n\n");
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail. What came from outside must not make lines of its own.
        let _ = match name {
            "" => writeln!(text),
            _ => writeln!(text, "{name:<9}{}", Escaped::new(value)),
        };
    };
    let user = facts.client.user.map(|user| Shown(user).to_string());
    line("user", user.as_deref().unwrap_or("nobody has logged in"));
    line("groups", &groups(facts));
    let address = facts.client.address.map(|address| address.to_canonical().to_string());
    line("address", address.as_deref().unwrap_or("none (a Unix socket)"));
    line(
        "server",
        &started.server.as_ref().map_or("not confined: SELinux is off".to_owned(), Context::to_string),
    );
    line("", "");
    let rules = section.rules.into_iter().flatten();
    for (number, rule) in (1..).zip(rules) {
        let outcome = tried.get(number - 1).map(String::as_str);
        let outcome = outcome.unwrap_or("not tried: a rule before it decides");
        line(&format!("rule {number}"), &format!("{rule} ({}): {outcome}", rule.location));
    }
    if section.rules.is_none() {
        line("rules", "none stand here");
    }
    line("", "");
    line("result", &result(decision));
    if let Decision::Enter(target) = decision {
        let answer = match selinux::probe(target) {
            Ok(()) => "lets a thread of httpd enter it".to_owned(),
            Err(error) => match (&started.server, target.context()) {
                (Some(server), Some(context)) => {
                    format!("{error}; {}", query::missing_rule(server, &context, &error))
                }
                _ => error.to_string(),
            },
        };
        line("kernel", &answer);
    }
    text
}

/// The groups that the user is in, by the scope's group file.
fn groups(facts: &RuleInput<'_>) -> String {
    let (Some(user), Some(number)) = (facts.client.user, facts.group_file) else { return "none".to_owned() };
    let Some(published) = facts.maps.and_then(|maps| maps.current(number)) else {
        return "not read: no map has lines for groups".to_owned();
    };
    match &published.file {
        PublishedFile::Groups(file) => {
            let of = |case| match file.groups(user, case) {
                Ok(groups) if groups.is_empty() => "none".to_owned(),
                Ok(groups) => {
                    groups.into_iter().map(|group| Shown(group).to_string()).collect::<Vec<_>>().join(", ")
                }
                Err(error) => error.to_string(),
            };
            match (of(Case::Counts), of(Case::Ignored)) {
                (exact, ignored) if exact == ignored => exact,
                (exact, ignored) => format!("{exact}; to a map that ignores case: {ignored}"),
            }
        }
        PublishedFile::Map(_) => "not known".to_owned(),
    }
}
