//! The configuration in memory: rules as directives made them, sections merged, and, once the server
//! has started, the context each rule leads to, ready to enter.

use crate::httpd::directive::{Configuration, Keeper};
use crate::lsm::{self, Prepared};
use crate::policy::{Asker, Chain, Context, DomainSpec, Map, Peer, Rule as Source, SpecError, Unmapped, Why};
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A context to serve requests in. Requests with the same one share it.
pub type Target = Arc<Prepared>;

/// A domain spec of the configuration, and, from the server's start on, what it leads to.
#[derive(Debug)]
pub struct Slot {
    /// What was written.
    pub spec: DomainSpec,
    /// Set once, before the first request.
    pub target: OnceLock<Target>,
}

impl From<DomainSpec> for Slot {
    fn from(spec: DomainSpec) -> Slot {
        Slot { spec, target: OnceLock::new() }
    }
}

/// A map file, as it was read.
#[derive(Debug)]
pub struct MapFile {
    /// Its path, for messages.
    pub path: String,
    /// Its lines.
    pub lines: Map<Slot>,
}

/// One mapping directive.
#[derive(Debug)]
pub struct Rule {
    /// The file and line the directive stands in.
    pub location: String,
    /// Where the domain comes from.
    pub source: Source<Slot, MapFile>,
}

impl Rule {
    /// Each domain spec of the rule, with where it is written.
    pub fn slots(&self) -> Vec<(String, &Slot)> {
        match &self.source {
            Source::Val(slot) => vec![(self.location.clone(), slot)],
            Source::Env(_) => Vec::new(),
            Source::Map(map) => {
                map.lines.iter().map(|(line, slot)| (format!("{}:{line}", map.path), slot)).collect()
            }
        }
    }
}

/// What holds for the whole server.
#[derive(Debug, Default)]
pub struct Settings {
    /// `SELinuxServerDomain`, with where it stands.
    pub server_domain: OnceLock<(String, DomainSpec)>,
    /// `SELinuxRequired`.
    pub required: OnceLock<bool>,
    /// The rules of all sections.
    pub rules: Mutex<Vec<Arc<Rule>>>,
    /// Set where some section has `SELinuxDomainPeer range`.
    pub reads_peer: OnceLock<()>,
    /// Why listening sockets are above what workers may write to, where they are.
    pub socket_fault: OnceLock<String>,
    /// Set when the server has started: what requests are decided by.
    pub started: OnceLock<Started>,
}

/// What the server's start found.
#[derive(Debug)]
pub struct Started {
    /// The context httpd runs in; `None` where SELinux is off and `SELinuxRequired` is too.
    pub server: Option<Context>,
    /// The environment variables that rules read.
    pub variables: Vec<CString>,
    /// Whether CGI scripts would run in mod_cgid's daemon, which is not confined.
    pub cgi_daemon: bool,
}

impl Settings {
    /// The settings of the configuration that is being read, or was.
    pub fn of(keeper: Keeper<'_>) -> &'static Settings {
        keeper.the_one(c"mod_selinux settings")
    }

    /// The rules of all sections, in the order they were read.
    pub fn all_rules(&self) -> Vec<Arc<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether some request is not to be served in the server context.
    pub fn confines(&self) -> bool {
        self.reads_peer.get().is_some()
            || !self.rules.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Adds a rule.
    pub fn add(&self, rule: Arc<Rule>) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }
}

/// A section's configuration, or, merged, that of a request's place.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The rules, in the order they are tried; `None` where there are none.
    pub rules: Option<&'static Chain<'static, Arc<Rule>>>,
    /// The whole server's settings; set wherever requests may be confined.
    pub settings: Option<&'static Settings>,
    /// `SELinuxUnmapped`.
    pub unmapped: Option<Unmapped>,
    /// `SELinuxAllowCaches`.
    pub allow_caches: Option<bool>,
    /// `SELinuxDomainPeer`.
    pub peer: Option<Peer>,
}

impl Section {
    /// Whether requests here may have to leave the server context.
    pub fn confines(&self) -> bool {
        self.rules.is_some() || self.peer == Some(Peer::Range)
    }
}

impl Configuration for Section {
    fn unset() -> Section {
        Section { rules: None, settings: None, unmapped: None, allow_caches: None, peer: None }
    }

    fn merged_into(&self, outer: &Section, keeper: Keeper<'_>) -> Section {
        let rules = match (self.rules, outer.rules) {
            (Some(inner), Some(outer)) => Some(keeper.put(Chain::then(inner, outer))),
            (inner, outer) => inner.or(outer),
        };
        Section {
            rules,
            settings: self.settings.or(outer.settings),
            unmapped: self.unmapped.or(outer.unmapped),
            allow_caches: self.allow_caches.or(outer.allow_caches),
            peer: self.peer.or(outer.peer),
        }
    }
}

/// What a request brings for rules to be tried against.
pub struct Facts<'f> {
    /// Who asks.
    pub asker: Asker<'f>,
    /// The value of each of `Started::variables`.
    pub variables: &'f [Option<&'f CStr>],
}

impl Started {
    /// The context a rule leads to for a request; `None` where the rule does not match it.
    pub fn try_rule(&self, rule: &Rule, facts: &Facts<'_>) -> Result<Option<Target>, Why> {
        let slot = match &rule.source {
            Source::Val(slot) => slot,
            Source::Map(map) => match map.lines.find(&facts.asker) {
                Some((slot, _line)) => slot,
                None => return Ok(None),
            },
            Source::Env(name) => return self.try_variable(name, facts),
        };
        slot.target.get().cloned().map(Some).ok_or(Why::Unprepared)
    }

    fn try_variable(&self, name: &str, facts: &Facts<'_>) -> Result<Option<Target>, Why> {
        let index = self.variables.iter().position(|variable| variable.to_bytes() == name.as_bytes());
        let Some(value) = index.and_then(|index| *facts.variables.get(index)?) else { return Ok(None) };
        let bad = |error| Why::BadValue { variable: name.to_owned(), error };
        let spec = DomainSpec::parse(&value.to_string_lossy()).map_err(bad)?;
        let context = self.resolve(spec).map_err(bad)?;
        Ok(Some(Arc::new(Prepared::new(context))))
    }

    /// The whole context of a domain spec, with translated ranges looked up.
    pub fn resolve(&self, spec: DomainSpec) -> Result<Context, SpecError> {
        let server = self.server.as_ref().expect("specs are resolved where SELinux is on");
        resolve(spec, server)
    }
}

/// The whole context of a domain spec for a server in the context `server`.
pub fn resolve(spec: DomainSpec, server: &Context) -> Result<Context, SpecError> {
    let range = spec.translated_range().and_then(|name| lsm::translate_range(server, name));
    let spec = match range {
        Some(range) => spec.with_raw_range(range),
        None => spec,
    };
    spec.resolve(server)
}
