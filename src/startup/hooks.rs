//! One type per hook of the server's start and of a child's beginning and end.

use super::{label_sockets, serve, start, unlabel_sockets};
use crate::config::dump;
use crate::config::settings::{Selinux, Serving, Settings};
use crate::httpd::configuration::Keeper;
use crate::httpd::hook::{
    ChildEndHook, ChildHook, OneThread, PreConfigHook, Server, StartHook, TestConfigHook,
};
use crate::httpd::log;
use crate::httpd::pool::Pool;
use crate::httpd::status::Status;
use crate::httpd::{handler, is_defined, on_first_pass, only_checks_configuration, phase};
use crate::httpd::{prefork_signals, process, process_state, sections};
use crate::interop;
use crate::request::child::Child;
use crate::request::handlers::HandlersInTurn;
use crate::request::hooks::Phases;
use crate::selinux::contexts::Faults;
use crate::status::counters;
use messages::{Code, Level, Message};
use std::io::Write as _;
use std::ops::Range;

/// When the configuration is read: under `httpd -t`, nothing else comes.
pub struct CheckConfig;

impl StartHook for CheckConfig {
    fn run<'s>(configuration: Pool<'s>, server: &mut Server<'s>) -> Status {
        if !only_checks_configuration() {
            return Status::OK;
        }
        let settings = settings(configuration);
        report(start(settings.take_configured(), server).map(|started| *settings.checked() = started))
    }
}

/// `httpd -t -D DUMP_SELINUX`
pub struct Dump;

impl TestConfigHook for Dump {
    fn run<'s>(configuration: Pool<'s>, server: &mut Server<'s>) {
        if is_defined(c"DUMP_SELINUX") {
            let servers = sections::of_servers::<Selinux>(server);
            let started = settings(configuration).checked();
            let text = dump::text(&servers, started.as_ref(), Keeper::of(configuration));
            // Whoever reads it may have seen enough.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
        }
    }
}

/// Before `Listen` makes the listening sockets, and before modules retrieve each other's functions.
pub struct PreConfig;

impl PreConfigHook for PreConfig {
    fn run(configuration: Pool<'_>, start: &OneThread) -> Status {
        label_sockets(settings(configuration));
        interop::cgid::judge_exec(start);
        interop::dbd::judge_open(start);
        Status::OK
    }
}

/// When the configuration is read and sockets are open.
pub struct PostConfig;

impl StartHook for PostConfig {
    fn run<'s>(configuration: Pool<'s>, server: &mut Server<'s>) -> Status {
        unlabel_sockets();
        report(start_all(configuration, server))
    }
}

/// Goes from what directives have said to what children are to find when they are made.
fn start_all<'s>(configuration: Pool<'s>, server: &mut Server<'s>) -> Result<(), Faults> {
    set_serving(server, None)?;
    let started = start(settings(configuration).take_configured(), server)?;
    // The first pass's result is thrown away, under `httpd -t` the only one.
    if on_first_pass() || only_checks_configuration() {
        return Ok(());
    }
    let no_memory = |error| format!("there is no memory for the status page: {error}");
    counters::open(server).map_err(|error| vec![Code::Internal.message(no_memory(error))])?;
    let Some(started) = started else { return Ok(()) };
    let serving = serve(started, configuration, server)?;
    set_serving(server, Some(Keeper::of(configuration).keep(serving)))
}

/// Has every request find what it is served by, also where no rules stand.
fn set_serving<'s>(server: &mut Server<'s>, serving: Option<&'s Serving>) -> Result<(), Faults> {
    match sections::for_each_server::<Selinux>(server, |section| section.serving = serving) {
        true => Ok(()),
        false => Err(vec![Code::Internal.message("a server's configuration could not be made")]),
    }
}

/// When a child has ended.
pub struct ChildEnd;

impl ChildEndHook for ChildEnd {
    fn run(process: u32) {
        counters::child_ended(process);
    }
}

/// When a child begins.
pub struct ChildInit;

impl ChildHook for ChildInit {
    fn run(main: &mut Server<'_>) {
        counters::child_begins();
        match begin_child(main) {
            Ok(interpreters) => _ = Child::begin(interpreters),
            Err(why) => log::server(&why),
        }
    }
}

/// Prepares a child to confine requests; gives where the code of its interpreters is.
///
/// # Errors
/// Why nothing can be confined in it.
fn begin_child(main: &Server<'_>) -> Result<Vec<Range<usize>>, Message> {
    let section = sections::server_section::<Selinux>(main);
    let Some(Serving { started, maps, .. }) = section.serving else { return Ok(Vec::new()) };
    if let Some(maps) = maps {
        maps.become_reader();
        maps.refresh();
    }
    if started.server.is_none() {
        return Ok(Vec::new());
    }
    // The kernel would let a worker use what the server context has opened, and the back end would take it for that.
    interop::proxy::keep_no_connections(&started.configured, main);
    prefork_signals::in_time(main.one_thread());
    process::forbid_core_files().map_err(|error| {
        let text = format!("core files cannot be forbidden, so that nothing is confined here: {error}");
        Code::Internal.message(text)
    })?;
    process_state::note(main.one_thread());
    phase::take_over::<Phases>(main.one_thread())
        .and_then(|()| handler::take_over::<HandlersInTurn>(main.one_thread()))
        .map_err(|why| Code::Internal.message(format!("this httpd's hooks are unknown: {why}")))?;
    Ok(interop::code_of_interpreters())
}

fn settings(configuration: Pool<'_>) -> &Settings {
    Settings::of(Keeper::of(configuration))
}

fn report(result: Result<(), Faults>) -> Status {
    let Err(faults) = result else { return Status::OK };
    for fault in faults {
        log::server(&fault.at(Level::Emergency));
    }
    Status::INTERNAL_SERVER_ERROR
}
