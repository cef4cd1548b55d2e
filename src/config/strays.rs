//! Rules in sections by which no request is decided, as far as can be told: httpd comes to them too late (`<Files>` in `<If>`,
//! `<Files>` or `<Proxy>`), or they are another module's (`<AuthzProviderAlias>`), which has them for itself.

use crate::config::settings::{Configured, Section};
use crate::httpd::sections::ServerScopes;
use std::collections::HashSet;
use std::sync::Arc;

/// A rule, or `SELinuxDomainPeer range`, in such a section.
pub struct Stray {
    /// Where it is written.
    pub location: String,
    /// The directive.
    pub directive: String,
}

/// What the configuration has of these: all that no section of the servers has.
pub fn of(configured: &Configured, servers: &[ServerScopes<'_, Section<'_>>]) -> Vec<Stray> {
    let sections = || servers.iter().flat_map(ServerScopes::all).filter_map(|path| path.scope().own);
    let rules = &configured.rules;
    let mut left: HashSet<_> = rules.iter().map(Arc::as_ptr).collect();
    for section in sections() {
        // Most configurations have none.
        if left.is_empty() {
            break;
        }
        for rule in section.rules.into_iter().flatten() {
            left.remove(&Arc::as_ptr(rule));
        }
    }
    let rules = rules.iter().filter(|rule| left.contains(&Arc::as_ptr(rule)));
    let mut strays: Vec<_> =
        rules.map(|rule| Stray { location: rule.location.clone(), directive: rule.to_string() }).collect();
    let in_sections: HashSet<_> = sections().filter_map(|section| section.peer_number).collect();
    let peers = configured.peers.iter().enumerate().filter(|(number, _)| !in_sections.contains(number));
    strays.extend(peers.filter_map(|(_, location)| {
        let (location, directive) = (location.clone()?, "SELinuxDomainPeer range".to_owned());
        Some(Stray { location, directive })
    }));
    strays
}
