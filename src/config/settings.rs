//! The configuration in memory: the phases that the whole server's settings go through, and sections, merged.
//!
//! What directives say ([`Configured`]) becomes what a start has found ([`Started`]), and that what requests are served by
//! ([`Serving`]). Each phase takes the one before: nothing of a later one can be asked for too early.

use super::rule::Rule;
use crate::httpd::bound::Binding;
use crate::httpd::configuration::{Configuration, Keeper};
use crate::httpd::pool::Name;
use crate::httpd::request::Request;
use crate::maps::{Maps, Sources};
use crate::selinux::state::LiveState;
use apps::App;
use mapping::{Context, DomainSpec, Network, Peer, RuleList, Unmapped};
use messages::Message;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The settings of a configuration while it is read, in its pool.
#[derive(Default)]
pub struct Settings {
    configured: Mutex<Configured>,
    checked: Mutex<Option<Started>>,
}

impl Settings {
    /// Those of the configuration that is being read.
    pub fn of(keeper: Keeper<'_>) -> &Settings {
        keeper.the_one(const { Name::new(c"mod_selinux settings") })
    }

    /// What directives have said so far.
    pub fn configured(&self) -> MutexGuard<'_, Configured> {
        self.configured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that directives have said, for the start.
    pub fn take_configured(&self) -> Configured {
        std::mem::take(&mut self.configured())
    }

    /// What `httpd -t` has found, for what it shows afterwards.
    pub fn checked(&self) -> MutexGuard<'_, Option<Started>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What directives say of the whole server.
#[derive(Default)]
pub struct Configured {
    /// `SELinuxServerDomain`, with where it stands.
    pub server_domain: Option<(String, DomainSpec)>,
    /// `SELinuxWorker`: how long workers stay; `None` inside: each serves one request.
    pub worker: Option<Option<ReuseLimits>>,
    /// `SELinuxRequired`.
    pub required: Option<bool>,
    /// `SELinuxInterpreters`.
    pub interpreters: Option<Interpreters>,
    /// `SELinuxServerHandler`: the handlers that are served as the server, besides httpd's own.
    pub server_handlers: Vec<CString>,
    /// `SELinuxPrivateTmp`, with where it stands.
    pub private_tmp: Option<(String, PathBuf)>,
    /// `SELinuxBroker`: its socket.
    pub broker: Option<PathBuf>,
    /// The rules of all sections, in the order they were read.
    pub rules: Vec<Arc<Rule>>,
    /// The files that rules read.
    pub sources: Sources,
    /// Whether some section has `SELinuxDomainPeer range`.
    pub reads_peer: bool,
    /// Where these are written; `None` where another one in the same section comes after it.
    pub peers: Vec<Option<String>>,
    /// Why listening sockets are above what workers may write to, where they are.
    pub socket_fault: Option<Message>,
}

impl Configured {
    /// Whether some request is not to be served in the server context.
    pub fn confines(&self) -> bool {
        self.reads_peer || !self.rules.is_empty()
    }

    /// The socket of `selinux-broker`.
    pub fn broker(&self) -> &Path {
        self.broker.as_deref().unwrap_or(Path::new("/run/mod_selinux/broker"))
    }

    /// The folder of the applications' files.
    pub fn apps(&self) -> &Path {
        Path::new("/etc/mod_selinux/apps")
    }

    /// Whether interpreters that all contexts share run pages of mapped requests.
    pub fn interpreters(&self) -> Interpreters {
        self.interpreters.unwrap_or_default()
    }
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
pub struct Started {
    /// What directives say.
    pub configured: Configured,
    /// The context httpd runs in; `None` where SELinux is off and `SELinuxRequired` is too.
    pub server: Option<Context>,
    /// User, role and type of the contexts that rules of their own lead to. (Those of maps change.)
    pub pages: Vec<String>,
    /// The applications that there are.
    pub apps: BTreeMap<String, Arc<App>>,
    /// Whether any type may come: a rule reads the environment.
    pub any_type: bool,
    /// The handlers by whose name mod_wsgi may run Python in httpd itself.
    pub python: Vec<CString>,
    /// Whether contexts below httpd's range would not work (`Code::RangeAboveWorkers`).
    pub only_own_range: bool,
    /// The warning, where new files do not get their maker's categories.
    pub labels: Option<Message>,
}

/// What requests are served by, in all children.
pub struct Serving {
    /// What the start found.
    pub started: Started,
    /// What interpreters are told for mapped requests (`interop::BOUND`).
    pub binding: Binding,
    /// The files that rules read, published for children; `None` where there are none.
    pub maps: Option<Arc<Maps>>,
    /// Whether the kernel enforces, at any time; `None` where the kernel does not tell.
    pub live_state: Option<Arc<LiveState>>,
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
    /// What requests are served by; set in each server's own section where some request may be confined.
    pub serving: Option<&'c Serving>,
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
        serving: None,
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
            serving: self.serving.or(outer.serving),
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
