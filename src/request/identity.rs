//! Who asks, as authentication and the first hooks found it. Handlers, SSI and `.htaccess` can write the user and the
//! environment of a request: what they write comes later, and changes nothing here.

use crate::httpd::input::{Method, RequestInput};
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use std::ffi::CStr;

/// What a request was before anybody could write to it.
#[derive(Clone, Copy)]
pub struct Attested<'r> {
    /// The user that httpd authenticated.
    pub user: Option<&'r CStr>,
    /// By which kind of authentication.
    pub auth_type: Option<&'r CStr>,
    /// Environment, headers and address.
    pub input: RequestInput<'r>,
    /// The environment that requests which come from it are given: where an `.htaccess` has a say, what was there before it, and
    /// what authentication and authorization have looked up.
    pub handed: Table<'r>,
    /// The method.
    pub method: Method<'r>,
}

/// How it is kept with the request.
pub type Parts =
    (Option<&'static CStr>, Option<&'static CStr>, RequestInput<'static>, Table<'static>, Method<'static>);

/// The same, for as long as the request.
type PartsOf<'r> = (Option<&'r CStr>, Option<&'r CStr>, RequestInput<'r>, Table<'r>, Method<'r>);

impl<'r> From<PartsOf<'r>> for Attested<'r> {
    fn from((user, auth_type, input, handed, method): PartsOf<'r>) -> Self {
        Attested { user, auth_type, input, handed, method }
    }
}

impl<'r> From<Attested<'r>> for PartsOf<'r> {
    fn from(Attested { user, auth_type, input, handed, method }: Attested<'r>) -> Self {
        (user, auth_type, input, handed, method)
    }
}

impl<'r> Attested<'r> {
    /// Of a request in its first fixups. Of a nested one, what it was given has been replaced before (`nested`).
    /// `parent` was attested of the request that it comes from; `before` is its environment when its place was first known.
    pub fn of(
        request: Request<'r>,
        parent: Option<&Attested<'r>>,
        before: Option<Table<'r>>,
    ) -> Attested<'r> {
        let (user, auth_type) = identity(request, parent);
        let input = request.input().copy(request.pool());
        let handed =
            if request.has_htaccess() { without_htaccess(request, before) } else { input.environment };
        Attested { user, auth_type, input, handed, method: request.method() }
    }
}

/// The environment without what an `.htaccess` may have set (`SetEnvIf`): its author is not to choose what other contexts get.
fn without_htaccess<'r>(request: Request<'r>, before: Option<Table<'r>>) -> Table<'r> {
    let handed = before.map_or_else(|| Table::new(request.pool()), |before| before.copy(request.pool()));
    for (name, value) in request.environment().entries() {
        if [&b"AUTHENTICATE_"[..], b"AUTHORIZE_"].iter().any(|start| name.to_bytes().starts_with(start)) {
            handed.set(name, value);
        }
    }
    handed
}

/// The user and the kind of authentication.
///
/// Where a nested request has its parent's place, httpd authenticates nobody and copies `r->user`
/// (`ap_process_request_internal`), even that of a parent whose password was wrong, or whose handler has written
/// another name there. Then it is what was attested of the parent, or nobody.
fn identity<'r>(
    request: Request<'r>,
    attested: Option<&Attested<'r>>,
) -> (Option<&'r CStr>, Option<&'r CStr>) {
    match request.parent() {
        Some(parent) if parent.dir_config_id() == request.dir_config_id() => {
            attested.map_or((None, None), |attested| (attested.user, attested.auth_type))
        }
        _ => (request.user(), request.auth_type()),
    }
}
