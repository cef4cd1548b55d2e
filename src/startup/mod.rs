//! The server's start: moves httpd into its own context, works out every context that rules lead to,
//! and enters each on a throw-away thread, so that what cannot work is found before a request comes.

pub mod hooks;
mod labels;

use crate::config::settings::{Configured, Selinux, Serving, Settings, Started};
use crate::config::strays::{self, Stray};
use crate::httpd::bound::Binding;
use crate::httpd::hook::Server;
use crate::httpd::log;
use crate::httpd::pool::Pool;
use crate::httpd::sections;
use crate::httpd::{on_first_pass, only_checks_configuration, process};
use crate::interop;
use crate::maps::Maps;
use crate::maps::watcher::Watcher;
use crate::request::private_tmp;
use crate::selinux::contexts::{ContextSet, Faults, resolve};
use crate::selinux::state::LiveState;
use crate::selinux::{self, EncodedContext, Mode, query};
use apps::{App, Folder};
use mapping::{Context, Rule as Source};
use messages::{Code, Message};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

/// Works out what requests are decided by, and proves that it works; `None` where there is nothing to confine, and httpd is not
/// to move.
///
/// Under `httpd -t`, started by an administrator, the process is not where the server will be: what
/// can be known from there is asked of the policy instead of being tried.
pub fn start(mut configured: Configured, main: &Server<'_>) -> Result<Option<Started>, Faults> {
    if !configured.confines() && configured.server_domain.is_none() {
        return Ok(None);
    }
    let Some(here) = state(&configured)? else {
        return Ok(Some(Started {
            configured,
            server: None,
            pages: Vec::new(),
            apps: BTreeMap::new(),
            any_type: false,
            python: Vec::new(),
            only_own_range: false,
            labels: None,
        }));
    };
    if let Some(fault) = configured.socket_fault {
        return Err(vec![fault]);
    }
    let (server, tried) = server_context(&configured, here)?;
    if let Some((location, folder)) = &configured.private_tmp {
        private_tmp::check(folder).map_err(|error| {
            vec![Code::PrivateTmpUnusable.message(format!("{location}: SELinuxPrivateTmp: {error}"))]
        })?;
    }
    configured.sources.load_groups()?;
    let reachable = {
        let own = configured.rules.iter().filter_map(|rule| rule.spec());
        ContextSet::of(own.chain(configured.sources.specs()), &server)?
    };
    if tried {
        reachable.probe(&server)?;
    } else {
        reachable.ask_policy(&server)?;
    }
    let loss = loss_above(main, &server);
    // What a variable will say is not known, nor what range a client will have.
    let any_type = configured.rules.iter().any(|rule| matches!(rule.source, Source::Env(_)));
    let has_others = configured.reads_peer || any_type;
    let may_be_below = has_others || reachable.below(&server).is_some();
    if let Some(loss) = loss.as_ref().filter(|_| may_be_below) {
        return Err(vec![loss.clone()]);
    }
    let started = Started {
        pages: reachable.bases(),
        apps: apps(configured.apps())?,
        any_type,
        python: interop::wsgi::python_handlers(),
        only_own_range: loss.is_some(),
        labels: labels::warning(&reachable, has_others, &server),
        server: Some(server.clone()),
        configured,
    };
    // Under `httpd -t`, the first pass is the only one.
    if let Some(text) = started.labels.as_ref().filter(|_| !on_first_pass() || only_checks_configuration()) {
        log::server(text);
    }
    if !on_first_pass() {
        warn(&reachable, &server);
        interop::warn(&started, main);
        let servers = sections::of_servers::<Selinux>(main);
        for Stray { location, directive } in strays::of(&started.configured, &servers) {
            let text = format!(
                "{location}: {directive} is in a section by which no request is decided, as far as mod_selinux can tell: write it in the section around, or in one that is for the same requests"
            );
            log::server(&Code::UnreachedSection.message(text));
        }
        let text = format!(
            "{} rules lead to {} contexts; httpd runs in {server}",
            started.configured.rules.len(),
            reachable.iter().len()
        );
        log::server(&Code::Started.message(text));
    }
    Ok(Some(started))
}

/// All applications in their folder: none where that is not there.
fn apps(path: &Path) -> Result<BTreeMap<String, Arc<App>>, Faults> {
    let mut folder = Folder::new(path);
    let names = match folder.names() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        names => names.map_err(|error| format!("{}: {error}", path.display())),
    };
    let read =
        |name: String| folder.get(&name).map(|app| (name, app)).map_err(|error| Code::BadApp.message(error));
    let names = names.map_err(|error| vec![Code::BadApp.message(error)])?;
    let (good, bad): (Vec<_>, Vec<_>) = names.into_iter().map(read).partition(Result::is_ok);
    let bad: Faults = bad.into_iter().filter_map(Result::err).collect();
    if bad.is_empty() { Ok(good.into_iter().filter_map(Result::ok).collect()) } else { Err(bad) }
}

/// Makes ready what the children about to be made serve requests by.
///
/// # Errors
/// [`Code::Internal`] where an interpreter cannot be bound, and [`Code::FilesNotPublished`]: without the files, no request that
/// a map is for could be served.
pub fn serve<'s>(
    mut started: Started,
    configuration: Pool<'s>,
    main: &mut Server<'s>,
) -> Result<Serving, Faults> {
    let unknown = |module: &CStr| format!("{} ({})", interop::UNBOUND, module.to_string_lossy());
    let binding = Binding::new::<Selinux>(main, configuration, interop::BOUND, |section| section.confines());
    let binding = binding.map_err(|module| vec![Code::Internal.message(unknown(module))])?;
    let Some(server) = &started.server else {
        return Ok(Serving { started, binding, maps: None, live_state: None });
    };
    let live_state = LiveState::open().ok().map(Arc::new);
    // Children read what is published of them.
    let sources = std::mem::take(&mut started.configured.sources);
    let publish = || -> io::Result<_> {
        if sources.all().is_empty() {
            return Ok(None);
        }
        let runtime = process::runtime_folder(configuration);
        let runtime = runtime.ok_or_else(|| io::Error::other("DefaultRuntimeDir is no path"))?;
        let maps = Arc::new(Maps::publish(&runtime, &sources, server)?);
        let watcher = Watcher::new(Arc::clone(&maps), &sources, server.clone(), started.only_own_range);
        process::start(main, configuration, watcher)?;
        Ok(Some(maps))
    };
    let maps = publish().map_err(|error| {
        vec![Code::FilesNotPublished.message(format!("maps cannot be published: {error}"))]
    })?;
    Ok(Serving { started, binding, maps, live_state })
}

/// httpd's context as it is; `None` where SELinux is off and need not be on.
fn state(configured: &Configured) -> Result<Option<Context>, Faults> {
    let required = configured.required.unwrap_or(true);
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
fn server_context(configured: &Configured, here: Context) -> Result<(Context, bool), Faults> {
    let from = if only_checks_configuration() {
        query::httpd_context().unwrap_or(here.clone())
    } else {
        here.clone()
    };
    let is_there = from == here;
    let Some((location, spec)) = &configured.server_domain else { return Ok((from, is_there)) };
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
        settings.configured().socket_fault = Some(Code::SocketLabel.message(text));
    }
}

/// Ends what `label_sockets` began.
pub fn unlabel_sockets() {
    // Where there is no SELinux, or none was begun, there is nothing to end.
    if matches!(selinux::mode(), Ok(Mode::Enforcing | Mode::Permissive)) {
        let _ = selinux::label_sockets(None);
    }
}
