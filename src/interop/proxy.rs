//! mod_proxy, which keeps connections to back ends: one that a context has opened is not for another.

use crate::config::settings::{Configured, Section, Selinux};
use crate::config::strays;
use crate::httpd::has_module;
use crate::httpd::hook::Server;
use crate::httpd::proxy::BackEnd;
use crate::httpd::sections::{self, ServerScopes};
use messages::{Code, Message};

/// What is said of back ends when the server starts.
pub fn warnings(configured: &Configured, main: &Server<'_>) -> Vec<Message> {
    let back_ends = mapped_back_ends(configured, main);
    let kept = back_ends.iter().filter(|back_end| back_end.has_enablereuse());
    kept.map(|back_end| {
        Code::ConnectionsNotKept.message(format!(
            "enablereuse is not followed for {}: a connection that one context opened would be used by others, so that where rules stand, each request makes its own",
            back_end.name()
        ))
    })
    .collect()
}

/// Has the back ends of mapped requests keep no connections, in a child of httpd.
pub fn keep_no_connections(configured: &Configured, main: &Server<'_>) {
    mapped_back_ends(configured, main).iter_mut().for_each(BackEnd::keep_no_connections);
}

/// The back ends of servers in which a request may be confined: of all, where it is not known which.
fn mapped_back_ends<'s>(configured: &Configured, main: &'s Server<'_>) -> Vec<BackEnd<'s>> {
    // Of a thousand virtual hosts, the list of scopes takes its time.
    if !has_module(c"mod_proxy.c") {
        return Vec::new();
    }
    let servers = sections::of_servers::<Selinux>(main);
    let has_strays = !strays::of(configured, &servers).is_empty();
    let is_mapped = |server: &ServerScopes<'_, Section<'_>>| {
        has_strays || server.all().any(|path| path.scope().own.is_some_and(Section::confines))
    };
    servers.into_iter().filter(is_mapped).flat_map(|server| server.back_ends).collect()
}
