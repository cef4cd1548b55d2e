//! The server's start: moves httpd into its own context, works out every context that rules lead to,
//! and enters each on a throw-away thread, so that what cannot work is found before a request comes.

pub mod hooks;
mod labels;

use crate::config::settings::{Selinux, Settings, Started};
use crate::config::strays::{self, Stray};
use crate::httpd::hook::Server;
use crate::httpd::log;
use crate::httpd::pool::Pool;
use crate::httpd::sections;
use crate::httpd::{on_first_pass, only_checks_configuration, process};
use crate::interop;
use crate::maps::Maps;
use crate::maps::watcher::Watcher;
use crate::selinux::contexts::{ContextSet, Faults, resolve};
use crate::selinux::state::LiveState;
use crate::selinux::{self, EncodedContext, Mode, query};
use mapping::{Context, Rule as Source};
use messages::{Code, Message};
use std::sync::Arc;
use std::{fmt, io};

/// Works out what requests are decided by, and proves that it works.
///
/// Under `httpd -t`, started by an administrator, the process is not where the server will be: what
/// can be known from there is asked of the policy instead of being tried.
pub fn start(settings: &Settings, main: &Server<'_>) -> Result<(), Faults> {
    let rules = settings.all_rules();
    if !settings.confines() && settings.server_domain.get().is_none() {
        return Ok(());
    }
    let Some(here) = state(settings)? else {
        let _ = settings.started.set(Started {
            server: None,
            pages: Vec::new(),
            any_type: false,
            python: Vec::new(),
            server_handlers: Vec::new(),
            only_own_range: false,
            labels: None,
        });
        return Ok(());
    };
    if let Some(fault) = settings.socket_fault.get() {
        return Err(vec![fault.clone()]);
    }
    let (server, tried) = server_context(settings, here)?;
    let reachable = {
        let mut sources = settings.sources();
        sources.load_groups()?;
        let own = rules.iter().filter_map(|rule| rule.spec());
        ContextSet::of(own.chain(sources.specs()), &server)?
    };
    if tried {
        reachable.probe(&server)?;
    } else {
        reachable.ask_policy(&server)?;
    }
    let loss = loss_above(main, &server);
    // What a variable will say is not known, nor what range a client will have.
    let has_others =
        settings.reads_peer.get().is_some() || rules.iter().any(|rule| matches!(rule.source, Source::Env(_)));
    let may_be_below = has_others || reachable.below(&server).is_some();
    if let Some(loss) = loss.as_ref().filter(|_| may_be_below) {
        return Err(vec![loss.clone()]);
    }
    let python = interop::wsgi::python_handlers();
    let labels = labels::warning(&reachable, has_others, &server);
    // Under `httpd -t`, the first pass is the only one.
    if let Some(text) = labels.as_ref().filter(|_| !on_first_pass() || only_checks_configuration()) {
        log::server(text);
    }
    if !on_first_pass() {
        warn(&reachable, &server);
        interop::warn(settings, main, &python);
        for Stray { location, directive } in strays::of(settings, &sections::of_servers::<Selinux>(main)) {
            let text = format!(
                "{location}: {directive} is in a section by which no request is decided, as far as mod_selinux can tell: write it in the section around, or in one that is for the same requests"
            );
            log::server(&Code::UnreachedSection.message(text));
        }
        let text = format!(
            "{} rules lead to {} contexts; httpd runs in {server}",
            rules.len(),
            reachable.iter().len()
        );
        log::server(&Code::Started.message(text));
    }
    let any_type = rules.iter().any(|rule| matches!(rule.source, Source::Env(_)));
    let only_own_range = loss.is_some();
    let server_handlers = settings.server_handlers();
    let pages = reachable.bases();
    let server = Some(server);
    let started = Started { server, pages, any_type, python, server_handlers, only_own_range, labels };
    let _ = settings.started.set(started);
    Ok(())
}

/// Publishes the files that rules read for the children about to be made, and has them watched.
///
/// # Errors
/// [`Code::FilesNotPublished`]: without, no request that a map is for could be served.
pub fn publish(settings: &Settings, configuration: Pool<'_>, main: &Server<'_>) -> Result<(), Faults> {
    let sources = settings.sources();
    let Some(Started { server: Some(server), only_own_range, .. }) = settings.started.get() else {
        return Ok(());
    };
    if let Ok(state) = LiveState::open() {
        let _ = settings.live_state.set(Arc::new(state));
    }
    if sources.all().is_empty() {
        return Ok(());
    }
    let publish = || {
        let runtime = process::runtime_folder(configuration);
        let runtime = runtime.ok_or_else(|| io::Error::other("DefaultRuntimeDir is no path"))?;
        let maps =
            settings.maps.get_or_try_init(|| Maps::publish(&runtime, &sources, server).map(Arc::new))?;
        process::start(
            main,
            configuration,
            Watcher::new(Arc::clone(maps), &sources, server.clone(), *only_own_range),
        )
    };
    publish().map_err(|error: io::Error| {
        vec![Code::FilesNotPublished.message(format!("maps cannot be published: {error}"))]
    })
}

/// httpd's context as it is; `None` where SELinux is off and need not be on.
fn state(settings: &Settings) -> Result<Option<Context>, Faults> {
    let required = settings.required.get().copied().unwrap_or(true);
    let known = selinux::mode().and_then(|mode| match mode {
        Mode::Off => Ok(None),
        Mode::Enforcing | Mode::Permissive => Ok(Some((mode, selinux::current()?))),
    });
    let fault = match known {
        Ok(Some((mode, context))) => {
            if mode == Mode::Permissive && !on_first_pass() {
                let text = "SELinux is permissive: the kernel logs what it would refuse, and refuses nothing";
                log::server(&Code::Permissive.message(text));
            }
            return Ok(Some(context));
        }
        Ok(None) => "SELinux is off in the running kernel".to_owned(),
        Err(error) => format!("the state of SELinux is not known: {error}"),
    };
    if required {
        let text = format!(
            "{fault}, and there are SELinux rules: switch it on, remove the rules, or say SELinuxRequired Off to serve unconfined"
        );
        return Err(vec![Code::SelinuxOff.message(text)]);
    }
    if !on_first_pass() {
        let text = format!("{fault}: every request is served unconfined, as SELinuxRequired Off says");
        log::server(&Code::Unconfined.message(text));
    }
    Ok(None)
}

/// The context that the server will run in, entered if this process is to be the server; and whether
/// this process is there.
fn server_context(settings: &Settings, here: Context) -> Result<(Context, bool), Faults> {
    let from = if only_checks_configuration() {
        query::httpd_context().unwrap_or(here.clone())
    } else {
        here.clone()
    };
    let is_there = from == here;
    let Some((location, spec)) = settings.server_domain.get() else { return Ok((from, is_there)) };
    let fault = |code: Code, why: &dyn fmt::Display| {
        vec![code.message(format!("{location}: SELinuxServerDomain {spec}: {why}"))]
    };
    let server = resolve(spec, &from).map_err(|error| fault(Code::BadServerDomain, &error))?;
    if server != from {
        let objection = if is_there {
            let refused = selinux::enter(&EncodedContext::new(server.to_string())).err();
            refused.map(|error| format!("{error}; {}", query::missing_rule(&here, &server, &error)))
        } else {
            query::objection(&from, &server)
        };
        if let Some(why) = objection {
            let text = format!("httpd cannot move to {server}: {why}");
            return Err(fault(Code::ServerDomainRefused, &text));
        }
    }
    Ok((server, is_there))
}

/// What of this configuration would not work for workers below httpd's range: they work through pipes and a log socket
/// of httpd's, which have its own. One that is confined by categories may not write what stands above it, and unlike
/// listening sockets, these cannot be made lower.
fn loss_above(main: &Server<'_>, server: &Context) -> Option<Message> {
    let range = server.range()?;
    let lowest = range.lowest();
    if lowest == *range {
        return None;
    }
    let loss = match (main.speaks_http2(), main.logs_errors_to_others()) {
        (true, _) => "HTTP/2 responses would hang: take h2 and h2c out of Protocols",
        (_, true) => "an ErrorLog to a program or to syslog would lose their lines: log to a file",
        (false, false) => return None,
    };
    Some(Code::RangeAboveWorkers.message(format!(
        "httpd runs at {range}, and workers below it cannot write to its pipes and sockets, so that {loss}, or let httpd run at {lowest} (SELinuxServerDomain *:{lowest}), which may give its workers any category"
    )))
}

/// What works, and yet may not do what the administrator thinks.
fn warn(reachable: &ContextSet, server: &Context) {
    if let Some(reached) = reachable.iter().find(|reached| reached.context.type_() == server.type_()) {
        let text = format!(
            "{}: {} keeps the server's type, so it may do what httpd may; categories confine only types with the attribute mcs_constrained_type",
            reached.location, reached.context,
        );
        log::server(&Code::KeepsServerType.message(text));
    }
}

/// Has the sockets that `Listen` is about to make carry the lowest level, where httpd itself is above it: it
/// was started there, or `SELinuxServerDomain` has moved it there before a restart.
///
/// A confined worker may not write what stands above it, and an accepted connection has the label of
/// its listening socket (`selinux_socket_accept`).
pub fn label_sockets(settings: &Settings) {
    // Off or unknown: `start`, which comes later, says so.
    let (Ok(Mode::Enforcing | Mode::Permissive), Ok(here)) = (selinux::mode(), selinux::current()) else {
        return;
    };
    let Some(range) = here.range() else { return };
    let lowest = range.lowest();
    if lowest == *range {
        return;
    }
    if let Err(error) = selinux::label_sockets(Some(&here.clone().with_range(Some(lowest.clone())))) {
        let text = format!(
            "httpd runs at {range}, and its sockets cannot be made at {lowest}: {error}; grant `(allow {0} self (process (setsockcreate)))`, or let httpd run at {lowest}",
            here.type_()
        );
        // It matters only where rules stand, which are yet to be read.
        let _ = settings.socket_fault.set(Code::SocketLabel.message(text));
    }
}

/// Ends what `label_sockets` began.
pub fn unlabel_sockets() {
    // Where there is no SELinux, or none was begun, there is nothing to end.
    if matches!(selinux::mode(), Ok(Mode::Enforcing | Mode::Permissive)) {
        let _ = selinux::label_sockets(None);
    }
}
