//! Who asks, as authentication and the first hooks found it. Handlers, SSI and `.htaccess` can write the user and
//! the environment of a request, and so of those that they start; what they make of it counts for nothing.

use crate::httpd::request::Request;
use crate::httpd::table::Table;
use std::ffi::{CStr, CString};

/// The user and the environment of a request, taken before anybody could write them.
pub struct Attested<'r> {
    /// The user that httpd authenticated.
    pub user: Option<CString>,
    /// The environment; `None` where no rule of the configuration reads one.
    pub environment: Option<Table<'r>>,
}

impl<'r> Attested<'r> {
    /// Of a request for which nothing counts.
    pub const fn nobody() -> Attested<'static> {
        Attested { user: None, environment: None }
    }

    /// Of a request in its first fixup. `of_parent` gives what was attested of the request that a nested one
    /// comes from, where that came as far.
    pub fn of(
        request: Request<'r>,
        reads_environment: bool,
        of_parent: impl FnOnce(Request<'r>) -> Option<&'r Attested<'r>>,
    ) -> Attested<'r> {
        let parent = request.previous().or(request.main());
        let parent = parent.map(|parent| (parent, of_parent(parent)));
        Attested {
            user: user(request, parent),
            environment: reads_environment.then(|| environment(request, parent)),
        }
    }
}

type Parent<'r> = Option<(Request<'r>, Option<&'r Attested<'r>>)>;

/// The user, as authentication found it.
///
/// Where a nested request has its parent's place, httpd authenticates nobody and copies `r->user`
/// (`ap_process_request_internal`), even that of a parent whose password was wrong, or whose handler
/// has written another name there. Then what was attested of the parent counts, or nobody.
fn user(request: Request<'_>, parent: Parent<'_>) -> Option<CString> {
    match parent {
        Some((parent, attested)) if parent.place() == request.place() => attested?.user.clone(),
        _ => request.user().map(CStr::to_owned),
    }
}

/// The environment, as authentication and the early hooks set it.
///
/// A subrequest gets a copy of its parent's, and an internal redirect one in which every name is prefixed
/// (`rename_original_env`); the parent's handler can write either (SSI `set`, Lua). What the request
/// merely inherited is replaced by what was attested of the parent, and what is missing comes from there.
fn environment<'r>(request: Request<'r>, parent: Parent<'r>) -> Table<'r> {
    let own = request.environment();
    let environment = own.copy(request.pool());
    let Some((parent, attested)) = parent else { return environment };
    let attested = attested.and_then(|attested| attested.environment);
    let is_redirect = request.previous().is_some();
    for (name, value) in own.entries() {
        let is_inherited = |origin: &&CStr| parent.environment().get(origin) == Some(value);
        let renamed = unprefixed(name).filter(|_| is_redirect).filter(is_inherited);
        if let Some(origin) = renamed.or(Some(name).filter(is_inherited)) {
            match attested.and_then(|attested| attested.get(origin)) {
                Some(value) => environment.set(name, value),
                None => environment.unset(name),
            }
        }
    }
    for (name, value) in attested.map(Table::entries).unwrap_or_default() {
        if own.get(name).is_none() {
            environment.set(name, value);
        }
    }
    environment
}

/// What a variable was called before an internal redirect.
fn unprefixed(name: &CStr) -> Option<&CStr> {
    let rest = name.to_bytes_with_nul().strip_prefix(b"REDIRECT_")?;
    CStr::from_bytes_with_nul(rest).ok()
}
