//! The directives: each a row of the table, and a setter.

use crate::config::{MapFile, Rule, Section, Settings, Slot};
use crate::httpd::directive::{Directive, Place, Row, Setter, Table, one_argument};
use crate::policy::{Chain, DomainSpec, Map, Peer, Rule as Source, Unmapped};
use std::fs;
use std::sync::Arc;

/// All directives of the module.
pub static TABLE: Table<8> = Table::new([
    SERVER_DOMAIN,
    DOMAIN_MAP,
    DOMAIN_ENV,
    DOMAIN_VAL,
    DOMAIN_PEER,
    UNMAPPED,
    ALLOW_CACHES,
    REQUIRED,
]);

type SectionRow = Row<Section>;

const SERVER_DOMAIN: SectionRow = one_argument::<ServerDomain>(
    c"SELinuxServerDomain",
    c"the domain (type[:range]) that httpd itself moves to when it starts",
);

struct ServerDomain;

impl Setter for ServerDomain {
    type Configuration = Section;
    const PLACE: Place = Place::Server;

    fn set(directive: &Directive<'_>, _: &mut Section, argument: &str) -> Result<(), String> {
        let value = (directive.location(), domain(argument)?);
        let set = Settings::of(directive.keeper()).server_domain.set(value);
        set.map_err(|_| "is there already: there is one server domain, remove one of the two".to_owned())
    }
}

const DOMAIN_MAP: SectionRow = one_argument::<DomainMap>(
    c"SELinuxDomainMap",
    c"a map file: on each line a user, an address or network, __anonymous__ or *, and a domain (type[:range])",
);

struct DomainMap;

impl Setter for DomainMap {
    type Configuration = Section;
    const PLACE: Place = Place::Anywhere;

    fn set(directive: &Directive<'_>, section: &mut Section, argument: &str) -> Result<(), String> {
        if argument.starts_with("fst:") {
            return Err("compiled maps (fst:) are not in this version: name the text file".to_owned());
        }
        let name = argument.strip_prefix("txt:").unwrap_or(argument);
        let path = directive.path(name).ok_or_else(|| format!("{name} is no path"))?;
        let text = fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let path = path.display().to_string();
        let lines = Map::parse(&text).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(|error| format!("{path}: {error}")).collect();
            errors.join("; ")
        })?;
        let lines = lines.try_map(|_, spec| Ok::<_, String>(Slot::from(spec)))?;
        add_rule(directive, section, Source::Map(MapFile { path, lines }));
        Ok(())
    }
}

const DOMAIN_ENV: SectionRow = one_argument::<DomainEnv>(
    c"SELinuxDomainEnv",
    c"the environment variable whose value is the domain (type[:range]), as mod_authn_dbd, mod_authnz_ldap or SetEnvIf set it",
);

struct DomainEnv;

impl Setter for DomainEnv {
    type Configuration = Section;
    const PLACE: Place = Place::Anywhere;

    fn set(directive: &Directive<'_>, section: &mut Section, argument: &str) -> Result<(), String> {
        add_rule(directive, section, Source::Env(argument.to_owned()));
        Ok(())
    }
}

const DOMAIN_VAL: SectionRow =
    one_argument::<DomainVal>(c"SELinuxDomainVal", c"the domain (type[:range]) of every request here");

struct DomainVal;

impl Setter for DomainVal {
    type Configuration = Section;
    const PLACE: Place = Place::Anywhere;

    fn set(directive: &Directive<'_>, section: &mut Section, argument: &str) -> Result<(), String> {
        add_rule(directive, section, Source::Val(Slot::from(domain(argument)?)));
        Ok(())
    }
}

const DOMAIN_PEER: SectionRow = one_argument::<DomainPeer>(
    c"SELinuxDomainPeer",
    c"'none' (the default) or 'range': whether requests have the range of the client's labelled connection (NetLabel)",
);

struct DomainPeer;

impl Setter for DomainPeer {
    type Configuration = Section;
    const PLACE: Place = Place::Anywhere;

    fn set(directive: &Directive<'_>, section: &mut Section, argument: &str) -> Result<(), String> {
        if directive.is_limited() {
            return Err("not allowed in <Limit> and <LimitExcept>: it would hold for all methods".to_owned());
        }
        section.peer = Some(match argument.to_ascii_lowercase().as_str() {
            "none" => Peer::None,
            "range" => Peer::Range,
            _ => return Err(format!("takes none or range, not {argument}")),
        });
        let settings = Settings::of(directive.keeper());
        section.settings = Some(settings);
        if section.peer == Some(Peer::Range) {
            let _ = settings.reads_peer.set(());
        }
        Ok(())
    }
}

const UNMAPPED: SectionRow = one_argument::<UnmappedRequests>(
    c"SELinuxUnmapped",
    c"'refuse' (the default) or 'server': what becomes of a request that no rule matches",
);

struct UnmappedRequests;

impl Setter for UnmappedRequests {
    type Configuration = Section;
    const PLACE: Place = Place::Anywhere;

    fn set(_: &Directive<'_>, section: &mut Section, argument: &str) -> Result<(), String> {
        section.unmapped = Some(match argument.to_ascii_lowercase().as_str() {
            "refuse" => Unmapped::Refuse,
            "server" => Unmapped::Server,
            _ => return Err(format!("takes refuse or server, not {argument}")),
        });
        Ok(())
    }
}

const ALLOW_CACHES: SectionRow = one_argument::<AllowCaches>(
    c"SELinuxAllowCaches",
    c"On or Off (the default): whether mod_cache may store a confined response and show it to others",
);

struct AllowCaches;

impl Setter for AllowCaches {
    type Configuration = Section;
    const PLACE: Place = Place::Anywhere;

    fn set(_: &Directive<'_>, section: &mut Section, argument: &str) -> Result<(), String> {
        section.allow_caches = Some(flag(argument)?);
        Ok(())
    }
}

const REQUIRED: SectionRow = one_argument::<Required>(
    c"SELinuxRequired",
    c"On (the default) or Off: whether the server refuses to start where SELinux is off and rules stand",
);

struct Required;

impl Setter for Required {
    type Configuration = Section;
    const PLACE: Place = Place::Server;

    fn set(directive: &Directive<'_>, _: &mut Section, argument: &str) -> Result<(), String> {
        let set = Settings::of(directive.keeper()).required.set(flag(argument)?);
        set.map_err(|_| "is there already: remove one of the two".to_owned())
    }
}

fn domain(argument: &str) -> Result<DomainSpec, String> {
    DomainSpec::parse(argument).map_err(|error| error.to_string())
}

fn flag(argument: &str) -> Result<bool, String> {
    match argument.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("takes On or Off, not {argument}")),
    }
}

/// Puts a rule behind the section's others.
fn add_rule(directive: &Directive<'_>, section: &mut Section, source: Source<Slot, MapFile>) {
    let keeper = directive.keeper();
    let settings = Settings::of(keeper);
    let rule = Arc::new(Rule { location: directive.location(), source });
    settings.add(Arc::clone(&rule));
    let rule = keeper.put(Chain::rule(keeper.keep(rule)));
    section.settings = Some(settings);
    section.rules = Some(match section.rules {
        None => rule,
        Some(before) => keeper.put(Chain::then(before, rule)),
    });
}
