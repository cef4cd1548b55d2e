//! Handlers of httpd's own modules that show what other requests are about.

use super::module::{ForeignModule, HandlerKind, Handlers};
use std::ffi::CStr;

/// They.
pub const MODULES: [ForeignModule; 7] = [
    module(c"mod_status.c", &[c"server-status", c"application/x-httpd-status"]),
    module(c"mod_info.c", &[c"server-info"]),
    module(c"mod_proxy_balancer.c", &[c"balancer-manager"]),
    module(c"util_ldap.c", &[c"ldap-status"]),
    module(c"mod_md.c", &[c"md-status"]),
    module(c"mod_http2.c", &[c"http2-status"]),
    module(c"mod_heartmonitor.c", &[c"heartbeat"]),
];

const fn module(source: &'static CStr, handlers: &'static [&'static CStr]) -> ForeignModule {
    ForeignModule { source, handlers: Handlers::Named(handlers), kind: HandlerKind::OthersData }
}
