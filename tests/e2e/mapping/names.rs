//! Names of users and groups: bytes, in which case counts unless a map says otherwise.

use crate::support::certificate::Certificate;
use crate::support::directory::Directory;
use crate::support::pages::CONTEXT_LUA;
use crate::support::selinux::Boolean;
use crate::support::{Httpd, Mpm, Site, library, outcome, raw, run};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

/// In ISO-8859-1, two users; neither is UTF-8.
const MUELLER: &[u8] = b"m\xfcller";
const MAELLER: &[u8] = b"m\xe4ller";

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let byte = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0));
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        let letter = |index: usize| match index <= bytes.len() {
            true => char::from(LETTERS[(number >> (18 - 6 * index)) as usize & 63]),
            false => '=',
        };
        [0, 1, 2, 3].map(letter)
    };
    bytes.chunks(3).flat_map(group).collect()
}

/// What a page says to a user, whose password is `password`: the body, or the status.
fn told(path: &str, user: &[u8], password: &str) -> String {
    let login = base64(&[user, b":", password.as_bytes()].concat());
    let reply = raw::exchange(&format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n"
    ));
    let reply = reply.expect("an answer");
    let status = reply.split(' ').nth(1).unwrap_or_default().to_owned();
    let (_, body) = reply.split_once("\r\n\r\n").unwrap_or_default();
    if status == "200" { body.to_owned() } else { status }
}

/// The same of the page that tells its context: the context but for user and role.
fn context(place: &str, user: &[u8], password: &str) -> String {
    let told = told(&format!("{place}/context.lua"), user, password);
    // In chunks, where httpd does not know the length before.
    let context = told.lines().find_map(|line| line.strip_prefix("system_u:system_r:"));
    context.map_or(told.clone(), str::to_owned)
}

/// A site whose password file has these users, whose password is `foo`.
fn site(name: &str, users: &[&[u8]]) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA);
    let lines = users.iter().map(|user| [user, &b":{SHA}C+7Hteo/D9vJXQ3UfzxbwnXaijM=\n"[..]].concat());
    fs::write(site.etc().join("users"), lines.collect::<Vec<_>>().concat()).unwrap();
    site
}

const LUA: &str = "AddHandler lua-script .lua\n";

#[test]
fn names_that_are_no_utf_8_are_not_each_other_nor_a_replacement() {
    let site = site("names-replaced", &[MUELLER, MAELLER, "m\u{fffd}ller".as_bytes()]);
    site.config_file("map", "\"m\u{fffd}ller\" user_webapp_t:s0:c99\n* user_webapp_t:s0:c51\n");
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua"], &format!("{LUA}SELinuxDomainMap @ETC@/map\n"));
    assert_eq!(context("/private", "m\u{fffd}ller".as_bytes(), "foo"), "user_webapp_t:s0:c99");
    for user in [MUELLER, MAELLER] {
        assert_eq!(context("/private", user, "foo"), "user_webapp_t:s0:c51", "{user:?}");
    }
}

const BYTES: &str = "
AddHandler lua-script .lua
LogLevel selinux:debug
<Location /private>
    AuthGroupFile @ETC@/groups
    SELinuxDomainMap @ETC@/map
</Location>
<Location /private/fst>
    SELinuxDomainMap fst:@ETC@/map.fst
</Location>
<If \"%{QUERY_STRING} == 'explain'\">
    SELinuxExplain On
</If>
";

#[test]
fn names_are_bytes_in_maps_group_files_logs_and_the_tool() {
    let utf8 = "m\u{fc}ller".as_bytes();
    let escaped = br"m\xfcller";
    let site = site("names-bytes", &[MUELLER, MAELLER, utf8, escaped, b"CORP\\alice", b"foo"]);
    site.file("fst/context.lua", CONTEXT_LUA);
    fs::write(site.etc().join("groups"), b"caf\xe9: m\xe4ller\ncaf\xe8: foo\n").unwrap();
    let map = site.config_file(
        "map",
        "\"m\\xfcller\" user_webapp_t:s0:c1\nm\u{fc}ller user_webapp_t:s0:c2\nm\\xfcller user_webapp_t:s0:c3\n\
         @\"caf\\xe9\" user_webapp_t:s0:c4\nCORP\\alice user_webapp_t:s0:c5\n* user_webapp_t:s0:c51\n",
    );
    let compiled = site.config_file("map.fst", "");
    let tool = library("selinux-map");
    let tool = tool.to_str().unwrap();
    run(tool, &["build", &map, "-o", &compiled]);
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "authz_groupfile"], BYTES);
    let cases: &[(&[u8], u32, &str)] = &[
        (MUELLER, 1, r#""m\xfcller""#),
        (utf8, 2, "m\u{fc}ller"),
        (escaped, 3, r#""m\\xfcller""#),
        (MAELLER, 4, r#""m\xe4ller""#),
        (b"CORP\\alice", 5, r#""CORP\\alice""#),
        (b"foo", 51, "foo"),
    ];
    for (user, category, shown) in cases {
        let expected = format!("user_webapp_t:s0:c{category}");
        for place in ["/private", "/private/fst"] {
            assert_eq!(context(place, user, "foo"), expected, "{shown} {place}");
        }
        let explained = told("/private/context.lua?explain", user, "foo");
        assert!(
            explained.contains(&format!("user     {shown}\r\n"))
                || explained.contains(&format!("user     {shown}\n")),
            "{explained}"
        );
        let output = Command::new(tool)
            .args(["explain", "--group", "none", "--user"])
            .arg(OsStr::from_bytes(user))
            .args(["--json", &compiled])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let by_group = *user == MAELLER;
        let domain = if by_group { "user_webapp_t:s0:c51" } else { &expected };
        assert!(text.contains(&format!("\"domain\": \"{domain}\"")), "{shown} {text}");
    }
    let explained = told("/private/context.lua?explain", MAELLER, "foo");
    assert!(explained.contains(r#"groups   "caf\xe9""#), "{explained}");
    // As in a map; httpd's log has a backslash before each backslash, and bytes for what is not ASCII.
    for name in [
        r#"user "m\\xfcller", rule"#,
        r#"user "m\\xe4ller", rule"#,
        r#"user "m\xc3\xbcller", rule"#,
        r#"user "m\\\\xfcller", rule"#,
    ] {
        httpd.logged(&["SEL0030", name]);
    }
}

#[test]
fn a_variable_that_is_no_utf_8_is_refused_as_that() {
    let site = site("names-variable", &[]);
    let configuration = format!("{LUA}SetEnvIf X-Domain (.+) DOMAIN=$1\nSELinuxDomainEnv DOMAIN\n");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    let output = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--header"])
        .arg(OsStr::from_bytes(b"X-Domain: user_webapp_t:Caf\xe9"))
        .arg("http://127.0.0.1/context.lua")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "500");
    httpd.logged(&["SEL0105", "DOMAIN", "the domain is not UTF-8"]);
}

const WSGI: &str = "
def handle_request(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'ran in httpd']
";

#[test]
fn a_python_handler_whose_name_is_no_utf_8_is_refused_as_others_are() {
    let site = site("names-handler", &[]);
    site.file("app.py", WSGI).file("page.own", "");
    let script = site.root().join("app.py");
    let lines = [
        &b"WSGIHandlerScript h\xe4ndler "[..],
        script.as_os_str().as_bytes(),
        b"\nAddHandler h\xe4ndler .own\n",
    ];
    site.config_file("handler.conf", "");
    fs::write(site.etc().join("handler.conf"), lines.concat()).unwrap();
    let configuration = "Include @ETC@/handler.conf
        Alias /mapped @ROOT@
        <Location /mapped>
            SELinuxDomainVal user_webapp_t:s0:c1
        </Location>";
    let httpd = Httpd::start(&site, Mpm::Event, &["wsgi"], configuration);
    assert_eq!(httpd.get("/page.own", None).body, "ran in httpd");
    let reply = httpd.client().try_get("/mapped/page.own", None, &[]);
    let log = httpd.logged(&["SEL0110"]);
    assert_eq!(reply.map(|reply| reply.status).ok(), Some(500), "{log}");
}

const DIRECTORY: &str = "
AddHandler lua-script .lua
LDAPTrustedGlobalCert CA_BASE64 @ETC@/ca.pem
AliasMatch ^/(exact|ignoring|compiled|one|cached)/(.*) @ROOT@/$2
<LocationMatch ^/(exact|ignoring|compiled|one|cached)/>
    AuthType Basic
    AuthName test
    AuthBasicProvider ldap
    AuthLDAPURL \"ldap://localhost/ou=people,dc=example,dc=org?uid?one\" STARTTLS
    Require valid-user
    AuthGroupFile @ETC@/groups
</LocationMatch>
<Location /exact>
    SELinuxDomainMap @ETC@/exact
</Location>
<Location /ignoring>
    SELinuxDomainMap @ETC@/ignoring
</Location>
<Location /compiled>
    SELinuxDomainMap fst:@ETC@/ignoring.fst
</Location>
<Location /one>
    SELinuxDomainMap @ETC@/exact
    AuthLDAPURL \"ldap://localhost/ou=people,dc=example,dc=org?uid?one\" STARTTLS
    AuthLDAPRemoteUserAttribute uid
</Location>
<Location /cached>
    SELinuxDomainMap @ETC@/exact
    AuthLDAPURL \"ldap://localhost/ou=people,dc=example,dc=org?uid?one\" STARTTLS
    AuthLDAPRemoteUserAttribute uid
    AuthBasicProvider socache ldap
    AuthnCacheProvideFor ldap
</Location>
";

const PEOPLE: &str = "
dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit

dn: uid=bar,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Bar
sn: Bar
userPassword: bar

dn: uid=m\u{fc}ller,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Mueller
sn: Mueller
userPassword: bar

dn: uid=foo,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Foo
sn: Foo
userPassword: bar
";

const LINES: &str = "bar user_webapp_t:s0:c1\nm\u{fc}ller user_webapp_t:s0:c2\n@staff user_webapp_t:s0:c3\n\
                     * anon_webapp_t:s0:c51\n";

#[test]
fn who_logs_in_as_another_spelling_gets_their_line_where_the_map_ignores_case() {
    let site = site("names-case", &[]);
    let boolean = Boolean::off(&["httpd_can_connect_ldap", "httpd_can_network_connect_ldap"]);
    boolean.on();
    let directory = Directory::start(&Certificate::new(&site));
    directory.modify(PEOPLE);
    site.config_file("groups", "Staff: foo\n");
    site.config_file("exact", LINES);
    let map = site.config_file("ignoring", &format!("ignore-case\n{LINES}"));
    let compiled = site.config_file("ignoring.fst", "");
    run(library("selinux-map").to_str().unwrap(), &["build", &map, "-o", &compiled]);
    let modules = ["lua", "ldap", "authnz_ldap", "authz_groupfile", "socache_shmcb", "authn_socache"];
    let _httpd = Httpd::start(&site, Mpm::Event, &modules, DIRECTORY);
    let [bar, mueller, staff, other] =
        ["user_webapp_t:s0:c1", "user_webapp_t:s0:c2", "user_webapp_t:s0:c3", "anon_webapp_t:s0:c51"];
    for (user, exact, ignoring, one) in [
        ("bar", bar, bar, bar),
        ("BAR", other, bar, bar),
        ("Bar", other, bar, bar),
        ("m\u{fc}ller", mueller, mueller, mueller),
        ("M\u{dc}LLER", other, mueller, mueller),
        // To the directory, the same as well; to a map, only the attribute's spelling helps.
        ("mu\u{308}ller", other, other, mueller),
        ("bar ", other, other, bar),
        ("foo", staff, staff, staff),
        ("FOO", other, staff, staff),
    ] {
        let of = |place| context(place, user.as_bytes(), "bar");
        // Twice: what a cache has must not change it.
        for _ in 0..2 {
            assert_eq!(
                ["/exact", "/ignoring", "/compiled", "/one", "/cached"].map(of),
                [exact, ignoring, ignoring, one, one],
                "{user:?}"
            );
        }
    }
    // With the password file's spelling, which httpd itself compares exactly, the directory has no part in it.
    assert_eq!(context("/ignoring", b"BAR", "wrong"), "401");
}

#[test]
fn a_map_in_which_two_names_are_one_when_case_is_ignored_keeps_httpd_from_starting() {
    let site = site("names-ambiguous", &[b"bar"]);
    let lines = "bar user_webapp_t:s0:c1\n@staff user_webapp_t:s0:c2\nBAR user_webapp_t:s0:c3\n";
    site.config_file("map", &format!("# AD\nignore-case\n{lines}"));
    let configuration = format!("{LUA}SELinuxDomainMap @ETC@/map\n");
    let told =
        Httpd::check_from_shell(&site, Mpm::Event, &["lua"], &configuration).expect_err("it is refused");
    for part in ["line 5, column 1: `bar`", "line 3 is for the same one, as the map ignores case"] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let tool = outcome(
        library("selinux-map").to_str().unwrap(),
        &["check", site.etc().join("map").to_str().unwrap()],
    );
    assert_eq!(tool.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&tool.stdout).contains("map:5:1: error: `bar`: line 3 is for the same one"),
        "{tool:?}"
    );
}
