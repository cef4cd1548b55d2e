//! `httpd -t -D DUMP_SELINUX`: every scope, with the rules that a request there has, in the order in which
//! they are tried.
//!
//! Which sections go together is for `httpd::sections` to say; what becomes of their rules is what `Section` makes of them.

use crate::config::rule::Rule;
use crate::config::settings::{Section, Started};
use crate::config::strays::{self, Stray};
use crate::httpd::configuration::{Configuration as _, Keeper};
use crate::httpd::sections::{Reach, Scope, ScopePath, ServerScopes};
use mapping::{Peer, Unmapped};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

const HEAD: &str = "\
SELinux rules by scope, in the order in which they are tried; the first that matches decides.
A request has the rules of all sections that match it: of <If> first, then of <Location>, <Files>
and <Directory>, then the server's; one that mod_proxy sends on, of <Proxy> in place of <Files>
and <Directory>. With a scope stand those that surely go with it; one marked + adds its own to
whatever else matches.
";

/// All servers with their scopes, and in each the rules and settings that apply there; then those that apply nowhere, and
/// what else the start has found.
pub fn text(
    servers: &[ServerScopes<'_, Section<'_>>],
    started: Option<&Started>,
    keeper: Keeper<'_>,
) -> String {
    let mut dump = Dump { keeper, text: HEAD.to_owned() };
    for server in servers {
        dump.server(server);
    }
    let strays = started.map(|started| strays::of(&started.configured, servers)).unwrap_or_default();
    if !strays.is_empty() {
        dump.line(
            0,
            format_args!("\nIn sections by which no request is decided, as far as mod_selinux can tell"),
        );
        for Stray { location, directive } in strays {
            dump.line(1, format_args!("{directive} ({location})"));
        }
    }
    if let Some(labels) = started.and_then(|started| started.labels.as_ref()) {
        dump.line(0, format_args!("\n{labels}"));
    }
    dump.text
}

struct Dump<'k> {
    keeper: Keeper<'k>,
    text: String,
}

impl Dump<'_> {
    fn server(&mut self, server: &ServerScopes<'_, Section<'_>>) {
        self.line(0, format_args!("\n{}", server.server.title));
        let before = self.text.len();
        server.all().for_each(|path| self.scope(&path));
        if self.text.len() == before {
            self.line(1, format_args!("no rules"));
        }
    }

    /// A scope; nothing where no directive of the module applies in it.
    fn scope(&mut self, path: &ScopePath<'_, Section<'_>>) {
        let (scope, depth, before) = (path.scope(), path.depth(), self.text.len());
        if depth > 0 {
            let mark = if matches!(scope.reach, Reach::Path(_)) { "" } else { " +" };
            self.line(depth, format_args!("{}{mark}", scope.title));
        }
        let titled = self.text.len();
        self.rules(depth + 1, &path.around(), scope);
        if self.text.len() == titled {
            self.text.truncate(before);
        }
    }

    /// The rules and settings that hold in a scope.
    fn rules(&mut self, depth: usize, around: &[&Scope<'_, Section<'_>>], scope: &Scope<'_, Section<'_>>) {
        let mut origins = HashMap::new();
        let mut merged = Section::unset();
        for (index, outer) in around.iter().enumerate() {
            let Some(own) = outer.own else { continue };
            let title = match index {
                _ if std::ptr::eq(*outer, scope) => String::new(),
                0 => ", of the server".to_owned(),
                _ => format!(", of {}", outer.title),
            };
            for rule in own.rules.into_iter().flatten() {
                origins.insert(Arc::as_ptr(rule), title.clone());
            }
            merged = own.merged_into(&merged, self.keeper);
        }
        let Section { rules, unmapped, allow_caches, peer, .. } = merged;
        if rules.is_none() && unmapped.is_none() && allow_caches.is_none() && peer.is_none() {
            return;
        }
        for (index, rule) in rules.into_iter().flatten().enumerate() {
            let origin = &origins[&Arc::as_ptr(rule)];
            self.line(depth, format_args!("{}. {} ({}{origin})", index + 1, written(rule), rule.location));
        }
        let unmapped = match unmapped.unwrap_or_default() {
            Unmapped::Refuse => "refuse",
            Unmapped::Server => "server",
        };
        let caches = if allow_caches.unwrap_or_default() { "On" } else { "Off" };
        let peer = match peer.unwrap_or_default() {
            Peer::None => "none",
            Peer::Range => "range",
        };
        let settings =
            format!("SELinuxUnmapped {unmapped}, SELinuxAllowCaches {caches}, SELinuxDomainPeer {peer}");
        self.line(depth, format_args!("{settings}"));
    }

    fn line(&mut self, depth: usize, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:1$}{text}", "", depth * 2);
    }
}

/// A directive as it is written, and the context that it leads to, where that is always the same.
fn written(rule: &Rule) -> String {
    match rule.target() {
        Some(target) => format!("{rule} -> {target}"),
        None => rule.to_string(),
    }
}
