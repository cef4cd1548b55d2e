//! What a request was given by the one that has started it, and what becomes of that.

use crate::httpd::dir_config::DirConfigId;
use crate::httpd::input::{Chosen, RequestInput};
use crate::httpd::record::Kept;
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use crate::request::environment::is_safe;
use std::cell::Cell;
use std::ffi::CStr;

/// What a request was given by httpd when it was started, and what it has instead.
#[derive(Default)]
pub struct Nested {
    /// What httpd gave it: its parent's, as the parent's page has left it; and what took its place, as it was then.
    pub(super) inputs: Kept<(RequestInput<'static>, RequestInput<'static>)>,
    /// The type of its content that the parent's page suggests.
    pub(super) content_type: Kept<&'static CStr>,
    /// The user and kind of authentication that httpd copied from its parent.
    pub(super) identity: Kept<(Option<&'static CStr>, Option<&'static CStr>)>,
    /// Where its file is, before the sections that follow.
    pub(super) storage: Kept<DirConfigId<'static>>,
    /// Whether its URI was mapped to a file. Else the page has asked for the file by its name.
    pub(super) is_translated: Cell<bool>,
    /// By what its handler is found, when that was decided.
    pub(super) chosen: Kept<Chosen<'static>>,
}

impl Nested {
    /// Has the request take along what the page may hand over, of what it has of its parent; what its own hooks have set,
    /// it keeps.
    pub(super) fn keep_safe_names(&self, request: Request<'_>) {
        let Some((_, rebuilt)) = self.inputs.get(request) else { return };
        let environment = request.environment();
        let inherited = rebuilt.environment.entries();
        for (name, value) in environment.entries() {
            // The same text, not an equal one.
            let is_inherited = inherited.iter().any(|(_, other)| std::ptr::eq(*other, value));
            if is_inherited && !is_safe(name.to_bytes()) {
                environment.unset(name);
            }
        }
    }

    /// Gives the request what its page has written, with what its own hooks have changed since.
    pub(super) fn give_back(&self, request: Request<'_>) {
        let Some((given, rebuilt)) = self.inputs.get(request) else { return };
        let now = request.input();
        apply(rebuilt.environment, now.environment, given.environment);
        apply(rebuilt.headers, now.headers, given.headers);
        request.set_input(given);
        if let Some((user, auth_type)) = self.identity.get(request) {
            request.set_identity(user, auth_type);
        }
        if let Some(content_type) = self.content_type.get(request) {
            request.suggest_content_type(content_type);
        }
    }
}

/// Makes the changes that lead from one table to another in a third.
fn apply<'r>(before: Table<'r>, now: Table<'r>, target: Table<'r>) {
    let (before, now) = (before.entries(), now.entries());
    let values = |entries: &[(&'r CStr, &'r CStr)], name: &CStr| -> Vec<*const CStr> {
        let own = entries.iter().filter(|(other, _)| is_same(other, name));
        own.map(|(_, value)| std::ptr::from_ref::<CStr>(value)).collect()
    };
    let mut done: Vec<&CStr> = Vec::new();
    for (name, _) in before.iter().chain(&now) {
        if done.iter().any(|other| is_same(other, name)) || values(&before, name) == values(&now, name) {
            continue;
        }
        done.push(name);
        target.unset(name);
        for (name, value) in now.iter().filter(|(other, _)| is_same(other, name)) {
            target.add(name, value);
        }
    }
}

/// Names of headers and, to APR's tables, of variables are the same whatever their case.
fn is_same(one: &CStr, other: &CStr) -> bool {
    one.to_bytes().eq_ignore_ascii_case(other.to_bytes())
}
