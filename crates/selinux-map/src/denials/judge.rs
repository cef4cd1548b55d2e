//! Why something was refused, and what would allow it.
//!
//! Owns the advice. What the loaded policy says is asked of the caller: this must be right on any machine.

use mapping::{Context, Range};
use serde::Serialize;

use super::audit::Refusal;
use crate::content::shell_word;

/// Whether the loaded policy lets a context do this to another: of this class, all of these permissions. `None` where
/// that is not known.
pub type Ask<'a> = &'a dyn Fn(&Context, &Context, &str, &[String]) -> Option<bool>;

/// What stands in the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The types: a rule is missing.
    Rule,
    /// The domain has the rule, but httpd has not, which bounds it.
    Bounds,
    /// The ranges: no rule is missing.
    Categories,
    /// Nothing any more.
    Nothing,
    /// The policy is not known here.
    Unknown,
}

/// What is to be said of a refusal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Advice {
    /// What stands in the way.
    pub cause: Cause,
    /// The same in words.
    pub why: String,
    /// The rules that would allow it, in CIL.
    pub rules: Vec<String>,
    /// Whether the server has the right, without which the kernel gives it to no domain.
    pub server_has_it: Option<bool>,
    /// What could be done to the object instead.
    pub commands: Vec<String>,
}

/// Types of content, and those of files that nobody has given one: what is labelled so may get another label.
const UNLABELLED: [&str; 7] =
    ["default_t", "httpd_tmp_t", "tmp_t", "unlabeled_t", "user_home_t", "user_tmp_t", "var_t"];

/// Permissions that change something.
const CHANGES: [&str; 11] = [
    "add_name",
    "append",
    "create",
    "link",
    "remove_name",
    "rename",
    "reparent",
    "rmdir",
    "setattr",
    "unlink",
    "write",
];

/// Why `refusal` was, and what would allow it. `server` is the type that bounds the domains.
pub fn judge(refusal: &Refusal, server: &str, ask: Ask<'_>) -> Advice {
    let nothing = |why: &str| Advice {
        cause: Cause::Unknown,
        why: why.to_owned(),
        rules: Vec::new(),
        server_has_it: None,
        commands: Vec::new(),
    };
    let contexts = (Context::parse(&refusal.source), Context::parse(&refusal.target));
    let (Ok(source), Ok(target)) = contexts else { return nothing("the record's contexts cannot be read") };
    let is_word = |word: &String| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if refusal.permissions.is_empty() || !refusal.permissions.iter().chain([&refusal.class]).all(is_word) {
        return nothing("the record cannot be read");
    }
    let asked =
        |source: &Context, target: &Context| ask(source, target, &refusal.class, &refusal.permissions);
    let is_within = dominates(&source, &target);
    let allowed = asked(&lowest(&source), &lowest(&target));
    let server_has_it = server_side(&source, &target, server).and_then(|(one, other)| asked(&one, &other));

    if allowed == Some(true) && asked(&source, &target) == Some(true) {
        return Advice { cause: Cause::Nothing, ..nothing("the loaded policy allows it by now") };
    }
    if allowed == Some(true) || (allowed.is_none() && !is_within && !refusal.beyond_bounds) {
        let (ours, theirs) = (range(&source), range(&target));
        let sure = if allowed.is_some() {
            "no rule is missing"
        } else {
            "whatever the rules say (the policy is not known here)"
        };
        return Advice {
            cause: Cause::Categories,
            why: format!(
                "the {} has {theirs}, the request {ours}: {sure}, it is the categories",
                super::words::kind(&refusal.class)
            ),
            commands: at_range(refusal, &ours),
            ..nothing("")
        };
    }
    let of = |source: &str, target: &str| rule(source, target, &refusal.class, &refusal.permissions);
    let other = if source.type_() == target.type_() { "self" } else { target.type_() };
    let bounding = of(server, if other == "self" { "self" } else { target.type_() });
    let own = of(source.type_(), other);
    let mut rules = vec![own];
    if server_has_it == Some(false) || refusal.beyond_bounds {
        rules.push(bounding);
    }
    let bounds = match server_has_it {
        Some(true) => format!("{server} has it, so the rule would be within the bounds"),
        Some(false) => {
            format!("{server} does not have it: the rule alone would break the bounds, and count for nothing")
        }
        None => {
            format!("whether {server} has it, and so the rule would be within the bounds, is not known here")
        }
    };
    let (cause, why) = if refusal.beyond_bounds && server_has_it != Some(true) {
        (
            Cause::Bounds,
            format!("{} has a rule for it, but {server} has not, and so the kernel masks it", source.type_()),
        )
    } else {
        let cause = if allowed.is_some() { Cause::Rule } else { Cause::Unknown };
        (cause, format!("no rule lets {} do it; {bounds}", source.type_()))
    };
    let why = if is_within {
        why
    } else {
        format!("{why}; the ranges do not fit either ({} and {})", range(&source), range(&target))
    };
    Advice { cause, why, rules, server_has_it, commands: as_content(refusal, &target) }
}

/// A rule in the language that `semodule` takes.
fn rule(source: &str, target: &str, class: &str, permissions: &[String]) -> String {
    format!("(allow {source} {target} ({class} ({})))", permissions.join(" "))
}

fn range(context: &Context) -> String {
    context.range().map_or_else(|| "no range".to_owned(), Range::to_string)
}

fn lowest(context: &Context) -> Context {
    context.clone().with_range(context.range().map(Range::lowest))
}

/// The same at the server's place: the kernel compares a domain's rights with these.
fn server_side(source: &Context, target: &Context, server: &str) -> Option<(Context, Context)> {
    let of = |context: &Context| {
        let range = context.range().map(Range::lowest);
        let text = format!("{}:{}:{server}", context.user(), context.role());
        Some(Context::parse(&text).ok()?.with_range(range))
    };
    let bounded = if source.type_() == target.type_() { of(target)? } else { lowest(target) };
    Some((of(source)?, bounded))
}

/// Whether all categories of the object are among those of who asks.
fn dominates(source: &Context, target: &Context) -> bool {
    let high =
        |context: &Context| context.range().map(|range| range.categories()[1].to_vec()).unwrap_or_default();
    let ours = high(source);
    high(target).iter().all(|(first, last)| ours.iter().any(|(from, to)| from <= first && last <= to))
}

fn is_in_file_system(refusal: &Refusal) -> bool {
    matches!(refusal.class.as_str(), "file" | "dir" | "lnk_file")
}

/// The object as a word of a command; a name alone is one in the folder that it is in.
fn word(refusal: &Refusal) -> Option<String> {
    let object = refusal.object.as_ref().filter(|object| !object.chars().any(char::is_control))?;
    is_in_file_system(refusal).then(|| shell_word(object))
}

fn at_range(refusal: &Refusal, range: &str) -> Vec<String> {
    // What is the request's own may be made its own; what the server itself lives on may not.
    let is_content = Context::parse(&refusal.target).is_ok_and(|target| is_content(target.type_()));
    let word = word(refusal).filter(|_| is_content);
    word.map(|word| format!("chcon -l {range} -- {word}")).into_iter().collect()
}

fn is_content(type_: &str) -> bool {
    type_.ends_with("_content_t")
}

fn as_content(refusal: &Refusal, target: &Context) -> Vec<String> {
    let changes = refusal.permissions.iter().any(|one| CHANGES.contains(&one.as_str()));
    let wanted = if changes { "httpd_sys_rw_content_t" } else { "httpd_sys_content_t" };
    let may_get_another = UNLABELLED.contains(&target.type_()) || is_content(target.type_());
    let word = word(refusal).filter(|_| may_get_another && target.type_() != wanted);
    word.map(|word| format!("chcon -t {wanted} -- {word}")).into_iter().collect()
}
