//! The server's start: moves httpd into its own context, works out every context that rules lead to,
//! and enters each on a throw-away thread, so that what cannot work is found before a request comes.

use crate::config::{Rule, Settings, Started, Target, resolve};
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
pub fn start(settings: &Settings) -> Result<(), Faults> {
    let rules = settings.all_rules();
    if rules.is_empty() && settings.server_domain.get().is_none() {
        return Ok(());
    }
    let Some(here) = state(settings)? else {
        let _ = settings.started.set(Started { server: None, variables: Vec::new(), cgi_daemon: false });
        return Ok(());
    };
    let (server, tried) = server_context(settings, here)?;
    let targets = prepare(&rules, &server)?;
    if tried {
        probe(&targets, &server)?;
    } else {
        ask_policy(&targets, &server)?;
    }
    if !on_first_pass() {
        warn(&rules, &server);
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
    if is_there && server != here {
        let target = Prepared::new(server.clone());
        lsm::enter(&target).map_err(|error| {
            vec![format!(
                "SEL0022: {location}: SELinuxServerDomain {spec}: httpd cannot move to {server}: {error}; {}",
                lsm::missing_rule(&here, &server, &error)
            )]
        })?;
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
fn warn(rules: &[Arc<Rule>], server: &Context) {
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
    if has_module(c"mod_cgid.c") && !rules.is_empty() {
        let text = "SEL0015: mod_cgid is loaded: its daemon would run CGI scripts outside of the confinement, so those of mapped requests are refused; load mod_cgi instead";
        log::server(Level::Warning, text);
    }
}

/// Has the listening sockets that the MPM is about to make carry the low level of the server's range.
///
/// A confined worker may not write what stands above it, and an accepted connection has the label of
/// its listening socket (`selinux_socket_accept`).
pub fn label_sockets(settings: &Settings) -> Result<(), Faults> {
    if settings.all_rules().is_empty() && settings.server_domain.get().is_none() {
        return Ok(());
    }
    // Off or unknown: `start`, which comes later, says so.
    let (Ok(Mode::Enforcing | Mode::Permissive), Ok(here)) = (lsm::mode(), lsm::current()) else {
        return Ok(());
    };
    let server = match settings.server_domain.get() {
        // One that is no context is `start`'s to report.
        Some((_, spec)) => resolve(spec.clone(), &here).unwrap_or(here),
        None => here,
    };
    let Some(range) = server.range().filter(|range| !range.is_single()) else { return Ok(()) };
    let low = server.with_range(Some(range.low()));
    lsm::label_sockets(Some(&low)).map_err(|error| {
        vec![format!(
            "SEL0025: httpd runs up to {range}, and its sockets cannot be made at the low level: {error}; grant `allow {0} self:process setsockcreate`, or let httpd run at one level (SELinuxServerDomain *:s0)",
            server.type_()
        )]
    })
}

/// Ends what `label_sockets` began.
pub fn unlabel_sockets() {
    // Where there is no SELinux, or none was begun, there is nothing to end.
    if matches!(lsm::mode(), Ok(Mode::Enforcing | Mode::Permissive)) {
        let _ = lsm::label_sockets(None);
    }
}
