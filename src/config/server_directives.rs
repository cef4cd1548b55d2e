//! The directives of the whole server, each a row and a setter. Each is said once.

use crate::config::arguments::{domain, flag};
use crate::config::settings::{Interpreters, ReuseLimits, Section, Selinux, Settings};
use crate::httpd::directive::{
    Directive, DirectiveContext, Row, Setter, Words, WordsSetter, one_argument, words,
};
use std::ffi::CStr;
use std::time::Duration;

type SectionRow = Row<Selinux>;

pub const SERVER_DOMAIN: SectionRow = one_argument::<ServerDomain>(
    c"SELinuxServerDomain",
    c"the domain (type[:range]) that httpd itself moves to when it starts",
);

struct ServerDomain;

impl Setter for ServerDomain {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Server;

    fn set<'c>(directive: &Directive<'c>, _: &mut Section<'c>, argument: &str) -> Result<(), String> {
        let value = (directive.location(), domain(argument)?);
        set_once(&mut Settings::of(directive.keeper()).configured().server_domain, value)
            .map_err(|_| "is there already: there is one server domain, remove one of the two".to_owned())
    }
}

pub const REQUIRED: SectionRow = one_argument::<Required>(
    c"SELinuxRequired",
    c"On (the default) or Off: whether the server refuses to start where SELinux is off and rules stand",
);

struct Required;

impl Setter for Required {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Server;

    fn set<'c>(directive: &Directive<'c>, _: &mut Section<'c>, argument: &str) -> Result<(), String> {
        set_once(&mut Settings::of(directive.keeper()).configured().required, flag(argument)?)
    }
}

pub const INTERPRETERS: SectionRow = one_argument::<SharedInterpreters>(
    c"SELinuxInterpreters",
    c"refuse or shared: whether interpreters in httpd, which all contexts share, run pages of mapped requests",
);

struct SharedInterpreters;

impl Setter for SharedInterpreters {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Server;

    fn set<'c>(directive: &Directive<'c>, _: &mut Section<'c>, argument: &str) -> Result<(), String> {
        let value = match argument.to_ascii_lowercase().as_str() {
            "refuse" => Interpreters::Refuse,
            "shared" => Interpreters::Shared,
            _ => return Err("is neither refuse nor shared".to_owned()),
        };
        set_once(&mut Settings::of(directive.keeper()).configured().interpreters, value)
    }
}

pub const PRIVATE_TMP: SectionRow = one_argument::<PrivateTmp>(
    c"SELinuxPrivateTmp",
    c"a folder in which each context gets a folder of its own for temporary files (TMPDIR)",
);

struct PrivateTmp;

impl Setter for PrivateTmp {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Server;

    fn set<'c>(directive: &Directive<'c>, _: &mut Section<'c>, argument: &str) -> Result<(), String> {
        let path = directive.path(argument).ok_or_else(|| format!("{argument} is no path"))?;
        let value = (directive.location(), path);
        set_once(&mut Settings::of(directive.keeper()).configured().private_tmp, value)
    }
}

pub const BROKER: SectionRow = one_argument::<Broker>(
    c"SELinuxBroker",
    c"the socket of selinux-broker, which has processes of applications (SetHandler selinux-app:NAME) for each context",
);

struct Broker;

impl Setter for Broker {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Server;

    fn set<'c>(directive: &Directive<'c>, _: &mut Section<'c>, argument: &str) -> Result<(), String> {
        let path = directive.path(argument).ok_or_else(|| format!("{argument} is no path"))?;
        set_once(&mut Settings::of(directive.keeper()).configured().broker, path)
    }
}

pub const SERVER_HANDLER: SectionRow = words::<ServerHandler>(
    c"SELinuxServerHandler",
    c"names of handlers (SetHandler) that are the server's own work, and are served in its context",
);

struct ServerHandler;

impl WordsSetter for ServerHandler {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Server;

    fn set<'c>(directive: &Directive<'c>, _: &mut Section<'c>, words: Words<'_>) -> Result<(), String> {
        let names: Vec<_> = words.map(CStr::to_owned).collect();
        if names.is_empty() {
            return Err("names no handler".to_owned());
        }
        Settings::of(directive.keeper()).configured().server_handlers.extend(names);
        Ok(())
    }
}

pub const WORKER: SectionRow = words::<Worker>(
    c"SELinuxWorker",
    c"one-time (the default), or resident, with idle=seconds and requests=count: whether a thread serves one request, or stays for others of the same context",
);

struct Worker;

impl WordsSetter for Worker {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Server;

    fn set<'c>(directive: &Directive<'c>, _: &mut Section<'c>, words: Words<'_>) -> Result<(), String> {
        let words: Vec<_> = words.map(CStr::to_string_lossy).collect();
        let limits = match words.split_first() {
            Some((kind, [])) if kind.eq_ignore_ascii_case("one-time") => None,
            Some((kind, limits)) if kind.eq_ignore_ascii_case("resident") => {
                Some(limits.iter().try_fold(ReuseLimits::default(), |limits, limit| limited(limits, limit))?)
            }
            _ => return Err("takes one-time, or resident [idle=seconds] [requests=count]".to_owned()),
        };
        set_once(&mut Settings::of(directive.keeper()).configured().worker, limits)
    }
}

/// Another limit, as `SELinuxWorker resident` takes them.
fn limited(limits: ReuseLimits, limit: &str) -> Result<ReuseLimits, String> {
    let value = |text: &str| {
        let value = text.parse().ok().filter(|value: &u32| *value > 0);
        value.ok_or_else(|| format!("{limit}: takes a number from 1 to {}", u32::MAX))
    };
    match limit.split_once('=') {
        Some(("idle", seconds)) => {
            Ok(ReuseLimits { idle: Duration::from_secs(value(seconds)?.into()), ..limits })
        }
        Some(("requests", count)) => Ok(ReuseLimits { requests: value(count)?, ..limits }),
        _ => Err(format!("{limit}: takes idle=seconds and requests=count")),
    }
}

/// Sets what the whole server has once.
fn set_once<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    if place.is_some() {
        return Err("is there already: remove one of the two".to_owned());
    }
    *place = Some(value);
    Ok(())
}
