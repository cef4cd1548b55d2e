//! mod_fcgid, whose manager starts scripts: it is not confined.

use super::module::{ForeignModule, HandlerKind, Handlers};
use messages::{Code, Message};

static IN_FCGI_MANAGER: Message = Code::FcgidScript.constant("mod_fcgid's manager would start the script outside of the confinement (use mod_cgi, or mod_proxy_fcgi with a pool in the request's context)");

/// Its handler.
pub const MODULE: ForeignModule = ForeignModule {
    source: c"mod_fcgid.c",
    handlers: Handlers::Named(&[c"fcgid-script"]),
    kind: HandlerKind::Elsewhere(&IN_FCGI_MANAGER),
};
