//! `httpd -t -D DUMP_SELINUX`: every scope, with the rules that a request there has, in the order in which
//! they are tried.
//!
//! Which sections go together is httpd's doing (`server/request.c`), and told here of those of which it can
//! be told without a request; what becomes of their rules is what `Section` makes of them.

use crate::config::settings::{Rule, Section, Settings};
use crate::config::strays::Stray;
use crate::httpd::configuration::{Configuration as _, Keeper};
use crate::httpd::sections::{Reach, Scope as AnyScope, ServerScopes as AnyServer};
use mapping::{Peer, Unmapped};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

type Scope<'s> = AnyScope<'s, Section<'s>>;
type Server<'s> = AnyServer<'s, Section<'s>>;

const HEAD: &str = "\
SELinux rules by scope, in the order in which they are tried; the first that matches decides.
A request has the rules of all sections that match it: of <If> first, then of <Location>, <Files>
and <Directory>, then the server's; one that mod_proxy sends on, of <Proxy> in place of <Files>
and <Directory>. With a scope stand those that surely go with it; one marked + adds its own to
whatever else matches.
";

/// All servers with their scopes, and in each the rules and settings that hold there; `strays` are those that stand
/// in none of them.
pub fn text(servers: &[Server<'_>], strays: &[Stray], keeper: Keeper<'_>) -> String {
    let mut dump = Dump { keeper, text: HEAD.to_owned() };
    for server in servers {
        dump.server(server);
    }
    if !strays.is_empty() {
        dump.line(
            0,
            format_args!("\nIn sections by which no request is decided, as far as mod_selinux can tell"),
        );
        for Stray { location, directive } in strays {
            dump.line(1, format_args!("{directive} ({location})"));
        }
    }
    if let Some(labels) = Settings::of(keeper).started.get().and_then(|started| started.labels.as_ref()) {
        dump.line(0, format_args!("\n{labels}"));
    }
    dump.text
}

struct Dump<'k> {
    keeper: Keeper<'k>,
    text: String,
}

impl Dump<'_> {
    fn server(&mut self, server: &Server<'_>) {
        self.line(0, format_args!("\n{}", server.server.title));
        let before = self.text.len();
        let around = [&server.server];
        self.rules(1, &around, &server.server);
        self.files(1, &around, &server.server);
        self.conditions(1, &around, &server.server);
        for directory in &server.directories {
            let path = certain(&directory.reach);
            let around =
                around_section(server, &server.directories, directory, |outer| path.starts_with(outer));
            self.section(1, &around, directory);
            self.files(2, &around, directory);
            self.conditions(2, &around, directory);
        }
        for location in &server.locations {
            let path = certain(&location.reach);
            let around =
                around_section(server, &server.locations, location, |outer| is_in_location(outer, path));
            self.section(1, &around, location);
            self.conditions(2, &around, location);
        }
        for proxy in &server.proxies {
            let path = certain(&proxy.reach);
            let around = around_section(server, &server.proxies, proxy, |outer| path.starts_with(outer));
            self.section(1, &around, proxy);
            self.conditions(2, &around, proxy);
        }
        if self.text.len() == before {
            self.line(1, format_args!("no rules"));
        }
    }

    /// `<Files>` in a scope, by those around it (outermost first, and itself among them), whose own ones httpd
    /// walks through as well.
    fn files(&mut self, depth: usize, around: &[&Scope<'_>], scope: &Scope<'_>) {
        for files in &scope.files {
            let holds = |other: &&Scope<'_>| match (&other.reach, &files.reach) {
                _ if std::ptr::eq(*other, files) => true,
                (Reach::Path(other), Reach::Path(name)) => other == name,
                _ => false,
            };
            let all = around.iter().flat_map(|scope| &scope.files);
            let around: Vec<_> = around.iter().copied().chain(all.filter(holds)).collect();
            self.section(depth, &around, files);
            self.conditions(depth + 1, &around, files);
        }
    }

    /// `<If>` in a scope, by those around it.
    fn conditions(&mut self, depth: usize, around: &[&Scope<'_>], scope: &Scope<'_>) {
        for condition in &scope.conditions {
            let around: Vec<_> = around.iter().copied().chain([condition]).collect();
            self.section(depth, &around, condition);
            self.conditions(depth + 1, &around, condition);
        }
    }

    /// A section; nothing where no directive of the module holds in it.
    fn section(&mut self, depth: usize, around: &[&Scope<'_>], scope: &Scope<'_>) {
        let before = self.text.len();
        let mark = if matches!(scope.reach, Reach::Path(_)) { "" } else { " +" };
        self.line(depth, format_args!("{}{mark}", scope.title));
        let titled = self.text.len();
        self.rules(depth + 1, around, scope);
        if self.text.len() == titled {
            self.text.truncate(before);
        }
    }

    /// The rules and settings that hold in a scope.
    fn rules(&mut self, depth: usize, around: &[&Scope<'_>], scope: &Scope<'_>) {
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

/// The server, and of its sections of one kind those that hold wherever `section` does, and itself, in the order
/// in which they are merged. `covers` tells of a path whether it is one above the section's.
fn around_section<'a>(
    server: &'a Server<'a>,
    all: &'a [Scope<'a>],
    section: &Scope<'_>,
    covers: impl Fn(&str) -> bool,
) -> Vec<&'a Scope<'a>> {
    let holds = |other: &&'a Scope<'a>| {
        std::ptr::eq(*other, section) || matches!(&other.reach, Reach::Path(path) if covers(path))
    };
    [&server.server].into_iter().chain(all.iter().filter(holds)).collect()
}

/// The path that all which a section holds for has at its beginning.
fn certain(reach: &Reach) -> &str {
    match reach {
        Reach::Path(path) => path,
        Reach::Wildcard(pattern) => folder(pattern),
        Reach::Other => "/",
    }
}

/// The part of a pattern before the first name that has a wildcard in it.
fn folder(pattern: &str) -> &str {
    let wildcard = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    &pattern[..pattern[..wildcard].rfind('/').map_or(0, |slash| slash + 1)]
}

/// Whether `<Location outer>` holds for a URL: for whole names only, unless it ends in a slash.
fn is_in_location(outer: &str, url: &str) -> bool {
    url.strip_prefix(outer)
        .is_some_and(|rest| outer.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}
