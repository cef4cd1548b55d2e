//! The configuration in memory: rules as directives made them, sections merged, and, once the server
//! has started, the context each rule leads to, ready to enter.

use crate::httpd::bound::Binding;
use crate::httpd::configuration::{Configuration, Keeper};
use crate::httpd::pool::{Name, Pool};
use crate::httpd::provider::Provider;
use crate::httpd::request::Request;
use crate::maps::{self, Maps, Sources};
use crate::selinux::SharedContext;
use crate::selinux::contexts::LocatedSpec;
use crate::selinux::state::LiveState;
use mapping::{Context, DomainSpec, Network, Peer, Rule as Source, RuleList, Unmapped};
use messages::Message;
use once_cell::sync::OnceCell;
use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// A domain spec of the configuration, and, from the server's start on, what it leads to.
#[derive(Debug)]
pub struct Slot {
    /// What was written.
    pub spec: DomainSpec,
    /// Set once, before the first request.
    pub target: OnceLock<SharedContext>,
}

impl From<DomainSpec> for Slot {
    fn from(spec: DomainSpec) -> Slot {
        Slot { spec, target: OnceLock::new() }
    }
}

/// A map file.
pub struct MapFile {
    /// Its number among the files that rules read.
    pub number: usize,
    /// Which it is.
    pub file: maps::Source,
}

/// `SELinuxDomain`: a domain for requests that a provider of httpd's authorization grants.
pub struct Granted {
    /// The domain.
    pub slot: Slot,
    /// Who is asked.
    pub provider: Provider,
    /// Whether it is for those that the provider does not grant.
    pub negated: bool,
}

/// One mapping directive.
pub struct Rule {
    /// The file and line the directive stands in.
    pub location: String,
    /// Where the domain comes from.
    pub source: Source<Slot, MapFile, Granted>,
    /// Its name in logs.
    name: CString,
}

impl Rule {
    /// A rule that stands in this place.
    pub fn new(location: String, source: Source<Slot, MapFile, Granted>) -> Rule {
        let name = match &source {
            Source::Val(_) => format!("SELinuxDomainVal:{location}"),
            Source::Env(_) => format!("SELinuxDomainEnv:{location}"),
            Source::Map(MapFile { file, .. }) => format!("SELinuxDomainMap:{file}"),
            Source::Provider(_) => format!("SELinuxDomain:{location}"),
        };
        Rule { location, source, name: in_one_word(name) }
    }

    /// `SELINUX_RULE` of requests that the rule decides: `directive:file:line`, in one word. The file is the map,
    /// where it is a rule of a map, else the configuration's.
    pub fn named<'p>(&'p self, line: Option<usize>, pool: Pool<'p>) -> &'p CStr {
        line.map_or(&self.name, |line| pool.numbered(&self.name, line))
    }

    /// The domain spec of the rule, where it has one of its own.
    pub fn spec(&self) -> Option<LocatedSpec<'_>> {
        match &self.source {
            Source::Val(slot) | Source::Provider(Granted { slot, .. }) => {
                Some((self.location.clone(), slot.spec.clone(), Some(&slot.target)))
            }
            Source::Env(_) | Source::Map(_) => None,
        }
    }

    /// The context that the rule leads to, where that is always the same.
    pub fn target(&self) -> Option<&SharedContext> {
        self.spec().and_then(|(_, _, target)| target?.get())
    }
}

/// Without blanks, quotes and what a terminal would obey: `%20` for a blank.
fn in_one_word(text: String) -> CString {
    let is_apart = |byte: u8| matches!(byte, b'%' | b'"' | b'\\' | 0..=b' ' | 0x7f);
    let mut word = text.into_bytes();
    if word.iter().any(|byte| is_apart(*byte)) {
        let coded = |byte: u8| if is_apart(byte) { format!("%{byte:02x}").into_bytes() } else { vec![byte] };
        word = word.into_iter().flat_map(coded).collect();
    }
    CString::new(word).unwrap_or_default()
}

impl fmt::Display for Rule {
    /// The directive as it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Val(slot) => write!(f, "SELinuxDomainVal {}", slot.spec),
            Source::Env(name) => write!(f, "SELinuxDomainEnv {name}"),
            Source::Map(MapFile { file, .. }) => write!(f, "SELinuxDomainMap {}:{file}", file.kind),
            Source::Provider(Granted { slot, provider, negated }) => {
                let not = if *negated { "not " } else { "" };
                write!(f, "SELinuxDomain {} {not}{provider}", slot.spec)
            }
        }
    }
}

/// What holds for the whole server.
#[derive(Default)]
pub struct Settings {
    /// `SELinuxServerDomain`, with where it stands.
    pub server_domain: OnceLock<(String, DomainSpec)>,
    /// `SELinuxWorker`: how long workers stay; `None` inside: each serves one request.
    pub worker: OnceLock<Option<ReuseLimits>>,
    /// `SELinuxRequired`.
    pub required: OnceLock<bool>,
    /// `SELinuxInterpreters`.
    pub interpreters: OnceLock<Interpreters>,
    /// `SELinuxServerHandler`: the handlers that are served as the server, besides httpd's own.
    pub server_handlers: Mutex<Vec<CString>>,
    /// The rules of all sections.
    pub rules: Mutex<Vec<Arc<Rule>>>,
    /// The files that rules read.
    pub sources: Mutex<Sources>,
    /// Set where some section has `SELinuxDomainPeer range`.
    pub reads_peer: OnceLock<()>,
    /// Where these are written; `None` where another one in the same section comes after it.
    pub peers: Mutex<Vec<Option<String>>>,
    /// Why listening sockets are above what workers may write to, where they are.
    pub socket_fault: OnceLock<Message>,
    /// Set when the server has started: what requests are decided by.
    pub started: OnceLock<Started>,
    /// The files, published for children; set where httpd is about to serve.
    pub maps: OnceCell<Arc<Maps>>,
    /// Whether the kernel enforces, at any time; set as above, if the kernel tells.
    pub live_state: OnceLock<Arc<LiveState>>,
    /// What interpreters are told for mapped requests (`interop::BOUND`); set as above.
    pub binding: OnceLock<Binding>,
}

/// How long resident workers stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReuseLimits {
    /// One ends when it has had nothing to do for so long.
    pub idle: Duration,
    /// One ends when it has served so many requests.
    pub requests: u32,
}

impl Default for ReuseLimits {
    fn default() -> ReuseLimits {
        ReuseLimits { idle: Duration::from_secs(60), requests: 10_000 }
    }
}

/// What becomes of pages of mapped requests that an interpreter in httpd would run, which all contexts share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Interpreters {
    /// They are refused.
    #[default]
    Refuse,
    /// They run, where all of them trust each other.
    Shared,
}

/// What the server's start found.
#[derive(Debug)]
pub struct Started {
    /// The context httpd runs in; `None` where SELinux is off and `SELinuxRequired` is too.
    pub server: Option<Context>,
    /// User, role and type of the contexts that rules of their own lead to. (Those of maps change.)
    pub pages: Vec<String>,
    /// Whether any type may come: a rule reads the environment.
    pub any_type: bool,
    /// The handlers by whose name mod_wsgi may run Python in httpd itself.
    pub python: Vec<CString>,
    /// The handlers that `SELinuxServerHandler` names.
    pub server_handlers: Vec<CString>,
    /// Whether contexts below httpd's range would not work (`Code::RangeAboveWorkers`).
    pub only_own_range: bool,
    /// The warning, where new files do not get their maker's categories.
    pub labels: Option<Message>,
}

impl Settings {
    /// The settings of the configuration that is being read, or was.
    pub fn of(keeper: Keeper<'_>) -> &Settings {
        keeper.the_one(const { Name::new(c"mod_selinux settings") })
    }

    /// The rules of all sections, in the order they were read.
    pub fn all_rules(&self) -> Vec<Arc<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The files that rules read.
    pub fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether some request is not to be served in the server context.
    pub fn confines(&self) -> bool {
        self.reads_peer.get().is_some()
            || !self.rules.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether interpreters that all contexts share run pages of mapped requests.
    pub fn interpreters(&self) -> Interpreters {
        self.interpreters.get().copied().unwrap_or_default()
    }

    /// Adds handlers that are served as the server.
    pub fn add_server_handlers(&self, names: Vec<CString>) {
        self.server_handlers.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// The handlers that `SELinuxServerHandler` names.
    pub fn server_handlers(&self) -> Vec<CString> {
        self.server_handlers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a rule.
    pub fn add(&self, rule: Arc<Rule>) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }
}

/// Names this module where httpd's untyped memory gets its types back: `lib.rs` says which they are.
pub struct Selinux;

/// A section's configuration, or, merged, that of a request's place.
#[derive(Clone, Copy)]
pub struct Section<'c> {
    /// The rules, in the order they are tried; `None` where there are none.
    pub rules: Option<&'c RuleList<'c, Arc<Rule>>>,
    /// The number of `AuthGroupFile` among the files that rules read.
    pub group_file: Option<usize>,
    /// The whole server's settings; set wherever requests may be confined.
    pub settings: Option<&'c Settings>,
    /// `SELinuxUnmapped`.
    pub unmapped: Option<Unmapped>,
    /// `SELinuxAllowCaches`.
    pub allow_caches: Option<bool>,
    /// `SELinuxExplain`: the addresses that get explanations instead of what they asked for.
    pub explain: Option<&'c Vec<Network>>,
    /// `SELinuxDomainPeer`.
    pub peer: Option<Peer>,
    /// Its number among those of the settings, if it is `range`.
    pub peer_number: Option<usize>,
    /// Whether it could not be made.
    pub is_broken: bool,
}

impl Section<'_> {
    /// Whether requests here may have to leave the server context.
    pub fn confines(&self) -> bool {
        self.is_broken || self.rules.is_some() || self.peer == Some(Peer::Range)
    }

    const UNSET: Self = Section {
        rules: None,
        group_file: None,
        settings: None,
        unmapped: None,
        allow_caches: None,
        explain: None,
        peer: None,
        peer_number: None,
        is_broken: false,
    };
}

static BROKEN: Section<'static> = Section { is_broken: true, ..Section::UNSET };

impl<'c> Configuration<'c> for Section<'c> {
    fn unset() -> Self {
        Section::UNSET
    }

    fn broken() -> &'c Self {
        &BROKEN
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn merged_into(&self, outer: &Self, keeper: Keeper<'c>) -> Self {
        if self.is_broken || outer.is_broken {
            return BROKEN;
        }
        let rules = match (self.rules, outer.rules) {
            (Some(inner), Some(outer)) => Some(keeper.put(RuleList::then(inner, outer))),
            (inner, outer) => inner.or(outer),
        };
        Section {
            rules,
            group_file: self.group_file.or(outer.group_file),
            settings: self.settings.or(outer.settings),
            unmapped: self.unmapped.or(outer.unmapped),
            allow_caches: self.allow_caches.or(outer.allow_caches),
            explain: self.explain.or(outer.explain),
            peer: self.peer.or(outer.peer),
            peer_number: if self.peer.is_some() { self.peer_number } else { outer.peer_number },
            is_broken: false,
        }
    }
}

/// What is configured for the place of a request.
pub fn section(request: Request<'_>) -> &Section<'_> {
    request.section::<Selinux>()
}
