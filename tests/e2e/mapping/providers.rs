//! `SELinuxDomain`: httpd's own authorization providers say who gets which context.

mod directory;
mod outside;
mod trust;

use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, outcome};
use std::fmt::Write as _;

/// Lua pages. Who logs in does so below `/login`.
const BASE: &str = "
AddHandler lua-script .lua
<Location /login>
    AuthType Basic
    AuthName test
    AuthUserFile @ETC@/users
    Require valid-user
</Location>
";

/// Users by the files that httpd keeps them in, for `group`.
const GROUPS: &str = "staff: staff foo\nothers: bar\n";

/// What the page of a place tells a client that asks with these arguments of curl: its context but for user and
/// role, or the status.
fn told(path: &str, arguments: &[&str]) -> String {
    let url = if path.contains("://") { path.to_owned() } else { format!("http://127.0.0.1{path}") };
    let mut all = vec!["--silent", "--insecure", "--write-out", "\n%{http_code}", &url];
    all.extend(arguments);
    let output = outcome("curl", &all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{url}: {output:?}"));
    match body.strip_prefix("system_u:system_r:") {
        Some(context) if status == "200" => context.to_owned(),
        _ => status.to_owned(),
    }
}

/// As `told`, for a user (`foo`), somebody anonymous (``), or one with a header (`X-Group: staff`).
fn told_whom(place: &str, whom: &str) -> String {
    let page = format!("{place}/context.lua");
    match whom {
        "" => told(&page, &[]),
        "POST" => told(&page, &["--data", "x"]),
        header if header.contains(": ") => told(&page, &["--header", header]),
        user => told(&format!("/login{page}"), &["--user", &format!("{user}:{user}")]),
    }
}

/// A location each, numbered, with these rules; for `/login` as well.
fn places<'a>(rules: impl Iterator<Item = &'a str>) -> String {
    let mut configuration = String::new();
    for (number, rules) in rules.enumerate() {
        write!(
            configuration,
            "AliasMatch ^(/login)?/{number}/(.*) @ROOT@/$2\n\
             <LocationMatch ^(/login)?/{number}/>\n{rules}\n</LocationMatch>\n"
        )
        .unwrap();
    }
    configuration
}

const USER: &str = "user_webapp_t:s0:c1";
const ANON: &str = "anon_webapp_t:s0";
const NOT: &str = "403";
const FAILED: &str = "500";

type Case = (&'static str, &'static [(&'static str, &'static str)]);

/// Rules, and who gets which context by them.
const CASES: &[Case] = &[
    (
        "SELinuxDomain user_webapp_t:s0:c1 user foo staff",
        &[("foo", USER), ("staff", USER), ("bar", NOT), ("", NOT)],
    ),
    ("SELinuxDomain user_webapp_t:s0:c1 not user foo", &[("foo", NOT), ("bar", USER), ("", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 NOT valid-user", &[("foo", NOT), ("", USER)]),
    ("SELinuxDomain \"user_webapp_t:s0:c1\"   valid-user", &[("foo", USER), ("", NOT)]),
    (
        "AuthGroupFile @ETC@/groups\nSELinuxDomain user_webapp_t:s0:c1 group staff",
        &[("foo", USER), ("bar", NOT), ("", NOT)],
    ),
    (
        "AuthGroupFile @ETC@/groups\nSELinuxDomain user_webapp_t:s0:c1 not group staff",
        &[("foo", NOT), ("bar", USER), ("", USER)],
    ),
    ("SELinuxDomain user_webapp_t:s0:c1 ip 192.0.2.0/24 127.0.0.0/8", &[("", USER), ("foo", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 ip 192.0.2.0/24 ::1", &[("", NOT)]),
    ("SELinuxDomain user_webapp_t:s0:c1 not ip 192.0.2.0/24", &[("", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 local", &[("", USER)]),
    // Names of hosts are those of the guest's /etc/hosts.
    ("SELinuxDomain user_webapp_t:s0:c1 host localhost", &[("", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 host example.org", &[("", NOT)]),
    ("SELinuxDomain user_webapp_t:s0:c1 env NONE GROUP", &[("X-Group: staff", USER), ("", NOT)]),
    (
        "SELinuxDomain user_webapp_t:s0:c1 expr reqenv('GROUP') == 'staff' && %{REQUEST_METHOD} == 'GET'",
        &[("X-Group: staff", USER), ("X-Group: others", NOT), ("", NOT)],
    ),
    (
        "SELinuxDomain user_webapp_t:s0:c1 expr %{REMOTE_USER} =~ /^[fs]/",
        &[("foo", USER), ("staff", USER), ("bar", NOT)],
    ),
    ("SELinuxDomain user_webapp_t:s0:c1 method POST PUT", &[("", NOT), ("POST", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 all granted", &[("", USER), ("foo", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 all denied", &[("", NOT)]),
    ("SELinuxDomain user_webapp_t:s0:c1 not all denied", &[("", USER)]),
    // Aliases, with directives of their own.
    ("SELinuxDomain user_webapp_t:s0:c1 home", &[("", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 not home", &[("", NOT)]),
    ("SELinuxDomain user_webapp_t:s0:c1 colleagues", &[("bar", USER), ("foo", NOT), ("", NOT)]),
    // A module's own provider, which is asked under its name and with its arguments.
    ("SELinuxDomain user_webapp_t:s0:c1 lua GRANTED", &[("", USER)]),
    ("SELinuxDomain user_webapp_t:s0:c1 lua DENIED", &[("", NOT)]),
    ("SELinuxDomain user_webapp_t:s0:c1 lua NEUTRAL", &[("", NOT)]),
    ("SELinuxDomain user_webapp_t:s0:c1 not lua NEUTRAL", &[("", USER)]),
    // One that fails is not one that denies, nor one that does not.
    (
        "SELinuxDomain user_webapp_t:s0:c1 lua GENERAL_ERROR\nSELinuxDomainVal anon_webapp_t:s0",
        &[("", FAILED)],
    ),
    (
        "SELinuxDomain user_webapp_t:s0:c1 not lua GENERAL_ERROR\nSELinuxDomainVal anon_webapp_t:s0",
        &[("", FAILED)],
    ),
    ("SELinuxUnmapped server\nSELinuxDomain user_webapp_t:s0:c1 lua GENERAL_ERROR", &[("", FAILED)]),
    // It is asked only when the rules before it have not matched.
    (
        "SELinuxDomain user_webapp_t:s0:c1 valid-user\nSELinuxDomain anon_webapp_t:s0 lua GENERAL_ERROR",
        &[("foo", USER), ("", FAILED)],
    ),
    (
        "SELinuxDomain user_webapp_t:s0:c1 group staff\nSELinuxDomain anon_webapp_t:s0 all granted\nAuthGroupFile @ETC@/groups",
        &[("foo", USER), ("bar", ANON), ("", ANON)],
    ),
    // `group` says of a file that it cannot read, that nobody is in it.
    (
        "SELinuxDomain user_webapp_t:s0:c1 group staff\nSELinuxDomainVal anon_webapp_t:s0\nAuthGroupFile @ETC@/none",
        &[("foo", ANON)],
    ),
];

const PROVIDERS: &str = "
SetEnvIf X-Group (.+) GROUP=$1
LuaAuthzProvider lua @ETC@/provider.lua check
<AuthzProviderAlias ip home \"127.0.0.1 192.0.2.1\">
</AuthzProviderAlias>
<AuthzProviderAlias group colleagues others>
    AuthGroupFile @ETC@/groups
</AuthzProviderAlias>
";

const PROVIDER_LUA: &str = "
require 'apache2'
function check(r, answer)
    return apache2['AUTHZ_' .. answer]
end
";

#[test]
fn whom_a_provider_grants_gets_the_context() {
    let site = Site::new("granted");
    site.file("context.lua", CONTEXT_LUA);
    site.config_file("groups", GROUPS);
    site.config_file("provider.lua", PROVIDER_LUA);
    let places = places(CASES.iter().map(|(rules, _)| *rules));
    let configuration = format!("{BASE}{PROVIDERS}{places}");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "authz_groupfile"], &configuration);
    for (number, (rules, askers)) in CASES.iter().enumerate() {
        for (whom, expected) in *askers {
            assert_eq!(told_whom(&format!("/{number}"), whom), *expected, "{rules}\nas {whom:?}");
        }
    }
    // What failed is told, and not taken for anything else.
    httpd.logged(&["SEL0108", "`lua GENERAL_ERROR`"]);
    assert!(!httpd.log().contains("SEL0105"));
}

/// Configurations that httpd must not start with, and what it says.
const REFUSED: &[(&str, &[&str])] = &[
    ("SELinuxDomain", &["takes a domain, and for whom"]),
    ("SELinuxDomain user_webapp_t", &["SELinuxDomain user_webapp_t: names no provider"]),
    ("SELinuxDomain user_webapp_t not", &["names no provider"]),
    ("SELinuxDomain user_webapp_t nosuch thing", &["called nosuch", "load the module that has it"]),
    ("SELinuxDomain user_webapp_t group staff", &["called group", "load mod_authz_groupfile"]),
    ("SELinuxDomain user_webapp_t not ldap-group cn=staff", &["called ldap-group", "load mod_authnz_ldap"]),
    (
        "SELinuxDomain user_webapp_t ip 192.0.2.0/99",
        &["SELinuxDomain user_webapp_t ip 192.0.2.0/99: ", "'192.0.2.0/99' appears to be invalid"],
    ),
    ("SELinuxDomain user_webapp_t all", &["must be 'granted' or 'denied'"]),
    ("SELinuxDomain user_webapp_t expr %{REMOTE_USER", &["expr"]),
    ("SELinuxDomain user_webapp_t method BREW", &["BREW"]),
    ("SELinuxDomain user_webapp_t:c99999 all granted", &["SELinuxDomain user_webapp_t:c99999 all granted: "]),
    // Found by trying, as with all rules.
    ("SELinuxDomain nosuch_t all granted", &["SEL002", "httpd.conf:", "nosuch_t"]),
    // httpd would apply all of these to every method.
    (
        "<Location />\n<Limit GET>\nSELinuxDomain user_webapp_t all granted\n</Limit>\n</Location>",
        &["SELinuxDomain cannot occur within <Limit>"],
    ),
    (
        "<Location />\n<Limit GET>\nSELinuxDomainVal user_webapp_t\n</Limit>\n</Location>",
        &["SELinuxDomainVal cannot occur within <Limit>"],
    ),
    (
        "<Location />\n<LimitExcept GET>\nSELinuxDomainEnv NAME\n</LimitExcept>\n</Location>",
        &["SELinuxDomainEnv cannot occur within <Limit>"],
    ),
    (
        "<Location />\n<Limit GET>\nSELinuxDomainMap @ETC@/users\n</Limit>\n</Location>",
        &["SELinuxDomainMap cannot occur within <Limit>"],
    ),
    (
        "<Location />\n<Limit GET>\nSELinuxUnmapped server\n</Limit>\n</Location>",
        &["SELinuxUnmapped cannot occur within <Limit>"],
    ),
    (
        "<Location />\n<Limit GET>\nSELinuxAllowCaches On\n</Limit>\n</Location>",
        &["SELinuxAllowCaches cannot occur within <Limit>"],
    ),
];

#[test]
fn a_mistake_in_it_stops_the_start() {
    let site = Site::new("mistakes");
    for (rule, parts) in REFUSED {
        let told = Httpd::check_from_shell(&site, Mpm::Event, &[], rule).expect_err(rule);
        for part in *parts {
            assert!(told.contains(part), "{part} not in what is said of {rule}:\n{told}");
        }
    }
    let rule = "<If \"true\">\nSELinuxDomain user_webapp_t all granted\n</If>";
    Httpd::check_from_shell(&site, Mpm::Event, &[], rule).unwrap();
}
