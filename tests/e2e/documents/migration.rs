//! The configuration of the C module of 2012, as its documentation taught it: it works as it stood.

use crate::support::client::Client;
use crate::support::httpd::PORT;
use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA};
use crate::support::{Httpd, Mpm, Reply, Site, run, wait_for};
use std::fs;
use std::time::Duration;

/// What comes before the recipes: handlers for pages that tell where they run.
const HANDLERS: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA).script("context.cgi", CONTEXT_CGI).file("page.txt", "a page");
    site
}

/// The static page, the Lua page and the CGI script: each is answered, and each program is in `context`.
fn assert_served(client: &Client, folder: &str, user: Option<&str>, context: &str) {
    let got = ["page.txt", "context.lua", "context.cgi"].map(|page| {
        let Reply { status, body, .. } = client.get(&format!("{folder}/{page}"), user);
        (status, body)
    });
    let expected = ["a page", context, context].map(|body| (200, body.to_owned()));
    assert_eq!(got, expected, "{folder} as {user:?}");
}

/// The context that the kernel has for a process.
fn context_of(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/attr/current")).unwrap();
    text.trim_end_matches(['\0', '\n']).to_owned()
}

const MAP_RECIPE: &str = r#"
selinuxServerDomain	*:s0-s0:c0.c1023

<Directory "@ROOT@">
AuthType	Basic
AuthName	"Secret Zone"
AuthUserFile	@ETC@/users

SetEnvIf Remote_Addr "127.0.0.[2-9]+$" SELINUX_DOMAIN=staff_webapp_t:s0:c1
selinuxDomainMap	@ETC@/mod_selinux.map
selinuxDomainEnv	SELINUX_DOMAIN
selinuxDomainVal	anon_webapp_t:s0
</Directory>

Alias /private "@ROOT@"
<Location /private>
Require	valid-user
</Location>
"#;

const MAP: &str = "
# SELinux context mapping with http identifications

foo\t\t\tuser_webapp_t:s0:c0 # a comment behind
bar\t\t\tuser_webapp_t:s0:c1
__anonymous__\t\tanon_webapp_t:s0
";

const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const BAR: &str = "system_u:system_r:user_webapp_t:s0:c1";
const ANONYMOUS: &str = "system_u:system_r:anon_webapp_t:s0";

fn assert_map_recipe_works(httpd: &Httpd, ports: &[u16]) {
    assert_eq!(context_of(httpd.main_pid()), "system_u:system_r:httpd_t:s0-s0:c0.c1023");
    for port in ports {
        // One connection: kept alive, from user to user.
        let client = Client::new(*port);
        assert_served(&client, "/private", Some("foo"), FOO);
        assert_served(&client, "", None, ANONYMOUS);
        assert_served(&client, "/private", Some("bar"), BAR);
    }
    // A worker may write to it only because of this: its level is the low one of the server.
    for label in listening_labels(ports) {
        assert_eq!(label, "system_u:system_r:httpd_t:s0");
    }
}

/// The labels of the sockets that listen at these ports.
fn listening_labels(ports: &[u16]) -> Vec<String> {
    let listed = run("ss", &["--listening", "--tcp", "--numeric", "--processes", "--contexts"]);
    let lines = listed.lines().filter(|line| ports.iter().any(|port| line.contains(&format!(":{port} "))));
    let labels = lines.flat_map(|line| {
        let mut parts = line.split("sock_ctx=");
        parts.next();
        parts.map(|part| part.split([',', ')']).next().unwrap().to_owned())
    });
    let labels: Vec<_> = labels.collect();
    assert!(labels.len() >= ports.len(), "no labels in: {listed}");
    labels
}

#[test]
fn the_map_recipe_works_at_a_full_range_and_through_restarts() {
    let site = site("map-recipe");
    site.config_file("mod_selinux.map", MAP);
    let configuration = format!("{HANDLERS}{MAP_RECIPE}");
    for mpm in [Mpm::Prefork, Mpm::Event] {
        // The C module's policy had init start httpd at the full range already.
        let from_init: &[_] = match mpm {
            Mpm::Prefork => &["SELinuxContext=system_u:system_r:httpd_t:s0-s0:c0.c1023"],
            _ => &[],
        };
        let httpd = Httpd::start_as(&site, mpm, &["lua", "cgi"], &configuration, from_init);
        assert_map_recipe_works(&httpd, &[PORT]);
        if mpm == Mpm::Prefork {
            continue;
        }
        // Whom the map does not name, the variable maps, and whom that does not, the value.
        for (source, context) in
            [("127.0.0.2", "system_u:system_r:staff_webapp_t:s0:c1"), ("127.0.0.1", ANONYMOUS)]
        {
            let url = "http://127.0.0.1/private/context.lua";
            let body = run("curl", &["--silent", "--user", "staff:staff", "--interface", source, url]);
            assert_eq!(body, context, "{source}");
        }
        // A further socket, made by a server that is at the full range already.
        let file = site.etc().join("httpd.conf");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}Listen 8008\n")).unwrap();
        for (restarts, signal) in ["USR1", "HUP"].iter().enumerate() {
            httpd.signal(signal);
            wait_for("the restart", Duration::from_secs(30), || {
                (httpd.log().matches("resuming normal operations").count() == restarts + 2).then_some(())
            });
            assert_map_recipe_works(&httpd, &[PORT, 8008]);
        }
    }
}

const VIRTUAL_HOSTS: &str = "
selinuxServerDomain	*:s0-s0:c0.c1023
";

fn virtual_host(name: &str, domain: &str) -> String {
    format!(
        "<VirtualHost *:80>\nDocumentRoot\t@ROOT@\nServerName\t{name}.example.com\nselinuxDomainVal\t{domain}\n</VirtualHost>\n"
    )
}

#[test]
fn the_virtual_host_recipe_gives_each_host_its_category() {
    let site = site("vhost-recipe");
    site.file_at("s0:c10", "dog.txt", "dog's").file_at("s0:c20", "cat.txt", "cat's");
    let hosts = [
        ("olddog", "*:s0:c10"),
        ("oldcat", "*:s0:c20"),
        ("dog", "user_webapp_t:s0:c10"),
        ("cat", "user_webapp_t:s0:c20"),
    ];
    let hosts = hosts.map(|(name, domain)| virtual_host(name, domain)).concat();
    let configuration = format!("{HANDLERS}{VIRTUAL_HOSTS}{hosts}");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi"], &configuration);
    let get = |host: &str, page: &str| {
        let host = format!("{host}.example.com");
        httpd.client().try_get(page, None, &[("Host", &host)]).unwrap()
    };
    for (host, lua, cgi) in [
        // A script that httpd_t starts leaves for the type of scripts; its category it keeps.
        ("olddog", "httpd_t:s0:c10", "httpd_sys_script_t:s0:c10"),
        ("oldcat", "httpd_t:s0:c20", "httpd_sys_script_t:s0:c20"),
        ("dog", "user_webapp_t:s0:c10", "user_webapp_t:s0:c10"),
        ("cat", "user_webapp_t:s0:c20", "user_webapp_t:s0:c20"),
    ] {
        assert_eq!(get(host, "/page.txt").body, "a page", "{host}");
        for (page, context) in [("/context.lua", lua), ("/context.cgi", cgi)] {
            assert_eq!(get(host, page).body, format!("system_u:system_r:{context}"), "{host}{page}");
        }
    }
    // Of the two, the kernel keeps the hosts apart where the type is confined by categories.
    for (host, own, other) in [("dog", "dog", "cat"), ("cat", "cat", "dog")] {
        assert_eq!(get(host, &format!("/{own}.txt")).body, format!("{own}'s"));
        assert_eq!(get(host, &format!("/{other}.txt")).status, 403, "{host}");
        let name = format!("name=\"{other}.txt\"");
        httpd.audit.denial(&["scontext=system_u:system_r:user_webapp_t:s0:c", &name]);
    }
}

const DATABASE_RECIPE: &str = r#"
DBDriver    sqlite3
DBDParams   "@ETC@/users.sqlite"

<Directory "@ROOT@">
AuthType            Basic
AuthName            "Secret Zone"
AuthBasicProvider   dbd
AuthDBDUserPWQuery  "SELECT upasswd, udomain FROM uaccount WHERE uname = %s"
Require             valid-user

selinuxDomainEnv    AUTHENTICATE_UDOMAIN
selinuxDomainVal    anon_webapp_t:s0
</Directory>
"#;

const DATABASE: &str = "
CREATE TABLE uaccount (
    uname     TEXT PRIMARY KEY,
    upasswd   TEXT NOT NULL,
    udomain   TEXT
);
INSERT INTO uaccount VALUES ('foo', '{SHA}C+7Hteo/D9vJXQ3UfzxbwnXaijM=', 'user_webapp_t:s0:c0');
INSERT INTO uaccount VALUES ('bar', '{SHA}Ys23Ag/5IOWqZCw9QGaVDdHwH00=', 'staff_webapp_t:s0:c1');
INSERT INTO uaccount VALUES ('staff', '{SHA}bMtLfDmm53927PqTWoVcbEatVhE=', NULL);
";

#[test]
fn the_database_recipe_takes_each_users_domain_from_sql() {
    let site = site("database-recipe");
    let database = site.etc().join("users.sqlite");
    let sql = |statements: &str| run("sqlite3", &[database.to_str().unwrap(), statements]);
    sql(DATABASE);
    run("restorecon", &["-F", database.to_str().unwrap()]);
    let configuration = format!("{HANDLERS}{DATABASE_RECIPE}");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi", "dbd", "authn_dbd"], &configuration);
    assert_served(httpd.client(), "", Some("foo"), FOO);
    assert_served(httpd.client(), "", Some("bar"), "system_u:system_r:staff_webapp_t:s0:c1");
    assert_served(httpd.client(), "", Some("staff"), ANONYMOUS);
    assert_eq!(httpd.get("/page.txt", None).status, 401);
    // What the database says counts from the next request on; what is no domain never means 'nothing said'.
    for (domain, status) in
        [("'user_webapp_t:s0:c5'", 200), ("'user_webapp_t:c5'", 500), ("''", 500), ("'nosuch_t:s0'", 500)]
    {
        sql(&format!("UPDATE uaccount SET udomain = {domain} WHERE uname = 'staff'"));
        assert_eq!(httpd.get("/page.txt", Some("staff")).status, status, "{domain}");
    }
}
