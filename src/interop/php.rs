//! mod_php: an interpreter that all contexts share.

use super::module::{ForeignModule, HandlerKind, Handlers};
use crate::httpd::bound::Wanted;
use std::ffi::CStr;

/// mod_php's, of all versions (`sapi_apache2.c: php_handler`).
const PHP: &[&CStr] =
    &[c"application/x-httpd-php", c"application/x-httpd-php-source", c"php-script", c"php7-script"];

/// Its handlers, by the names that it has had.
pub const MODULES: [ForeignModule; 2] = [php(c"mod_php.c"), php(c"mod_php7.c")];

const fn php(source: &'static CStr) -> ForeignModule {
    ForeignModule { source, handlers: Handlers::Named(PHP), kind: HandlerKind::Interpreter }
}

/// What it is told for mapped requests: its opcache takes a page's word for the source of any other, and tells what others
/// run.
pub const BOUND: [Wanted; 4] = [
    no_opcache(c"mod_php.c"),
    no_opcache_functions(c"mod_php.c"),
    no_opcache(c"mod_php7.c"),
    no_opcache_functions(c"mod_php7.c"),
];

const fn no_opcache(module: &'static CStr) -> Wanted {
    let (directive, first) = (c"php_admin_flag", c"opcache.enable");
    Wanted { module, directive, first, second: Some(c"off") }
}

const fn no_opcache_functions(module: &'static CStr) -> Wanted {
    let (directive, first) = (c"php_admin_value", c"opcache.restrict_api");
    // No script lies there.
    Wanted { module, directive, first, second: Some(c"/dev/null/") }
}
