//! What the module keeps with a request, from its making to its end.

use crate::httpd::dir_config::DirConfigId;
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use crate::request::identity::Attested;
use crate::request::inherited::Nested;
use crate::selinux::SharedContext;
use mapping::Decision;
use std::cell::{Cell, OnceCell};
use std::ffi::CStr;

/// What is kept with a request.
#[derive(Default)]
pub struct Record<'r> {
    /// Of a request that one in another context may have started: what it was given.
    pub nested: OnceCell<Nested<'r>>,
    /// Who asks; set in the first fixups.
    pub attested: OnceCell<Attested<'r>>,
    /// What the rules say; set in the last fixups.
    pub decided: OnceCell<Decided<'r>>,
    /// Where it was when its place was first known, if rules apply there.
    pub first_place: Cell<Option<DirConfigId>>,
    /// Its environment then: nothing of a section or an `.htaccess` is in it.
    pub first_environment: OnceCell<Table<'r>>,
    /// Whether its handler has been run, or parts of it.
    pub has_run: Cell<bool>,
    /// The module of the interpreter that runs its page now.
    pub interpreter: Cell<Option<&'static CStr>>,
    /// Whether an interpreter has run in it that shares its process with others.
    pub had_interpreter: Cell<bool>,
    /// Whether one of its phases could not be run: it is not to be served.
    pub is_lost: Cell<bool>,
}

/// What the rules say of a request.
pub struct Decided<'r> {
    /// Of which place.
    pub place: DirConfigId,
    /// The decision.
    pub decision: Decision<SharedContext>,
    /// The context's text, in the request's pool: what reads the environment last may do so when the decision is gone.
    pub context: Option<&'r CStr>,
    /// The rule that it comes from (`SELINUX_RULE`).
    pub rule: &'r CStr,
    /// The tag of the client's request that this one is, or comes from.
    pub tag: &'r CStr,
    /// Whether its handler is one of the server's own (`SELinuxServerHandler`).
    pub is_servers_own: bool,
}

/// What is kept with a request; `None` where nothing is yet.
pub fn of(request: Request<'_>) -> Option<&Record<'_>> {
    request.record::<Record<'_>>()
}

/// The same, made where it is missing.
pub fn of_or_new(request: Request<'_>) -> &Record<'_> {
    of(request).unwrap_or_else(|| request.keep_record(Record::default()))
}

/// The context that the request is served in; `None` where that is the server's, or it is refused.
pub fn context(request: Request<'_>) -> Option<&SharedContext> {
    match &of(request)?.decided.get()?.decision {
        Decision::Enter(target) => Some(target),
        Decision::Keep | Decision::Refuse(_) => None,
    }
}
