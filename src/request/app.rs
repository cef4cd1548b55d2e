//! `SetHandler selinux-app:NAME`: processes of the request's own context serve it. `selinux-broker` keeps them; mod_proxy
//! speaks to them.

use super::child::Child;
use super::{decide, record};
use crate::config::settings::{Serving, Started};
use crate::httpd::has_module;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::selinux::SharedContext;
use crate::status::counters;
use apps::{Answer, App, Protocol, Question};
use messages::{Code, Message};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What comes before an application's name.
const PREFIX: &str = "selinux-app:";

/// How long the broker has for its answer: it waits for nobody itself.
const HASTE: Duration = Duration::from_secs(5);

/// The name of the application that the request's handler is; `None` where it is another handler.
pub(super) fn name(request: Request<'_>) -> Option<&str> {
    request.handler()?.to_str().ok()?.strip_prefix(PREFIX)
}

/// Worker, first of the handlers: has an application's request passed on, and leaves it to the handlers that follow.
pub fn run(request: Request<'_>, context: &SharedContext) -> Status {
    let Some(name) = name(request) else { return Status::DECLINED };
    let passed = match decide::mapping(request) {
        Some(Serving { started, .. }) => pass_on(request, started, name, context),
        None => Err(Code::Internal.constant("refused: what is configured here could not be made out")),
    };
    match passed {
        Ok(()) => Status::DECLINED,
        Err(why) => {
            counters::log_refusal(request, &why);
            request.set_error_header(c"Retry-After", c"5");
            Status::SERVICE_UNAVAILABLE
        }
    }
}

/// Refuses an application's request that has no context of its own: httpd would send the file.
pub fn refuse_unmapped(request: Request<'_>) -> Status {
    let text = "the request has no context of its own, and so no processes of an application: refused (have a rule lead to one)";
    counters::log_refusal(request, &Code::AppUnmapped.message(text));
    Status::INTERNAL_SERVER_ERROR
}

/// Has mod_proxy pass the request on to the application's processes in this context.
///
/// # Errors
/// Why there are none: the request is to be answered with 503.
fn pass_on(
    request: Request<'_>,
    started: &Started,
    name: &str,
    context: &SharedContext,
) -> Result<(), Message> {
    let app = started.apps.get(name).ok_or_else(|| {
        let folder = started.configured.apps().display();
        Code::NoPool.message(format!(
            "there is no application {name}: {folder} had no {name}.toml when the server started"
        ))
    })?;
    let module = app.protocol.module();
    if !(has_module(c"mod_proxy.c") && has_module(module)) {
        return Err(Code::NoPool.message(format!(
            "{name}: its protocol takes mod_proxy and {}: load both",
            module.to_string_lossy().trim_end_matches(".c")
        )));
    }
    let socket = socket(started, app, context)
        .map_err(|error| Code::NoPool.message(format!("{name} in {context}: {error}")))?;
    let pool = request.pool();
    let handler = format!("proxy:unix:{socket}|{}://localhost", app.protocol.scheme());
    // mod_proxy appends the file's name. mod_proxy_fcgi's programs want that; others want what the client has asked for.
    let filename = match app.protocol {
        Protocol::Fcgi => None,
        Protocol::Http | Protocol::Scgi | Protocol::Uwsgi => request.uri(),
    };
    record::keep(request, |_, record| record.is_passed_on.set(true));
    request.hand_to(pool.text(&handler), filename);
    Ok(())
}

/// The application's socket in this context.
fn socket(started: &Started, app: &App, context: &SharedContext) -> io::Result<Arc<str>> {
    let sockets = Child::this().ok().map(|child| &child.sockets);
    let key = (Arc::clone(context), app.name.clone());
    let known = sockets
        .and_then(|sockets| sockets.lock().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone));
    // The broker takes away what it does not listen on any more.
    if let Some(socket) = known.filter(|socket| Path::new(&**socket).exists()) {
        return Ok(socket);
    }
    let socket: Arc<str> = ask(started.configured.broker(), &app.name)?.into();
    if let Some(sockets) = sockets {
        sockets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&socket));
    }
    Ok(socket)
}

/// Asks the broker. The socket is made by this thread: its label is what the broker goes by.
fn ask(broker: &Path, name: &str) -> io::Result<String> {
    let told = |error: io::Error| io::Error::other(format!("{}: {error}", broker.display()));
    let mut stream = UnixStream::connect(broker).map_err(|error| {
        let error = told(error);
        io::Error::other(format!(
            "selinux-broker does not answer ({error}; is selinux-broker.service running?)"
        ))
    })?;
    stream.set_read_timeout(Some(HASTE))?;
    stream.set_write_timeout(Some(HASTE))?;
    stream.write_all(Question::Pool(name.to_owned()).to_string().as_bytes()).map_err(told)?;
    let mut answer = Vec::new();
    stream.take(Answer::MAX as u64).read_to_end(&mut answer).map_err(told)?;
    match Answer::read(&answer) {
        Some(Answer::Ok(path)) => Ok(path),
        Some(Answer::No(reason)) => Err(io::Error::other(format!("selinux-broker refuses: {reason}"))),
        None => Err(io::Error::other("selinux-broker's answer is none")),
    }
}
