//! What can be written in a mapping, and what it means: domain specs, map lines, sections.

use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, outcome, run, wait_for};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const HANDLER: &str = "AddHandler lua-script .lua\n";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA);
    site
}

/// What the page that tells its context answers to `curl arguments`: the status, and the context but for user
/// and role.
fn context(arguments: &[&str]) -> (u16, String) {
    let mut all = vec!["--silent", "--globoff", "--write-out", "\n%{http_code}"];
    all.extend(arguments);
    let text = run("curl", &all);
    let (body, status) = text.rsplit_once('\n').unwrap();
    let status = status.parse().unwrap();
    let context = body.strip_prefix("system_u:system_r:").filter(|_| status == 200);
    (status, context.unwrap_or_default().to_owned())
}

#[test]
fn every_form_of_a_domain_is_completed_from_the_server() {
    let site = site("forms");
    let forms = [
        ("user_webapp_t", "user_webapp_t:s0:c9"),
        ("user_webapp_t:*", "user_webapp_t:s0:c9"),
        ("user_webapp_t:s0", "user_webapp_t:s0"),
        ("user_webapp_t:s0:c1", "user_webapp_t:s0:c1"),
        ("user_webapp_t:s0:c5,c3,c4", "user_webapp_t:s0:c3.c5"),
        ("user_webapp_t:s0-s0:c0.c3", "user_webapp_t:s0-s0:c0.c3"),
        ("*:s0:c7", "httpd_t:s0:c7"),
        ("*", "httpd_t:s0:c9"),
        ("*:*", "httpd_t:s0:c9"),
        ("system_u:system_r:user_webapp_t:s0:c3", "user_webapp_t:s0:c3"),
    ];
    let mut configuration = format!("{HANDLER}SELinuxServerDomain *:s0:c9\n");
    for (number, (spec, _)) in forms.iter().enumerate() {
        write!(
            configuration,
            "Alias /{number}/ @ROOT@/\n<Location /{number}/>\nSELinuxDomainVal {spec}\n</Location>\n"
        )
        .unwrap();
    }
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    for (number, (spec, expected)) in forms.iter().enumerate() {
        let body = httpd.get(&format!("/{number}/context.lua"), None).body;
        assert_eq!(body, format!("system_u:system_r:{expected}"), "{spec}");
    }
}

/// The daemon that knows names of ranges, as `/etc/selinux/*/setrans.conf` has them.
struct Translator;

impl Translator {
    const UNIT: &str = "test-mcstransd";

    fn start() -> Translator {
        let arguments = ["--quiet", "--collect", "--unit", Self::UNIT, "-p", "Type=exec", "mcstransd", "-f"];
        run("systemd-run", &arguments);
        let translator = Translator;
        wait_for("mcstransd's socket", Duration::from_secs(10), || {
            Path::new("/run/setrans/.setrans-unix").exists().then_some(())
        });
        translator
    }
}

impl Drop for Translator {
    fn drop(&mut self) {
        let _ = outcome("systemctl", &["stop", Self::UNIT]);
    }
}

const TRANSLATED: &str = "
Alias /map @ROOT@
<Location /map>
    SELinuxDomainMap @ETC@/map
</Location>
Alias /env @ROOT@
<Location /env>
    SELinuxDomainEnv DOMAIN
    SetEnvIf X-Domain (.+) DOMAIN=$1
</Location>
Alias /val @ROOT@
<Location /val>
    SELinuxDomainVal *:SystemLow-SystemHigh
</Location>
";

#[test]
fn ranges_have_the_names_that_mcstransd_knows() {
    let site = site("translated");
    site.config_file("map", "* user_webapp_t:SystemHigh\n");
    let configuration = format!("{HANDLER}{TRANSLATED}");
    let translator = Translator::start();
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    for (place, header, expected) in [
        ("map", "", "user_webapp_t:s0:c0.c1023"),
        ("val", "", "httpd_t:s0-s0:c0.c1023"),
        ("env", "X-Domain: user_webapp_t:SystemLow", "user_webapp_t:s0"),
        ("env", "X-Domain: user_webapp_t:SystemHigh", "user_webapp_t:s0:c0.c1023"),
    ] {
        let url = format!("http://127.0.0.1/{place}/context.lua");
        assert_eq!(context(&["--header", header, &url]), (200, expected.to_owned()), "{place} {header}");
    }
    // A name that stands for nothing is an error, not 'no match'.
    let url = "http://127.0.0.1/env/context.lua";
    assert_eq!(context(&["--header", "X-Domain: user_webapp_t:Nosuch", url]).0, 500);
    httpd.logged(&["SEL0105", "DOMAIN", "`Nosuch` is not known"]);
    drop((httpd, translator));
    let told = Httpd::try_start(&site, Mpm::Event, &["lua"], &configuration, &[]).err().expect("no start");
    for (place, name) in [("map:1", "SystemHigh"), ("httpd.conf:", "SystemLow-SystemHigh")] {
        let parts = [place, &format!("the range `{name}` is not known")];
        assert!(
            told.lines().any(|line| parts.iter().all(|part| line.contains(part))),
            "{parts:?} not in:\n{told}"
        );
    }
}

/// Map files, and who gets which context by them. Who asks, asks from `127.0.0.1` unless it says otherwise.
const MAPS: &[(&str, &[(&str, &str)])] = &[
    (
        "127.0.0.2 user_webapp_t:s0:c1\n127.0.0.0/8 user_webapp_t:s0:c2\n::1 user_webapp_t:s0:c3\n",
        &[
            ("anonymous from 127.0.0.2", "user_webapp_t:s0:c1"),
            ("anonymous", "user_webapp_t:s0:c2"),
            ("anonymous from ::1", "user_webapp_t:s0:c3"),
            ("foo from ::1", "user_webapp_t:s0:c3"),
        ],
    ),
    // A client of IPv4 is in no network of IPv6, whatever kind of socket it came through.
    ("::/0 user_webapp_t:s0:c1\n", &[("anonymous from ::1", "user_webapp_t:s0:c1"), ("anonymous", "403")]),
    (
        "0.0.0.0/0 user_webapp_t:s0:c1\n",
        &[("anonymous", "user_webapp_t:s0:c1"), ("anonymous from ::1", "403")],
    ),
    (
        "192.0.2.0/24 user_webapp_t:s0:c1\n2001:db8::/32 user_webapp_t:s0\n127.0.0.0/31 anon_webapp_t:s0\n",
        &[
            ("anonymous", "anon_webapp_t:s0"),
            ("anonymous from 127.0.0.2", "403"),
            ("anonymous from ::1", "403"),
        ],
    ),
    // Of networks, the one with the longest prefix.
    (
        "127.0.0.0/8 user_webapp_t:s0:c1\n127.0.0.2 user_webapp_t:s0:c2\n127.0.0.0/30 user_webapp_t:s0:c3\n",
        &[
            ("anonymous", "user_webapp_t:s0:c3"),
            ("anonymous from 127.0.0.2", "user_webapp_t:s0:c2"),
            ("foo from 127.0.0.9", "user_webapp_t:s0:c1"),
        ],
    ),
    // Whatever the kinds, the first line that applies decides.
    (
        "foo user_webapp_t:s0:c0\n127.0.0.0/8 anon_webapp_t:s0:c1\n__anonymous__ anon_webapp_t:s0\n",
        &[
            ("foo", "user_webapp_t:s0:c0"),
            ("bar", "anon_webapp_t:s0:c1"),
            ("anonymous", "anon_webapp_t:s0:c1"),
            ("anonymous from ::1", "anon_webapp_t:s0"),
            ("bar from ::1", "403"),
        ],
    ),
    (
        "127.0.0.1 anon_webapp_t:s0:c1\nfoo user_webapp_t:s0:c0\n",
        &[("foo", "anon_webapp_t:s0:c1"), ("foo from 127.0.0.2", "user_webapp_t:s0:c0")],
    ),
    (
        "foo user_webapp_t:s0:c0\n* anon_webapp_t:s0\nbar user_webapp_t:s0:c1\n",
        &[("foo", "user_webapp_t:s0:c0"), ("bar", "anon_webapp_t:s0"), ("anonymous", "anon_webapp_t:s0")],
    ),
    // An empty map is a rule that matches nobody.
    ("# nobody\n", &[("foo", "403")]),
];

#[test]
fn the_first_line_of_a_map_that_applies_decides() {
    let site = site("maps");
    let mut configuration = format!(
        "{HANDLER}<Location /login>\nAuthType Basic\nAuthName test\nAuthUserFile @ETC@/users\n\
         Require valid-user\n</Location>\n"
    );
    for (number, (map, _)) in MAPS.iter().enumerate() {
        site.config_file(&format!("map{number}"), map);
        write!(
            configuration,
            "AliasMatch ^(/login)?/{number}/(.*) @ROOT@/$2\n\
             <LocationMatch ^(/login)?/{number}/>\nSELinuxDomainMap @ETC@/map{number}\n</LocationMatch>\n"
        )
        .unwrap();
    }
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    for (number, (map, askers)) in MAPS.iter().enumerate() {
        for (asker, expected) in *askers {
            let (user, source) = asker.split_once(" from ").unwrap_or((asker, "127.0.0.1"));
            let host = if source == "::1" { "[::1]" } else { "127.0.0.1" };
            let login = if user == "anonymous" { "" } else { "/login" };
            let url = format!("http://{host}{login}/{number}/context.lua");
            let (status, context) =
                context(&["--interface", source, "--user", &format!("{user}:{user}"), &url]);
            let got = if status == 200 { context } else { status.to_string() };
            assert_eq!(got, *expected, "{asker}, by the map\n{map}");
        }
    }
    // Only the one kind of refusal was seen.
    assert!(!httpd.log().contains("SEL0105") && httpd.log().contains("SEL0104"));
}

const SECTIONS: &str = "
<Directory @ROOT@>
    AuthType Basic
    AuthName test
    AuthUserFile @ETC@/users
    Require valid-user
</Directory>
SELinuxDomainMap @ETC@/outer
SELinuxUnmapped server
<Directory @ROOT@/a>
    SELinuxDomainVal user_webapp_t:s0:c1
</Directory>
<Directory @ROOT@/a/b>
    SELinuxDomainMap @ETC@/inner
    SELinuxDomainEnv DOMAIN
</Directory>
<Files special.lua>
    SELinuxDomainMap txt:@ETC@/inner
</Files>
<Location /a/b/location>
    SELinuxDomainVal user_webapp_t:s0:c7
</Location>
<If \"%{QUERY_STRING} == 'if'\">
    SELinuxDomainVal user_webapp_t:s0:c8
</If>
<Directory @ROOT@/strict>
    SELinuxUnmapped refuse
</Directory>
SetEnvIf X-Domain (.+) DOMAIN=$1
";

#[test]
fn a_network_is_the_clients_as_mod_remoteip_leaves_it() {
    let site = site("remoteip");
    site.config_file("map", "198.51.100.0/24 user_webapp_t:s0:c1\n127.0.0.0/8 user_webapp_t:s0:c2\n");
    let configuration = format!(
        "{HANDLER}SELinuxDomainMap @ETC@/map\nRemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n"
    );
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua", "remoteip"], &configuration);
    let url = "http://127.0.0.1/context.lua";
    for (source, header, category) in [
        ("127.0.0.1", "X-Forwarded-For: 198.51.100.7", "c1"),
        ("127.0.0.1", "X-Other: 198.51.100.7", "c2"),
        // Whom nobody trusts with it says it in vain.
        ("127.0.0.2", "X-Forwarded-For: 198.51.100.7", "c2"),
    ] {
        let expected = (200, format!("user_webapp_t:s0:{category}"));
        assert_eq!(context(&["--interface", source, "--header", header, url]), expected, "{source} {header}");
    }
}

#[test]
fn the_innermost_sections_rules_are_tried_first_then_its_parents() {
    let site = site("sections");
    site.config_file("outer", "foo user_webapp_t:s0:c0\n");
    site.config_file("inner", "bar user_webapp_t:s0:c2\n");
    for folder in ["a", "a/b", "a/b/location", "strict"] {
        site.file(&format!("{folder}/context.lua"), CONTEXT_LUA);
    }
    for folder in ["", "a/"] {
        site.file(&format!("{folder}special.lua"), CONTEXT_LUA);
    }
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua"], &format!("{HANDLER}{SECTIONS}"));
    for (page, user, header, expected) in [
        ("context.lua", "foo", "", "user_webapp_t:s0:c0"),
        // Unmapped, and `server` says what to do.
        ("context.lua", "bar", "", "httpd_t:s0"),
        ("strict/context.lua", "foo", "", "user_webapp_t:s0:c0"),
        ("strict/context.lua", "bar", "", "403"),
        ("a/context.lua", "foo", "", "user_webapp_t:s0:c1"),
        ("a/b/context.lua", "bar", "", "user_webapp_t:s0:c2"),
        // The map comes before the variable, the variable before the parent's rules.
        ("a/b/context.lua", "bar", "X-Domain: anon_webapp_t:s0:c3", "user_webapp_t:s0:c2"),
        ("a/b/context.lua", "foo", "X-Domain: anon_webapp_t:s0:c3", "anon_webapp_t:s0:c3"),
        ("a/b/context.lua", "foo", "", "user_webapp_t:s0:c1"),
        ("special.lua", "bar", "", "user_webapp_t:s0:c2"),
        ("special.lua", "foo", "", "user_webapp_t:s0:c0"),
        ("a/special.lua", "foo", "", "user_webapp_t:s0:c1"),
        ("a/b/location/context.lua", "bar", "", "user_webapp_t:s0:c7"),
        ("a/b/location/context.lua?if", "bar", "", "user_webapp_t:s0:c8"),
    ] {
        let user_and_password = format!("{user}:{user}");
        let url = format!("http://127.0.0.1/{page}");
        let (status, context) = context(&["--user", &user_and_password, "--header", header, &url]);
        let got = if status == 200 { context } else { status.to_string() };
        assert_eq!(got, expected, "{page} as {user} {header}");
    }
}
