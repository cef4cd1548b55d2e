//! Requests that another one has started: subrequests and internal redirects.
//!
//! A page may have written nearly all that httpd hands from the one to the other. So a request that comes from a confined one
//! is rebuilt before its first hook, from what was attested of that one: its hooks decide by that alone. Once it is
//! decided where it is served, it gets back what the page has written, if that is the page's own context; else it takes along
//! variables with safe names only.

use crate::config::settings::section;
use crate::httpd::input::{Chosen, Method};
use crate::httpd::phase::Phase;
use crate::httpd::pool::Pool;
use crate::httpd::record::Own;
use crate::httpd::request::Request;
use crate::httpd::ssi;
use crate::httpd::status::Status;
use crate::httpd::table::Table;
use crate::request::identity::Attested;
use crate::request::inherited::Nested;
use crate::request::record::{self, Decided};
use mapping::Decision;
use messages::{Code, Message};
use std::ffi::CStr;

/// What was attested of the request that this one comes from; `None` where that one is the client's own or the server's, or
/// no page has run that could have written to it.
fn of_parent(request: Request<'_>) -> Option<(Request<'_>, Attested<'_>)> {
    let parent = request.parent()?;
    let attested = record::attested(parent)?;
    let is_confined = record::nested(parent).is_some() || section(parent).confines();
    is_confined.then_some((parent, attested))
}

/// Before a phase of a request runs, on the thread that runs it. Not OK: the request is refused.
///
/// `is_brought`: the request was started on a worker, where httpd has looked `<If>` sections up with the worker's rights.
pub fn before(request: Request<'_>, phase: Phase, is_brought: bool) -> Status {
    match phase {
        Phase::CreateRequest if request.previous().is_none() => rebuild(request),
        Phase::PostReadRequest if request.previous().is_some() => rebuild(request),
        Phase::PreTranslateName | Phase::TranslateName | Phase::MapToStorage => bind(request, phase),
        _ => {}
    }
    match phase {
        Phase::PreTranslateName | Phase::TranslateName if is_brought => {
            request.walk_sections(request.server_dir_config_id())
        }
        Phase::PostPerdirConfig if is_brought => {
            match record::nested(request).and_then(|nested| nested.storage.get(request)) {
                Some(storage) => request.walk_sections(storage),
                // Nobody has noted it: the request has come by another way.
                None => Status::INTERNAL_SERVER_ERROR,
            }
        }
        _ => Status::OK,
    }
}

/// After a phase has run.
pub fn after(request: Request<'_>, phase: Phase) {
    if phase == Phase::MapToStorage {
        keep(request, |own, nested| nested.storage.set(own, own.request().dir_config_id()));
    }
}

/// Gives a request what was attested of its parent, in place of what the parent's page has left.
fn rebuild(request: Request<'_>) {
    if of_parent(request).is_some() {
        record::keep(request, |own, record| {
            if let Some(nested) = rebuilt(own) {
                record.set_nested(nested);
            }
        });
    }
}

/// The same, as the request itself, which keeps what this gives.
fn rebuilt(own: Own<'_>) -> Option<Nested> {
    let request = own.request();
    let (parent, attested) = of_parent(request)?;
    let pool = request.pool();
    let given = request.input();
    let is_redirect = request.previous().is_some();
    let mut input = attested.input.copy(pool);
    input.environment = attested.handed.copy(pool);
    if is_redirect {
        input.environment = redirected(attested.handed, pool);
        own_names(parent, &attested, given.environment, input.environment);
        let method = request.method();
        if !method.is_get() && method != attested.method {
            request.set_method(attested.method);
        }
    }
    // Where the body has been read, or is not the request's, httpd takes these away.
    for name in BODY {
        if given.headers.get(name).is_none() {
            input.headers.unset(name);
        }
    }
    request.set_input(input);
    let nested = Nested::default();
    nested.inputs.set(own, (given, input.copy(pool)));
    Some(nested)
}

/// Keeps something with a request that one in another context may have started.
fn keep(request: Request<'_>, body: impl for<'p> FnOnce(Own<'p>, &'p Nested)) {
    if record::nested(request).is_some() {
        record::keep(request, |own, _| {
            if let Some(nested) = record::nested(own.request()) {
                body(own, nested);
            }
        });
    }
}

/// What `ap_set_sub_req_protocol` takes from the headers of a request with a body (`server/protocol.c`).
const BODY: [&CStr; 10] = [
    c"Content-Encoding",
    c"Content-Language",
    c"Content-Length",
    c"Content-Location",
    c"Content-MD5",
    c"Content-Range",
    c"Content-Type",
    c"Expires",
    c"Last-Modified",
    c"Transfer-Encoding",
];

/// An environment as an internal redirect has it (`rename_original_env`).
fn redirected<'r>(environment: Table<'_>, pool: Pool<'r>) -> Table<'r> {
    let renamed = Table::new(pool);
    for (name, value) in environment.entries() {
        renamed.add(pool.joined(c"REDIRECT_", name), pool.copy(value));
    }
    renamed
}

/// What httpd itself says of a redirect (`internal_internal_redirect`, `ap_die_r`).
fn own_names<'r>(parent: Request<'r>, attested: &Attested<'r>, given: Table<'r>, environment: Table<'r>) {
    if let Some(status) = given.get(c"REDIRECT_STATUS") {
        environment.set(c"REDIRECT_STATUS", status);
    }
    if given.get(c"REDIRECT_REQUEST_METHOD").is_some() {
        environment.set(c"REDIRECT_REQUEST_METHOD", attested.method.name);
    }
    // Not the words of a page.
    let has_run = record::of(parent).is_some_and(|record| record.has_run.get());
    if let Some(notes) = given.get(c"REDIRECT_ERROR_NOTES").filter(|_| !has_run) {
        environment.set(c"REDIRECT_ERROR_NOTES", notes);
    }
}

/// Holds a page to what it may choose: of a subrequest's method, only the client's own and GET; and no type for content
/// that has not been looked at.
fn bind(request: Request<'_>, phase: Phase) {
    let Some(nested) = record::nested(request) else { return };
    let Some((_, attested)) = of_parent(request) else { return };
    let method = request.method();
    if !method.is_get() && method != attested.method {
        request.set_method(Method::GET);
    }
    if phase == Phase::TranslateName {
        nested.is_translated.set(true);
        keep(request, |own, nested| {
            if let Some(content_type) = own.request().take_content_type() {
                nested.content_type.set(own, content_type);
            }
        });
    }
}

/// In the first fixups: the user is who was attested, also where httpd has copied another.
pub fn identify(request: Request<'_>, attested: &Attested<'_>) {
    if record::nested(request).is_some() {
        if request.parent().is_some_and(|parent| parent.dir_config_id() == request.dir_config_id()) {
            keep(request, |own, nested| {
                nested.identity.set(own, (own.request().user(), own.request().auth_type()));
            });
        }
        request.set_identity(attested.user, attested.auth_type);
    }
}

/// Whether the request is to be served in another context than the one that it comes from.
pub fn crosses(request: Request<'_>) -> bool {
    request.parent().is_some_and(|parent| record::context(parent) != record::context(request))
}

/// When it is decided where the request is served.
pub fn settle(request: Request<'_>) {
    let Some(nested) = record::nested(request) else { return };
    if crosses(request) {
        keep(request, |own, nested| nested.chosen.set(own, own.request().chosen()));
        nested.keep_safe_names(request);
    } else {
        nested.give_back(request);
    }
}

/// What a part is served by that its page has asked for by a file's name: its page's own decision. No `<Location>` applies to
/// such a part, or one that the page has chosen.
pub fn of_page(part: Request<'_>) -> Option<Decided<'_>> {
    let nested = record::nested(part)?;
    if nested.is_translated.get() || part.previous().is_some() {
        return None;
    }
    record::decided(part.main()?).filter(|decided| matches!(decided.decision, Decision::Enter(_)))
}

/// Before a request is served in another context than its page's: the page may have chosen its handler since (SSI `exec cgi`),
/// and mod_include would have a part share its page's environment, for both to write.
///
/// # Errors
/// [`Code::ChosenHandler`], where the handler is found by what the page has chosen.
pub fn part(request: Request<'_>) -> Result<(), Message> {
    if request.parent().is_none() || !crosses(request) {
        return Ok(());
    }
    if request.main().is_some() {
        ssi::forget_page(request);
    }
    let nested = record::nested(request);
    let Some(chosen) = nested.and_then(|nested| nested.chosen.get(request)) else { return Ok(()) };
    let now = request.chosen();
    if chosen.handler.is_none() && now.content_type != chosen.content_type {
        let text = "a page has chosen the handler of a request in another context: refused";
        return Err(Code::ChosenHandler.message(text));
    }
    // httpd has found one by the content's type where there was none.
    request.set_chosen(Chosen { handler: chosen.handler.or(now.handler), ..chosen });
    Ok(())
}
