//! `docs/fleet.md`: domains that a database or a directory says, for many servers at once. What is configured
//! here stands in that document.

use crate::support::certificate::Certificate;
use crate::support::database::Database;
use crate::support::directory::Directory;
use crate::support::httpd::{PORT, project};
use crate::support::pages::CONTEXT_LUA;
use crate::support::selinux::Boolean;
use crate::support::{Client, Httpd, Mpm, Reply, Site, wait_for};
use std::fs;
use std::time::Duration;

/// The boxes of a language in a section of the document.
fn boxes(section: &str, language: &str) -> Vec<String> {
    let document = fs::read_to_string(project().join("docs/fleet.md")).expect("the document is there");
    let section = document.split("\n## ").find(|text| text.starts_with(&format!("{section}\n")));
    let mut boxes = section.expect("the section is there").split("```");
    boxes.next();
    let boxes: Vec<_> =
        boxes.step_by(2).filter_map(|text| text.strip_prefix(&format!("{language}\n"))).collect();
    assert!(!boxes.is_empty(), "{language} in {section:?}");
    boxes.into_iter().map(str::to_owned).collect()
}

/// How long the document has httpd believe an entry.
const LDAP_TTL: &str = "LDAPCacheTTL          60\n";

/// The document's configuration of httpd, with this machine's names, and times for a busy machine.
fn configuration(section: &str) -> String {
    let mut text = boxes(section, "apache").concat();
    for (theirs, ours) in [
        ("db.example.org", "localhost"),
        ("ldap.example.org", "localhost"),
        ("/etc/pki/tls/certs/fleet-ca.pem", "@ETC@/ca.pem"),
        // Both servers are this machine, which may be busy: a TLS handshake and a login can take seconds then. What is
        // down answers at once.
        ("connect_timeout=3", "connect_timeout=60"),
        ("LDAPConnectionTimeout 3", "LDAPConnectionTimeout 60"),
        ("LDAPTimeout           3", "LDAPTimeout           60"),
        // Longer than what the test does meanwhile.
        (LDAP_TTL, "LDAPCacheTTL          3600\n"),
    ] {
        text = text.replace(theirs, ours);
    }
    format!("AddHandler lua-script .lua\nAlias /app @ROOT@\n{text}")
}

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA);
    site
}

const PAGE: &str = "/app/context.lua";

/// What the page that tells its context says to a user.
fn page(client: &Client, user: &str) -> (u16, String) {
    let Reply { status, body, .. } = client.get(PAGE, Some(user));
    (status, if status == 200 { body } else { String::new() })
}

/// An answer of the page that tells its context.
fn served(context: &str) -> (u16, String) {
    (200, format!("system_u:system_r:{context}"))
}

fn refused(status: u16) -> (u16, String) {
    (status, String::new())
}

/// Both users at once on connections of their own, again and again: each is in their own context.
fn assert_never_mixed(foos: &str, bars: &str) {
    std::thread::scope(|scope| {
        for (user, context) in [("foo", foos), ("bar", bars)].repeat(3) {
            scope.spawn(move || {
                let client = Client::new(PORT);
                for _ in 0..4 {
                    assert_eq!(page(&client, user), served(context), "{user}");
                }
            });
        }
    });
}

/// The passwords are the names.
const ROWS: &str = "
INSERT INTO httpd_user VALUES
    ('foo', '{SHA}C+7Hteo/D9vJXQ3UfzxbwnXaijM=', 'user_webapp_t:s0:c0'),
    ('bar', '{SHA}Ys23Ag/5IOWqZCw9QGaVDdHwH00=', 'staff_webapp_t:s0:c1'),
    ('staff', '{SHA}bMtLfDmm53927PqTWoVcbEatVhE=', NULL);
";

/// What the document warns of.
const CACHED_LOGIN: &str = r#"
Alias /cached @ROOT@
<Location "/cached">
    AuthType            Basic
    AuthName            "app"
    AuthBasicProvider   socache dbd
    AuthnCacheProvideFor dbd
    AuthDBDUserPWQuery  "SELECT upasswd, udomain FROM httpd_user WHERE uname = %s"
    Require             valid-user
    SELinuxDomainEnv    AUTHENTICATE_UDOMAIN
</Location>
"#;

/// A page that would use httpd's own connection to the database.
const DATABASE_LUA: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  local database = r:dbacquire("mod_dbd")
  r:puts(database and "connected" or "refused")
  return apache2.OK
end
"#;

#[test]
fn a_row_of_the_database_decides_from_the_next_request_on() {
    let site = site("fleet-database");
    let boolean = Boolean::off(&["httpd_can_network_connect_db"]);
    let certificate = Certificate::new(&site);
    let clients = boxes("PostgreSQL", "text").concat();
    let clients = ["127.0.0.1/32", "::1/128"].map(|address| clients.replace("192.0.2.0/24", address));
    let database = Database::start("webapps", &certificate, &clients.concat());
    database.sql(&format!("DROP ROLE IF EXISTS httpd; {} {ROWS}", boxes("PostgreSQL", "sql").concat()));
    let configuration = format!("{}{CACHED_LOGIN}Alias /keep @ROOT@\n", configuration("PostgreSQL"));
    let modules = ["lua", "dbd", "authn_dbd", "socache_shmcb", "authn_socache"];
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration);
    let client = Client::new(PORT);
    let page = |user| page(&client, user);

    assert_eq!(page("foo"), refused(500), "without the boolean");
    httpd.audit.denial(&["{ name_connect }", "dest=5432", "scontext=system_u:system_r:httpd_t:s0 "]);
    boolean.on();

    assert_eq!(page("foo"), served("user_webapp_t:s0:c0"));
    assert_eq!(page("bar"), served("staff_webapp_t:s0:c1"));
    assert_eq!(page("staff"), refused(403), "NULL");
    assert_eq!(httpd.get(PAGE, None).status, 401);
    assert_never_mixed("user_webapp_t:s0:c0", "staff_webapp_t:s0:c1");

    database.sql("UPDATE httpd_user SET udomain = 'staff_webapp_t:s0:c5' WHERE uname = 'foo'");
    assert_eq!(page("foo"), served("staff_webapp_t:s0:c5"));
    assert_eq!(page("bar"), served("staff_webapp_t:s0:c1"));

    for (domain, answer) in [
        ("'user_webapp_t:c5'", refused(500)),
        ("'nosuch_t:s0'", refused(500)),
        ("'user_webapp_t:s0:c2'", served("user_webapp_t:s0:c2")),
    ] {
        database.sql(&format!("UPDATE httpd_user SET udomain = {domain} WHERE uname = 'staff'"));
        assert_eq!(page("staff"), answer, "{domain}");
    }
    httpd.logged(&["SEL0105", "AUTHENTICATE_UDOMAIN", "c5"]);
    httpd.logged(&["SEL0101", "nosuch_t"]);
    database.sql("DELETE FROM httpd_user WHERE uname = 'staff'");
    assert_eq!(page("staff"), refused(401), "no such row");

    // A login from httpd's own cache brings no columns: refused, whoever comes.
    let cached = |user| httpd.get("/cached/context.lua", Some(user)).status;
    assert_eq!([cached("foo"), cached("foo"), cached("bar"), cached("bar")], [200, 403, 200, 403]);

    site.file("database.lua", DATABASE_LUA);
    for _ in 0..4 {
        assert_eq!(httpd.get("/app/database.lua", Some("foo")).body, "refused");
    }

    database.stop();
    assert_eq!(page("foo"), refused(500), "without the database");
    assert_eq!(page("bar"), refused(500), "without the database");
    database.resume();
    assert_eq!(page("foo"), served("staff_webapp_t:s0:c5"));
    assert_eq!(page("bar"), served("staff_webapp_t:s0:c1"));

    // A connection that httpd has opened, and kept, is not for pages of other contexts.
    drop(httpd);
    let kept = configuration.replace("DBDPersist Off", "DBDPersist On");
    let bare = "\n<Location /bare>\nSELinuxDomainVal anon_webapp_t:s0\n</Location>\nAlias /bare @ROOT@\n";
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &(kept + bare));
    assert_eq!(page("foo"), served("staff_webapp_t:s0:c5"));
    assert_eq!(httpd.get("/keep/database.lua", None).body, "connected", "no rules");
    assert_eq!(httpd.get("/bare/database.lua", None).body, "refused");
    httpd.logged(&["SEL0111"]);
}

/// The passwords are the names.
const ENTRIES: &str = "
dn: cn=httpd,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
";

fn person(name: &str) -> String {
    format!(
        "\ndn: uid={name},ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\n\
         userPassword: {name}\n"
    )
}

/// Sets a user's attribute, who has the class for it.
fn replace(name: &str, values: &[&str]) -> String {
    let values: String = values.iter().map(|value| format!("selinuxDomain: {value}\n")).collect();
    format!(
        "dn: uid={name},ou=people,dc=example,dc=org\nchangetype: modify\nreplace: selinuxDomain\n{values}"
    )
}

/// How long httpd believes an entry, where it is to be seen ending.
const TTL: Duration = Duration::from_secs(3);

/// Waits until `user` is answered `after`, who was answered `before` until then, and nothing else.
fn wait_for_change(limit: Duration, user: &str, before: &(u16, String), after: &(u16, String)) {
    wait_for(&format!("{user} to be answered {after:?}"), limit, || {
        let answer = page(&Client::new(PORT), user);
        assert!([before, after].contains(&&answer), "{user} is answered {answer:?}");
        (answer == *after).then_some(())
    });
}

#[test]
fn an_entry_of_the_directory_decides_once_the_cache_is_over() {
    let site = site("fleet-directory");
    let boolean = Boolean::off(&["httpd_can_connect_ldap", "httpd_can_network_connect_ldap"]);
    let directory = Directory::start(&Certificate::new(&site));
    let [schema, user] = boxes("LDAP", "ldif").try_into().expect("the schema and a user");
    directory.configure(&schema);
    directory.modify(&[ENTRIES, &person("foo"), &person("bar"), &person("staff")].concat());
    let user = |name: &str, domain: &str| {
        user.replace("uid=foo,", &format!("uid={name},")).replace("user_webapp_t:s0:c0", domain)
    };
    let [foo, bar] = ["user_webapp_t:s0:c0", "staff_webapp_t:s0:c1"];
    directory.modify(&user("foo", foo));
    directory.modify(&user("bar", bar));
    let modules = ["lua", "ldap", "authnz_ldap"];
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration("LDAP"));
    let page = |user| page(&Client::new(PORT), user);

    assert_eq!(page("foo"), refused(500), "without the boolean");
    httpd.audit.denial(&["{ name_connect }", "dest=389", "scontext=system_u:system_r:httpd_t:s0 "]);
    boolean.on();

    assert_eq!(page("foo"), served(foo));
    assert_eq!(page("bar"), served(bar));
    assert_eq!(page("staff"), refused(403), "no attribute");
    assert_eq!(httpd.get(PAGE, None).status, 401);
    assert_never_mixed(foo, bar);

    // Within its time, the cache is right, but for a restart.
    let before = foo;
    let foo = "staff_webapp_t:s0:c5";
    directory.modify(&replace("foo", &[foo]));
    assert_eq!(page("foo"), served(before));
    let file = site.etc().join("httpd.conf");
    let text = fs::read_to_string(&file).unwrap();
    let stands = "LDAPCacheTTL          3600\n";
    assert!(text.contains(stands));
    fs::write(&file, text.replace(stands, &format!("LDAPCacheTTL {}\n", TTL.as_secs()))).unwrap();
    httpd.signal("USR1");
    wait_for_change(Duration::from_secs(30), "foo", &served(before), &served(foo));
    assert_eq!(page("bar"), served(bar));

    // What takes longer than the cache is the requests, and what the machine has to do besides.
    let limit = TTL + Duration::from_secs(5);
    let before = foo;
    let foo = "user_webapp_t:s0:c6";
    directory.modify(&replace("foo", &[foo]));
    wait_for_change(limit, "foo", &served(before), &served(foo));
    assert_eq!(page("bar"), served(bar));

    assert_eq!(page("staff"), refused(403));
    directory.modify(&user("staff", "user_webapp_t:c5"));
    wait_for_change(limit, "staff", &refused(403), &refused(500));
    httpd.logged(&["SEL0105", "AUTHENTICATE_SELINUXDOMAIN", "c5"]);
    let two = replace("staff", &["user_webapp_t:s0:c0", "user_webapp_t:s0:c1"]);
    assert_eq!(directory.try_modify(&two).status.code(), Some(19), "the schema has one value");
    directory.modify(&replace("staff", &["nosuch_t:s0"]));
    wait_for("the unknown type", limit, || {
        assert_eq!(page("staff"), refused(500));
        httpd.log().lines().any(|line| line.contains("SEL0101") && line.contains("nosuch_t")).then_some(())
    });

    // Whom the directory does not know is asked for each time, on connections that httpd keeps, of every child.
    let ask_each_child = || {
        for _ in 0..12 {
            let unknown = [("Authorization", "Basic bm9ib2R5Ong=")];
            assert_eq!(Client::new(PORT).try_get(PAGE, None, &unknown).unwrap().status, 401);
        }
    };
    ask_each_child();
    // Without the directory, who is in the cache goes on for its time, and as nobody else.
    for (user, context) in [("foo", foo), ("bar", bar)] {
        assert_eq!(page(user), served(context));
    }
    directory.stop();
    wait_for_change(limit, "foo", &served(foo), &refused(500));
    wait_for_change(limit, "bar", &served(bar), &refused(500));
    directory.resume();
    ask_each_child();
    assert_eq!(page("foo"), served(foo));
    assert_eq!(page("bar"), served(bar));
}
