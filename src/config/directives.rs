//! The directives: each a row of the table, and a setter. Here are those of sections.

use crate::config::arguments::{domain, flag};
use crate::config::rule::{self, Granted, MapFile, Slot};
use crate::config::server_directives::{
    BROKER, INTERPRETERS, PRIVATE_TMP, REQUIRED, SERVER_DOMAIN, SERVER_HANDLER, WORKER,
};
use crate::config::settings::{Section, Selinux, Settings};
use crate::httpd::directive::{
    Directive, DirectiveContext, DirectiveTable, Row, Setter, Words, WordsSetter, one_argument, words,
};
use crate::httpd::provider::ProviderError;
use crate::maps::{FileKind, Source};
use mapping::{DomainSpec, Network, Peer, Rule, RuleList, Unmapped};
use std::sync::Arc;

/// All directives of the module.
pub static TABLE: DirectiveTable<Selinux, 16> = DirectiveTable::new([
    SERVER_DOMAIN,
    DOMAIN_MAP,
    GROUP_FILE,
    DOMAIN_ENV,
    DOMAIN_VAL,
    DOMAIN,
    DOMAIN_PEER,
    UNMAPPED,
    ALLOW_CACHES,
    EXPLAIN,
    REQUIRED,
    WORKER,
    INTERPRETERS,
    SERVER_HANDLER,
    PRIVATE_TMP,
    BROKER,
]);

type SectionRow = Row<Selinux>;

const DOMAIN_MAP: SectionRow = one_argument::<DomainMap>(
    c"SELinuxDomainMap",
    c"[txt:|fst:]file: on each line a user, @group, an address or network, __anonymous__ or *, and a domain (type[:range])",
);

struct DomainMap;

impl Setter for DomainMap {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(directive: &Directive<'c>, section: &mut Section<'c>, argument: &str) -> Result<(), String> {
        let (kind, name) = match argument.split_once(':') {
            Some(("fst", name)) => (FileKind::Compiled, name),
            Some(("txt", name)) => (FileKind::Text, name),
            _ => (FileKind::Text, argument),
        };
        let number = source(directive, kind, name)?;
        let file = {
            let configured = Settings::of(directive.keeper()).configured();
            let loaded = &configured.sources.all()[number];
            if let Some(Err(faults)) = &loaded.result {
                return Err(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
            }
            loaded.source.clone()
        };
        add_rule(directive, section, Rule::Map(MapFile { number, file }));
        Ok(())
    }
}

/// The number of a file that rules read, read now.
fn source(directive: &Directive<'_>, kind: FileKind, name: &str) -> Result<usize, String> {
    let path = directive.path(name).ok_or_else(|| format!("{name} is no path"))?;
    Ok(Settings::of(directive.keeper()).configured().sources.number(Source { kind, path }))
}

const GROUP_FILE: SectionRow = one_argument::<GroupFile>(
    c"AuthGroupFile",
    c"mod_authz_groupfile's: lines for groups (@group) in maps go by the same file",
);

/// httpd gives a directive to every module that has it.
struct GroupFile;

impl Setter for GroupFile {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::AuthConfig;

    fn set<'c>(directive: &Directive<'c>, section: &mut Section<'c>, argument: &str) -> Result<(), String> {
        // Whoever writes `.htaccess` must not choose a label: of group files, only the administrator's counts.
        if !directive.is_in_htaccess() {
            section.group_file = Some(source(directive, FileKind::Groups, argument)?);
        }
        Ok(())
    }
}

const DOMAIN_ENV: SectionRow = one_argument::<DomainEnv>(
    c"SELinuxDomainEnv",
    c"the environment variable whose value is the domain (type[:range]), as mod_authn_dbd, mod_authnz_ldap or SetEnvIf set it",
);

struct DomainEnv;

impl Setter for DomainEnv {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(directive: &Directive<'c>, section: &mut Section<'c>, argument: &str) -> Result<(), String> {
        add_rule(directive, section, Rule::Env(argument.to_owned()));
        Ok(())
    }
}

const DOMAIN_VAL: SectionRow =
    one_argument::<DomainVal>(c"SELinuxDomainVal", c"the domain (type[:range]) of every request here");

struct DomainVal;

impl Setter for DomainVal {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(directive: &Directive<'c>, section: &mut Section<'c>, argument: &str) -> Result<(), String> {
        add_rule(directive, section, Rule::Val(Slot::from(domain(argument)?)));
        Ok(())
    }
}

const DOMAIN: SectionRow = words::<Domain>(
    c"SELinuxDomain",
    c"a domain (type[:range]), and for whom: the arguments of Require (group staff, not ip 10.0.0.0/8, ...)",
);

struct Domain;

impl WordsSetter for Domain {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(
        directive: &Directive<'c>,
        section: &mut Section<'c>,
        mut words: Words<'_>,
    ) -> Result<(), String> {
        let spec =
            words.next().ok_or("takes a domain, and for whom: SELinuxDomain SPEC [not] PROVIDER ...")?;
        let slot = Slot::from(DomainSpec::parse_bytes(spec.to_bytes()).map_err(|error| error.to_string())?);
        let mut rest = words;
        let negated = rest.next().is_some_and(|word| word.to_bytes().eq_ignore_ascii_case(b"not"));
        let words = if negated { rest } else { words };
        let name = words.clone().next().ok_or("names no provider: what would stand after Require?")?;
        let name = name.to_string_lossy();
        let provider = directive.provider(words).map_err(|error| match error {
            ProviderError::Unknown => {
                let module = module_of(&name).unwrap_or("the module that has it");
                format!("no authorization provider is called {name}: load {module}, or define an alias above")
            }
            ProviderError::Arguments(reason) => reason,
        })?;
        add_rule(directive, section, Rule::Provider(Granted { slot, provider, negated }));
        Ok(())
    }
}

const DOMAIN_PEER: SectionRow = one_argument::<DomainPeer>(
    c"SELinuxDomainPeer",
    c"'none' (the default) or 'range': whether requests have the range of the client's labelled connection (NetLabel)",
);

struct DomainPeer;

impl Setter for DomainPeer {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(directive: &Directive<'c>, section: &mut Section<'c>, argument: &str) -> Result<(), String> {
        section.peer = Some(match argument.to_ascii_lowercase().as_str() {
            "none" => Peer::None,
            "range" => Peer::Range,
            _ => return Err(format!("takes none or range, not {argument}")),
        });
        let mut configured = Settings::of(directive.keeper()).configured();
        if let Some(before) = section.peer_number.take() {
            configured.peers[before] = None;
        }
        if section.peer == Some(Peer::Range) {
            configured.reads_peer = true;
            section.peer_number = Some(configured.peers.len());
            configured.peers.push(Some(directive.location()));
        }
        Ok(())
    }
}

/// The module of httpd that has a provider.
fn module_of(provider: &str) -> Option<&'static str> {
    Some(match provider {
        "user" | "valid-user" => "mod_authz_user",
        "group" => "mod_authz_groupfile",
        "file-owner" => "mod_authz_owner",
        "file-group" => "mod_authz_groupfile and mod_authz_owner",
        "ip" | "host" | "forward-dns" | "local" => "mod_authz_host",
        "all" | "env" | "expr" | "method" => "mod_authz_core",
        "ssl" | "ssl-verify-client" => "mod_ssl",
        "dbd-group" | "dbd-login" | "dbd-logout" => "mod_authz_dbd",
        "dbm-group" | "dbm-file-group" => "mod_authz_dbm",
        "ldap-user" | "ldap-group" | "ldap-dn" | "ldap-attribute" | "ldap-filter" | "ldap-search" => {
            "mod_authnz_ldap"
        }
        _ => return None,
    })
}

const UNMAPPED: SectionRow = one_argument::<UnmappedRequests>(
    c"SELinuxUnmapped",
    c"'refuse' (the default) or 'server': what becomes of a request that no rule matches",
);

struct UnmappedRequests;

impl Setter for UnmappedRequests {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(_: &Directive<'c>, section: &mut Section<'c>, argument: &str) -> Result<(), String> {
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
    c"On or Off (the default): whether mod_cache may store responses where rules stand, and show them to others",
);

struct AllowCaches;

impl Setter for AllowCaches {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(_: &Directive<'c>, section: &mut Section<'c>, argument: &str) -> Result<(), String> {
        section.allow_caches = Some(flag(argument)?);
        Ok(())
    }
}

const EXPLAIN: SectionRow = words::<Explain>(
    c"SELinuxExplain",
    c"Off (the default), or On and addresses or networks (this host's by default): who gets told how a request is decided, instead of what was asked for",
);

struct Explain;

impl WordsSetter for Explain {
    type Module = Selinux;
    const CONTEXT: DirectiveContext = DirectiveContext::Anywhere;

    fn set<'c>(
        directive: &Directive<'c>,
        section: &mut Section<'c>,
        mut words: Words<'_>,
    ) -> Result<(), String> {
        let is_on = words.next().map(|word| flag(&word.to_string_lossy()));
        let is_on = is_on.unwrap_or_else(|| Err("takes On or Off, and addresses".to_owned()))?;
        let networks =
            words.map(|word| Network::parse(&word.to_string_lossy()).map_err(|error| error.to_string()));
        let mut networks = networks.collect::<Result<Vec<_>, _>>()?;
        match is_on {
            true if networks.is_empty() => {
                let local = ["127.0.0.0/8", "::1"].into_iter();
                networks = local.filter_map(|network| Network::parse(network).ok()).collect();
            }
            true => {}
            false if networks.is_empty() => {}
            false => return Err("takes no addresses where it is Off".to_owned()),
        }
        section.explain = Some(directive.keeper().keep(networks));
        Ok(())
    }
}

/// Puts a rule behind the section's others.
fn add_rule<'c>(directive: &Directive<'c>, section: &mut Section<'c>, source: Rule<Slot, MapFile, Granted>) {
    let keeper = directive.keeper();
    let rule = Arc::new(rule::Rule::new(directive.location(), source));
    Settings::of(keeper).configured().rules.push(Arc::clone(&rule));
    let rule = keeper.put(RuleList::rule(keeper.keep(rule)));
    section.rules = Some(match section.rules {
        None => rule,
        Some(before) => keeper.put(RuleList::then(before, rule)),
    });
}
