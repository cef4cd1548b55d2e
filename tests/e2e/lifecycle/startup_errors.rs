//! A server that must not start: what it says, and that `httpd -t` says it too.

use crate::support::distribution::log_folder;
use crate::support::pages::CONTEXT_LUA;
use crate::support::selinux::Permissive;
use crate::support::{Httpd, Mpm, Site};

const MODULES: &[&str] = &["lua", "cgi", "http2"];

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA);
    site
}

/// What httpd says where it must not start: `[when started, httpd -t as the service, httpd -t from a shell]`.
fn told(site: &Site, configuration: &str) -> [(&'static str, String); 3] {
    let started = Httpd::try_start(site, Mpm::Event, MODULES, configuration, &[]).err();
    let checked = Httpd::check(site, Mpm::Event, MODULES, configuration).err();
    let from_shell = Httpd::check_from_shell(site, Mpm::Event, MODULES, configuration).err();
    [("the start", started), ("httpd -t", checked), ("httpd -t from a shell", from_shell)]
        .map(|(way, text)| (way, text.unwrap_or_else(|| panic!("{way} accepts {configuration}"))))
}

/// One line of the text has all of the parts.
fn assert_line(text: &str, parts: &[&str]) {
    assert!(
        text.lines().any(|line| parts.iter().all(|part| line.contains(part))),
        "{parts:?} is not in\n{text}"
    );
}

const BAD_MAP: &str = "\
foo user_webapp_t:s0:c0
nothing
more user_webapp_t s0
\"foo bar user_webapp_t
192.0.2.0/33 user_webapp_t
192.0.2.1/24 user_webapp_t
reversed user_webapp_t:s0:c5.c3
__Anonymous__ anon_webapp_t
continued user_webapp_t\\
foo anon_webapp_t
";

#[test]
fn a_bad_map_stops_the_start_with_file_line_and_reason() {
    let site = site("bad-map");
    site.config_file("map", BAD_MAP);
    for (_, text) in told(&site, "SELinuxDomainMap @ETC@/map\n") {
        assert!(!text.contains("map: line 1,"), "{text}");
        for (line, reason) in [
            (2, "no domain follows"),
            (3, "more than two fields"),
            (4, "has a quote in it"),
            (5, "at most /32"),
            (6, "write 192.0.2.0/24"),
            (7, "`c5.c3` is not a run of categories"),
            (8, "write __anonymous__ in lower case"),
            (9, "take the backslash away"),
            (10, "line 1 is for the same one"),
        ] {
            let place = format!("{}/map: line {line}, column ", site.etc().display());
            let after = text.split(&place).nth(1).unwrap_or_else(|| panic!("no {place} in\n{text}"));
            assert!(after.split("; ").next().unwrap().contains(reason), "{reason} is not in\n{after}");
        }
    }
}

#[test]
fn a_missing_map_stops_the_start() {
    let site = site("no-map");
    for (_, text) in told(&site, "SELinuxDomainMap @ETC@/nowhere\n") {
        assert_line(&text, &["SELinuxDomainMap", "no-map/nowhere cannot be read: No such file or directory"]);
    }
}

#[test]
fn a_bad_directive_stops_the_start() {
    let site = site("bad-directives");
    for (directive, reason) in [
        (
            "SELinuxDomainMap fst:users",
            "is not a compiled map of this version: make it with `selinux-map build`",
        ),
        ("SELinuxDomainMap @ROOT@", "is not a plain file"),
        ("SELinuxDomainMap", "takes one argument"),
        ("SELinuxDomainEnv \"\"", "takes one argument"),
        ("SELinuxDomainVal user_webapp_t:c0", "write the sensitivity first"),
        ("SELinuxDomainVal user_webapp_t s0", "takes one argument"),
        ("SELinuxDomainVal *:role_r:user_webapp_t:s0", "cannot have `*` in it"),
        ("SELinuxDomainPeer type", "takes none or range, not type"),
        ("SELinuxUnmapped allow", "takes refuse or server, not allow"),
        ("SELinuxAllowCaches maybe", "takes On or Off, not maybe"),
        ("SELinuxRequired 1", "takes On or Off, not 1"),
        ("SELinuxRequired On\nSELinuxRequired On", "is there already"),
        ("SELinuxServerDomain *:s0\nSELinuxServerDomain *:s0", "there is one server domain"),
        (
            "<VirtualHost *>\nSELinuxServerDomain *:s0\n</VirtualHost>",
            "cannot occur within <VirtualHost> section",
        ),
        ("<Location />\nSELinuxRequired Off\n</Location>", "not allowed in <Location> context"),
    ] {
        let text = Httpd::check_from_shell(&site, Mpm::Event, &[], directive).expect_err(directive);
        let name = directive.split_whitespace().find(|word| word.starts_with("SELinux")).unwrap();
        assert_line(&text, &["Syntax error on line", "bad-directives/httpd.conf"]);
        assert_line(&text, &[name, reason]);
    }
}

const UNKNOWN: &str = "
SELinuxDomainMap @ETC@/map
<Location /a>
    SELinuxDomainVal nosuch_t:s0
</Location>
";

#[test]
fn a_context_that_the_policy_does_not_have_stops_the_start() {
    let site = site("unknown");
    site.config_file(
        "map",
        "a user_webapp_t:s0\nb user_webapp_t:s0:c1024\nc user_webapp_t:s1\nd system_u:sysadm_r:user_webapp_t:s0\n\
         e system_u:system_r:user_webapp_t\nf user_webapp_t:Nosuch\n",
    );
    let no_such = "the loaded policy has no such context: is the type spelled right";
    // A spec that gives no context is told before contexts are tried.
    for (_, text) in told(&site, UNKNOWN) {
        assert_line(&text, &["SEL0023", "/map:5: ", "has no range"]);
        assert_line(&text, &["SEL0023", "/map:6: ", "the range `Nosuch` is not known"]);
    }
    site.config_file(
        "map",
        "a user_webapp_t:s0\nb user_webapp_t:s0:c1024\nc user_webapp_t:s1\nd system_u:sysadm_r:user_webapp_t:s0\n",
    );
    for (_, text) in told(&site, UNKNOWN) {
        assert_line(
            &text,
            &["SEL0024", "httpd.conf:", "system_u:system_r:nosuch_t:s0 cannot be entered", no_such],
        );
        assert_line(&text, &["SEL0024", "/map:2: ", "user_webapp_t:s0:c1024", no_such]);
        assert_line(&text, &["SEL0024", "/map:3: ", "user_webapp_t:s1", no_such]);
        assert_line(&text, &["SEL0024", "/map:4: ", "system_u:sysadm_r:user_webapp_t:s0", no_such]);
        assert!(!text.contains("/map:1:"), "{text}");
    }
}

#[test]
fn a_context_that_httpd_may_not_enter_stops_the_start() {
    let site = site("not-allowed");
    site.config_file("map", "a httpd_sys_script_t:s0\nb unconfined_u:unconfined_r:unconfined_t:s0\n");
    for (way, text) in told(&site, "SELinuxDomainMap @ETC@/map\n") {
        // Both rules are missing. The kernel looks for the bounds first; without being httpd, they cannot be known.
        let missing = |type_| match way {
            "httpd -t from a shell" => format!("(allow httpd_t {type_} (process (dyntransition)))"),
            _ => format!("(typebounds httpd_t {type_})"),
        };
        assert_line(
            &text,
            &["SEL0024", "/map:1: ", "from system_u:system_r:httpd_t:s0", &missing("httpd_sys_script_t")],
        );
        assert_line(
            &text,
            &["SEL0024", "/map:2: ", "from system_u:system_r:httpd_t:s0", &missing("unconfined_t")],
        );
    }
    for (domain, reason) in [
        ("nosuch_t:s0", "no such context"),
        ("httpd_sys_script_t", "(allow httpd_t httpd_sys_script_t (process (dyntransition)))"),
    ] {
        let configuration = format!("SELinuxServerDomain {domain}\n");
        let text = Httpd::try_start(&site, Mpm::Event, MODULES, &configuration, &[]).err().expect(domain);
        assert_line(&text, &["SEL0022", "httpd.conf:", domain, reason]);
    }
}

#[test]
fn what_a_high_range_would_break_stops_the_start() {
    let site = site("high");
    let log = log_folder().join("piped.log");
    let piped = format!("ErrorLog \"|/bin/cat >>{}\"\n", log.display());
    let high = "SELinuxServerDomain *:s0-s0:c0.c1023\n";
    for (configuration, loss) in [
        (
            format!("{high}Protocols h2c http/1.1\nSELinuxDomainVal user_webapp_t:s0:c0\n"),
            "HTTP/2 responses would hang",
        ),
        (format!("{high}<VirtualHost *>\nProtocols h2\n</VirtualHost>\nSELinuxDomainEnv DOMAIN\n"), "HTTP/2"),
        (
            format!("{high}{piped}SELinuxDomainVal user_webapp_t:s0\n"),
            "an ErrorLog to a program or to syslog would lose",
        ),
        (format!("{high}{piped}SELinuxDomainVal user_webapp_t\nSELinuxDomainPeer range\n"), "an ErrorLog to"),
        (
            format!(
                "{high}<VirtualHost *>\nErrorLog syslog:local1\n</VirtualHost>\nSELinuxDomainVal user_webapp_t:s0\n"
            ),
            "an ErrorLog to",
        ),
        (format!("{high}ErrorLog syslog\nSELinuxDomainVal user_webapp_t:s0\n"), "an ErrorLog to"),
        (
            format!("SELinuxServerDomain *:s0:c0.c100\n{piped}SELinuxDomainVal user_webapp_t:s0\n"),
            "an ErrorLog to",
        ),
    ] {
        let text = Httpd::check(&site, Mpm::Event, MODULES, &configuration).expect_err(&configuration);
        assert_line(&text, &["SEL0026", loss, "SELinuxServerDomain *:s0)"]);
    }
    // Neither a type that categories do not confine nor a worker at the server's own range is kept from them.
    for domain in ["*:s0:c10", "user_webapp_t"] {
        let configuration = format!("{high}Protocols h2c\nSELinuxDomainVal {domain}\n");
        Httpd::check(&site, Mpm::Event, MODULES, &configuration).expect(domain);
    }
}

const CONFINED: &str = "
AddHandler lua-script .lua
SELinuxDomainVal user_webapp_t:s0:c1
";

#[test]
fn selinux_that_cannot_be_read_stops_the_start_unless_it_is_not_required() {
    let site = site("unreadable");
    site.file("peer.lua", CONTEXT_LUA);
    for (hidden, reason) in [
        (
            "InaccessiblePaths=/sys/fs/selinux",
            "the state of SELinux is not known: /sys/fs/selinux/enforce cannot be read",
        ),
        (
            "InaccessiblePaths=/sys/fs/selinux/enforce",
            "/sys/fs/selinux/enforce cannot be read: Permission denied",
        ),
        ("BindReadOnlyPaths=/dev/null:/sys/fs/selinux/enforce", "it says neither 0 nor 1"),
        ("TemporaryFileSystem=/proc", "/proc/thread-self/attr/current cannot be read"),
        ("TemporaryFileSystem=/proc /sys/fs/selinux", "SELinux is off in the running kernel"),
    ] {
        let text = Httpd::try_start(&site, Mpm::Event, MODULES, CONFINED, &[hidden]).err().expect(hidden);
        assert_line(&text, &["SEL0012", reason, "or say SELinuxRequired Off"]);
    }
    // A client's range needs it, rules or not.
    let peer = "AddHandler lua-script .lua\nSELinuxDomainPeer range\n";
    let hidden = ["InaccessiblePaths=/sys/fs/selinux"];
    let text = Httpd::try_start(&site, Mpm::Event, MODULES, peer, &hidden).err().expect("no start");
    assert_line(&text, &["SEL0012", "cannot be read"]);
    // As is the case: it is readable, and `Off` changes nothing.
    let configuration = format!("{CONFINED}SELinuxRequired Off\n");
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    assert_eq!(httpd.get("/context.lua", None).body, "system_u:system_r:user_webapp_t:s0:c1");
    drop(httpd);
    let configuration = format!("{configuration}<Files peer.lua>\nSELinuxDomainPeer range\n</Files>\n");
    let httpd = Httpd::start_as(&site, Mpm::Event, MODULES, &configuration, &hidden);
    httpd.logged(&[
        "selinux:warn",
        "SEL0013",
        "every request is served unconfined, as SELinuxRequired Off says",
    ]);
    for page in ["/context.lua", "/peer.lua"] {
        assert_eq!(httpd.get(page, None).body, "system_u:system_r:httpd_t:s0");
    }
    drop(httpd);
    // Without rules there is nothing that needs it.
    let httpd = Httpd::start_as(&site, Mpm::Event, MODULES, "AddHandler lua-script .lua\n", &hidden);
    assert_eq!(httpd.get("/context.lua", None).body, "system_u:system_r:httpd_t:s0");
}

#[test]
fn a_permissive_kernel_is_warned_of() {
    let site = site("permissive");
    let permissive = Permissive::begin();
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, CONFINED);
    httpd.logged(&["selinux:warn", "SEL0011", "SELinux is permissive"]);
    assert_eq!(httpd.get("/context.lua", None).body, "system_u:system_r:user_webapp_t:s0:c1");
    drop(httpd);
    drop(permissive);
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, CONFINED);
    assert!(!httpd.log().contains("SEL0011"));
}
