//! A process of a pool: its environment, its folder, its context.

use crate::place;
use crate::pools::Key;
use crate::sys::{self, Process, Program};
use apps::{App, SocketStyle};
use mapping::Context;
use selinux::SecurityContext;
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Where programs find others.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Starts a process of a pool.
///
/// # Errors
/// Why it cannot be started: in words, for the log and for who asks.
pub(crate) fn start(
    app: &App,
    key: &Key,
    context: &Context,
    listener: &UnixListener,
    states: &Path,
) -> Result<Process, String> {
    let state = if app.state {
        let made = place::make_folder(states, key, context, place::STATE_TYPE, 0o700);
        Some(made.map_err(|error| format!("no folder for its state: {error}"))?)
    } else {
        None
    };
    let state = state.as_deref().and_then(Path::to_str);
    let arguments = app.command.iter().map(|word| CString::new(App::expand(word, state)));
    let arguments = arguments.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let environment = environment(app, listener, state).map_err(|error| error.to_string())?;
    let place = if app.socket == SocketStyle::Fastcgi { 0 } else { 3 };
    let program = Program {
        arguments: &arguments,
        environment: &environment,
        listener: (listener.as_fd(), place),
        memory: app.memory,
    };
    in_context(context, || sys::start(&program)).map_err(|error| {
        let program = &app.command[0];
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => format!(
                "{program} cannot be started in {context}: {error} (does the policy have the transition, and is the program's \
                 type an entrypoint of {}? ausearch -m avc tells)",
                context.type_()
            ),
            _ => format!("{program} cannot be started: {error}"),
        }
    })
}

/// All of a program's environment, but `LISTEN_PID`.
fn environment(app: &App, listener: &UnixListener, state: Option<&str>) -> io::Result<Vec<CString>> {
    let mut variables = vec![("PATH".to_owned(), PATH.to_owned())];
    match app.socket {
        SocketStyle::Fastcgi => {}
        SocketStyle::Systemd => variables.push(("LISTEN_FDS".to_owned(), "1".to_owned())),
        SocketStyle::Fpm => {
            let address = listener.local_addr()?;
            let path = address.as_pathname().and_then(Path::to_str).ok_or(io::ErrorKind::InvalidInput)?;
            variables.push(("FPM_SOCKETS".to_owned(), format!("{path}=3")));
            // What its configuration is to say: `listen = ${SOCKET}`.
            variables.push(("SOCKET".to_owned(), path.to_owned()));
        }
    }
    variables
        .extend(["STATE", "TMPDIR"].iter().filter_map(|name| Some(((*name).to_owned(), state?.to_owned()))));
    for (name, value) in &app.environment {
        variables.retain(|(other, _)| other != name);
        variables.push((name.clone(), App::expand(value, state)));
    }
    variables.into_iter().map(|(name, value)| Ok(CString::new(format!("{name}={value}"))?)).collect()
}

/// Has the program that `start` starts be in a context. The broker has one thread, whose setting this is.
fn in_context<T>(context: &Context, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let text = CString::new(context.to_string())?;
    SecurityContext::from_c_str(&text, true).set_for_next_exec().map_err(io::Error::other)?;
    let started = start();
    SecurityContext::set_default_context_for_next_exec().map_err(io::Error::other)?;
    started
}
