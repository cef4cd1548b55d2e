//! A mapping directive, as it is written, and, once the server has started, with the context that it leads to.

use crate::httpd::pool::Pool;
use crate::httpd::provider::Provider;
use crate::maps;
use crate::selinux::SharedContext;
use crate::selinux::contexts::LocatedSpec;
use mapping::{DomainSpec, Rule as Source};
use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::OnceLock;

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
