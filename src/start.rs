//! The server's start: moves httpd into its own context, works out every context that rules lead to,
//! and enters each on a throw-away thread, so that what cannot work is found before a request comes.

use crate::config::{Rule, Settings, Started, Target, resolve};
use crate::httpd::hook::Server;
use crate::httpd::log::{self, Level};
use crate::httpd::{has_module, on_first_pass, only_checks_configuration};
use crate::lsm::{self, EnterError, Mode, Prepared};
use crate::policy::{Context, Rule as Source};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::sync::Arc;

/// How many contexts of one type are entered for trial; each takes the kernel memory for good.
const TRIALS_A_TYPE: usize = 256;

/// Why the server does not start: one text for each thing that is wrong.
pub type Faults = Vec<String>;

/// Works out what requests are decided by, and proves that it works.
///
/// Under `httpd -t`, started by an administrator, the process is not where the server will be: what
/// can be known from there is asked of the policy instead of being tried.
pub fn start(settings: &Settings, main: Server<'_>) -> Result<(), Faults> {
    let rules = settings.all_rules();
    if !settings.confines() && settings.server_domain.get().is_none() {
        return Ok(());
    }
    let Some(here) = state(settings)? else {
        let _ = settings.started.set(Started { server: None, variables: Vec::new(), cgi_daemon: false });
        return Ok(());
    };
    if let Some(fault) = settings.socket_fault.get() {
        return Err(vec![fault.clone()]);
    }
    let (server, tried) = server_context(settings, here)?;
    let targets = prepare(&rules, &server)?;
    if tried {
        probe(&targets, &server)?;
    } else {
        ask_policy(&targets, &server)?;
    }
    pipes(main, settings, &targets, &server)?;
    if !on_first_pass() {
        warn(settings, &rules, &server);
        let text = format!(
            "SEL0010: {} rules lead to {} contexts; httpd runs in {server}",
            rules.len(),
            targets.len()
        );
        log::server(Level::Notice, &text);
    }
    let variables = rules.iter().filter_map(|rule| match &rule.source {
        Source::Env(name) => CString::new(name.as_str()).ok(),
        Source::Val(_) | Source::Map(_) => None,
    });
    let variables: BTreeSet<_> = variables.collect();
    let cgi_daemon = has_module(c"mod_cgid.c");
    let started = Started { server: Some(server), variables: variables.into_iter().collect(), cgi_daemon };
    let _ = settings.started.set(started);
    Ok(())
}

/// httpd's context as it is; `None` where SELinux is off and need not be on.
fn state(settings: &Settings) -> Result<Option<Context>, Faults> {
    let required = settings.required.get().copied().unwrap_or(true);
    let known = lsm::mode().and_then(|mode| match mode {
        Mode::Off => Ok(None),
        Mode::Enforcing | Mode::Permissive => Ok(Some((mode, lsm::current()?))),
    });
    let fault = match known {
        Ok(Some((mode, context))) => {
            if mode == Mode::Permissive && !on_first_pass() {
                let text = "SEL0011: SELinux is permissive: the kernel logs what it would refuse, and refuses nothing";
                log::server(Level::Warning, text);
            }
            return Ok(Some(context));
        }
        Ok(None) => "SELinux is off in the running kernel".to_owned(),
        Err(error) => format!("the state of SELinux is not known: {error}"),
    };
    if required {
        return Err(vec![format!(
            "SEL0012: {fault}, and there are SELinux rules: switch it on, remove the rules, or say SELinuxRequired Off to serve unconfined"
        )]);
    }
    if !on_first_pass() {
        let text =
            format!("SEL0013: {fault}: every request is served unconfined, as SELinuxRequired Off says");
        log::server(Level::Warning, &text);
    }
    Ok(None)
}

/// The context that the server will run in, entered if this process is to be the server; and whether
/// this process is there.
fn server_context(settings: &Settings, here: Context) -> Result<(Context, bool), Faults> {
    let from =
        if only_checks_configuration() { lsm::httpd_context().unwrap_or(here.clone()) } else { here.clone() };
    let is_there = from == here;
    let Some((location, spec)) = settings.server_domain.get() else { return Ok((from, is_there)) };
    let server = resolve(spec.clone(), &from)
        .map_err(|error| vec![format!("SEL0021: {location}: SELinuxServerDomain {spec}: {error}")])?;
    if server != from {
        let target = Prepared::new(server.clone());
        let objection = if is_there {
            let refused = lsm::enter(&target).err();
            refused.map(|error| format!("{error}; {}", lsm::missing_rule(&here, &server, &error)))
        } else {
            lsm::objection(&from, &target)
        };
        if let Some(why) = objection {
            return Err(vec![format!(
                "SEL0022: {location}: SELinuxServerDomain {spec}: httpd cannot move to {server}: {why}"
            )]);
        }
    }
    Ok((server, is_there))
}

/// The distinct contexts that the rules lead to, each with the place that names it first.
type Targets = BTreeMap<String, (String, Target)>;

fn prepare(rules: &[Arc<Rule>], server: &Context) -> Result<Targets, Faults> {
    let mut targets = Targets::new();
    let mut by_spec = HashMap::new();
    let mut faults = Faults::new();
    for rule in rules {
        for (location, slot) in rule.slots() {
            let target =
                by_spec.entry(&slot.spec).or_insert_with(|| match resolve(slot.spec.clone(), server) {
                    Ok(context) => {
                        let text = context.to_string();
                        let entry = targets.entry(text);
                        Some(Arc::clone(
                            &entry.or_insert_with(|| (location, Arc::new(Prepared::new(context)))).1,
                        ))
                    }
                    Err(error) => {
                        faults.push(format!("SEL0023: {location}: {}: {error}", slot.spec));
                        None
                    }
                });
            if let Some(target) = target {
                let _ = slot.target.set(Arc::clone(target));
            }
        }
    }
    if faults.is_empty() { Ok(targets) } else { Err(faults) }
}

/// Enters each context on a thread that then ends; of each type, so many.
fn probe(targets: &Targets, server: &Context) -> Result<(), Faults> {
    let mut trials: HashMap<&str, usize> = HashMap::new();
    let mut faults = Faults::new();
    for (location, target) in targets.values() {
        let trials = trials.entry(target.context().type_()).or_default();
        *trials += 1;
        if *trials > TRIALS_A_TYPE {
            continue;
        }
        if let Err(error) = lsm::probe(target) {
            faults.push(fault(location, target.context(), server, &error));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn fault(location: &str, context: &Context, server: &Context, error: &EnterError) -> String {
    let missing = lsm::missing_rule(server, context, error);
    format!("SEL0024: {location}: {context} cannot be entered from {server}: {error}; {missing}")
}

/// Whether all works that workers do through pipes of httpd's, which have its own range: one that is
/// confined by categories may not write what stands above it, and unlike sockets, pipes cannot be made lower.
fn pipes(main: Server<'_>, settings: &Settings, targets: &Targets, server: &Context) -> Result<(), Faults> {
    let Some(range) = server.range() else { return Ok(()) };
    // What a variable will say is not known, nor what range a client will have.
    let is_below = |target: &Target| {
        let may_differ = settings.reads_peer.get().is_some() || target.context().range() != Some(range);
        target.context().type_() != server.type_() && may_differ
    };
    let may_be_below = settings.all_rules().iter().any(|rule| matches!(rule.source, Source::Env(_)))
        || targets.values().any(|(_, target)| is_below(target));
    if range.lowest() == *range || !may_be_below {
        return Ok(());
    }
    let loss = match (main.speaks_http2(), main.has_piped_error_log()) {
        (true, _) => "HTTP/2 responses would hang: take h2 and h2c out of Protocols",
        (_, true) => "a piped ErrorLog would lose their lines: log to a file",
        (false, false) => return Ok(()),
    };
    Err(vec![format!(
        "SEL0026: httpd runs at {range}, and workers below it cannot write to its pipes, so that {loss}, or let httpd run at {0} (SELinuxServerDomain *:{0}), which may give its workers any category",
        range.lowest()
    )])
}

/// Asks the policy what can be asked without being the server.
fn ask_policy(targets: &Targets, server: &Context) -> Result<(), Faults> {
    let faults: Faults = targets
        .values()
        .filter_map(|(location, target)| {
            let why = lsm::objection(server, target)?;
            Some(format!("SEL0024: {location}: {} cannot be entered from {server}: {why}", target.context()))
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What works, and yet may not do what the administrator thinks.
fn warn(settings: &Settings, rules: &[Arc<Rule>], server: &Context) {
    let keeping = rules
        .iter()
        .flat_map(|rule| rule.slots())
        .find(|(_, slot)| slot.target.get().is_some_and(|target| target.context().type_() == server.type_()));
    if let Some((location, slot)) = keeping {
        let text = format!(
            "SEL0014: {location}: {} keeps the server's type {}, so it may do what httpd may; categories confine only types with the attribute mcs_constrained_type",
            slot.spec,
            server.type_()
        );
        log::server(Level::Warning, &text);
    }
    if has_module(c"mod_cgid.c") && settings.confines() {
        let text = "SEL0015: mod_cgid is loaded: its daemon would run CGI scripts outside of the confinement, so those of mapped requests are refused; load mod_cgi instead";
        log::server(Level::Warning, text);
    }
}

/// Has the sockets that `Listen` is about to make carry the lowest level, where httpd itself is above it: it
/// was started there, or `SELinuxServerDomain` has moved it there before a restart.
///
/// A confined worker may not write what stands above it, and an accepted connection has the label of
/// its listening socket (`selinux_socket_accept`).
pub fn label_sockets(settings: &Settings) {
    // Off or unknown: `start`, which comes later, says so.
    let (Ok(Mode::Enforcing | Mode::Permissive), Ok(here)) = (lsm::mode(), lsm::current()) else {
        return;
    };
    let Some(range) = here.range() else { return };
    let lowest = range.lowest();
    if lowest == *range {
        return;
    }
    if let Err(error) = lsm::label_sockets(Some(&here.with_range(Some(lowest.clone())))) {
        let fault = format!(
            "SEL0025: httpd runs at {range}, and its sockets cannot be made at {lowest}: {error}; grant `(allow {0} self (process (setsockcreate)))`, or let httpd run at {lowest}",
            here.type_()
        );
        // It matters only where rules stand, which are yet to be read.
        let _ = settings.socket_fault.set(fault);
    }
}

/// Ends what `label_sockets` began.
pub fn unlabel_sockets() {
    // Where there is no SELinux, or none was begun, there is nothing to end.
    if matches!(lsm::mode(), Ok(Mode::Enforcing | Mode::Permissive)) {
        let _ = lsm::label_sockets(None);
    }
}
