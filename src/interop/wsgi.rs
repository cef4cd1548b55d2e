//! mod_wsgi, which may run Python in httpd itself, in interpreters that it shares and on threads that it keeps.

use super::module::{ForeignModule, HandlerKind, Handlers};
use crate::httpd::config_tree;
use messages::{Code, Message};
use std::ffi::CString;

/// mod_wsgi's "embedded mode".
static IN_HTTPD: Message = Code::WsgiScript.constant("mod_wsgi may run the script in an interpreter that it shares and that is tied to httpd's own threads (say WSGIRestrictEmbedded On, and have daemon processes for it)");

/// Its handlers, as far as they may.
pub const MODULE: ForeignModule = ForeignModule {
    source: c"mod_wsgi.c",
    handlers: Handlers::Configured(|started| &started.python),
    kind: HandlerKind::Elsewhere(&IN_HTTPD),
};

/// What is said of it when the server starts, with these handlers.
pub fn warning(handlers: &[CString]) -> Option<Message> {
    let text = "mod_wsgi may run Python in httpd itself, on threads that it keeps, so mapped requests to its scripts are refused; where it has daemon processes for them, say WSGIRestrictEmbedded On, and remove WSGIDispatchScript";
    (!handlers.is_empty()).then(|| Code::WsgiEmbedded.message(text))
}

/// The handlers by whose name mod_wsgi may run Python in httpd itself ("embedded"): all of them, unless it is told
/// to do so for none. (Which group of processes a request is for, it finds out while it handles it.)
pub fn python_handlers() -> Vec<CString> {
    if !MODULE.is_loaded() {
        return Vec::new();
    }
    let restricted = config_tree::arguments_of("WSGIRestrictEmbedded");
    let is_on = |argument: &Vec<u8>| unquoted(argument).eq_ignore_ascii_case(b"On");
    // A dispatch script says which processes a request is for, and is run in httpd itself all the same.
    let dispatches = !config_tree::arguments_of("WSGIDispatchScript").is_empty();
    if !dispatches && !restricted.is_empty() && restricted.iter().all(is_on) {
        return Vec::new();
    }
    let own = config_tree::arguments_of("WSGIHandlerScript").into_iter();
    let own = own.filter_map(|arguments| {
        let first = arguments.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
        Some(unquoted(first).to_vec())
    });
    let known = ["wsgi-script", "application/x-httpd-wsgi"].map(Vec::from);
    known.into_iter().chain(own).filter_map(|name| CString::new(name).ok()).collect()
}

/// A directive's argument without quotes around it.
fn unquoted(argument: &[u8]) -> &[u8] {
    let start = argument.iter().take_while(|b| **b == b'"').count();
    let rest = &argument[start..];
    &rest[..rest.len() - rest.iter().rev().take_while(|b| **b == b'"').count()]
}
