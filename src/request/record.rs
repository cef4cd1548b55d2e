//! What the module keeps with a request, from its making to its end.

use crate::config::settings::Selinux;
use crate::httpd::dir_config::DirConfigId;
use crate::httpd::record::{Kept, Own};
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use crate::request::identity::{self, Attested};
use crate::request::inherited::Nested;
use crate::selinux::SharedContext;
use mapping::Decision;
use std::cell::{Cell, OnceCell};
use std::ffi::CStr;

/// What is kept with a request.
#[derive(Default)]
pub struct Record {
    /// Of a request that one in another context may have started: what it was given.
    nested: OnceCell<Nested>,
    /// Who asks; set in the first fixups.
    attested: Kept<identity::Parts>,
    /// What the rules say; set in the last fixups.
    decided: OnceCell<(Decision<SharedContext>, bool)>,
    decided_at: Kept<Known>,
    /// Where it was when its place was first known, if rules apply there.
    pub first_place: Kept<DirConfigId<'static>>,
    /// Its environment then: nothing of a section or an `.htaccess` is in it.
    pub first_environment: Kept<Table<'static>>,
    /// Whether its handler has been run, or parts of it.
    pub has_run: Cell<bool>,
    /// The module of the interpreter that runs its page now.
    pub interpreter: Cell<Option<&'static CStr>>,
    /// Whether an interpreter has run in it that shares its process with others.
    pub had_interpreter: Cell<bool>,
    /// Whether mod_proxy is to pass it on to an application, and nobody to send its file.
    pub is_passed_on: Cell<bool>,
    /// Whether one of its phases could not be run: it is not to be served.
    pub is_lost: Cell<bool>,
}

/// The place of what is decided, and the texts.
type Known = (DirConfigId<'static>, Texts<'static>);

/// The context, its folder for temporary files, the rule and the tag of what is decided.
type Texts<'r> = (Option<&'r CStr>, Option<&'r CStr>, &'r CStr, &'r CStr);

/// What the rules say of a request.
#[derive(Clone, Copy)]
pub struct Decided<'r> {
    /// Of which place.
    pub place: DirConfigId<'r>,
    /// The decision.
    pub decision: &'r Decision<SharedContext>,
    /// The context's text, in the request's pool: what reads the environment last may do so when the decision is gone.
    pub context: Option<&'r CStr>,
    /// The context's folder for temporary files (`SELinuxPrivateTmp`), likewise.
    pub private_tmp: Option<&'r CStr>,
    /// The rule that it comes from (`SELINUX_RULE`).
    pub rule: &'r CStr,
    /// The tag of the client's request that this one is, or comes from.
    pub tag: &'r CStr,
    /// Whether its handler is one of the server's own (`SELinuxServerHandler`).
    pub is_servers_own: bool,
}

/// What is kept with a request; `None` where nothing is yet.
pub fn of(request: Request<'_>) -> Option<&Record> {
    request.record::<Selinux>()
}

/// Keeps something with a request.
pub fn keep<T>(request: Request<'_>, body: impl for<'p> FnOnce(Own<'p>, &'p Record) -> T) -> T {
    request.own::<Selinux, T>(body)
}

/// What it was given, of a request that one in another context may have started.
pub fn nested(request: Request<'_>) -> Option<&Nested> {
    of(request)?.nested.get()
}

/// Who asks, if that has been attested.
pub fn attested(request: Request<'_>) -> Option<Attested<'_>> {
    of(request)?.attested.get(request).map(Attested::from)
}

/// What the rules say, if they have been asked.
pub fn decided(request: Request<'_>) -> Option<Decided<'_>> {
    let record = of(request)?;
    let (decision, is_servers_own) = record.decided.get()?;
    let (place, (context, private_tmp, rule, tag)) = record.decided_at.get(request)?;
    Some(Decided { place, decision, context, private_tmp, rule, tag, is_servers_own: *is_servers_own })
}

impl Record {
    /// Keeps what a request was given, once.
    pub fn set_nested(&self, nested: Nested) {
        let _ = self.nested.set(nested);
    }

    /// Keeps who asks. The first to be attested remains.
    pub fn set_attested<'r>(&self, own: Own<'r>, attested: Attested<'r>) {
        if self.attested.get(own.request()).is_none() {
            self.attested.set(own, attested.into());
        }
    }

    /// Keeps what the rules say: a decision and whether it comes of the server's own handler, and the texts.
    /// The first remains: httpd runs the fixups of a request once.
    pub fn set_decided<'r>(&self, own: Own<'r>, decision: (Decision<SharedContext>, bool), texts: Texts<'r>) {
        if self.decided.set(decision).is_ok() {
            self.decided_at.set(own, (own.request().dir_config_id(), texts));
        }
    }
}

/// The context that the request is served in; `None` where that is the server's, or it is refused.
pub fn context(request: Request<'_>) -> Option<&SharedContext> {
    match decided(request)?.decision {
        Decision::Enter(target) => Some(target),
        Decision::Keep | Decision::Refuse(_) => None,
    }
}
