//! mod_fcgid, whose manager starts scripts: it is not confined.

use super::module::{ForeignModule, HandlerKind, Handlers};

const IN_FCGI_MANAGER: &str = "SEL0114: mod_fcgid's manager would start the script outside of the confinement (use mod_cgi, or mod_proxy_fcgi with a pool in the request's context)";

/// Its handler.
pub const MODULE: ForeignModule = ForeignModule {
    source: c"mod_fcgid.c",
    handlers: Handlers::Named(&[c"fcgid-script"]),
    kind: HandlerKind::Elsewhere(IN_FCGI_MANAGER),
};
