//! Which `.htaccess` applies, by what the policy lets pages write, and what expressions in it may read.

use crate::support::selinux::Boolean;
use crate::support::{Httpd, Mpm, Site, run};

const PLACES: &str = "
<Directory @ROOT@>
    AllowOverride FileInfo Limit
</Directory>
SetEnvIf X-Domain (.+) DOMAIN=$1
";

/// A file, by its type, its unix user and its mode.
const FILES: &[(&str, &str, &str, &str)] = &[
    ("content", "httpd_sys_content_t", "root", "644"),
    ("content-games", "httpd_sys_content_t", "games", "644"),
    ("content-all", "httpd_sys_content_t", "root", "666"),
    ("htaccess", "httpd_sys_htaccess_t", "root", "644"),
    ("htaccess-games", "httpd_sys_htaccess_t", "games", "644"),
    ("htaccess-server", "httpd_sys_htaccess_t", "www-data", "644"),
    ("rw", "httpd_sys_rw_content_t", "root", "644"),
    ("rw-games", "httpd_sys_rw_content_t", "games", "644"),
    ("rw-server", "httpd_sys_rw_content_t", "www-data", "644"),
];

fn site(name: &str) -> Site {
    let site = Site::new(name);
    for (folder, type_, user, mode) in FILES {
        let file = format!("{folder}/.htaccess");
        site.file(&format!("{folder}/page.txt"), "a page").file(&file, "Header set X-Htaccess applies\n");
        site.relabel(&file, type_, "s0");
        let path = site.root().join(&file);
        run("chown", &[user, path.to_str().unwrap()]);
        run("chmod", &[mode, path.to_str().unwrap()]);
    }
    site.config_file("map", "nobody user_webapp_t:s0:c5\n");
    site
}

/// The files that do not apply.
fn refused(httpd: &Httpd) -> Vec<&'static str> {
    let is_refused = |folder: &&str| {
        let reply = httpd.get(&format!("/{folder}/page.txt"), None);
        match reply.status {
            200 => assert_eq!(reply.header("x-htaccess"), Some("applies"), "{folder}"),
            403 => _ = httpd.logged(&["SEL0112", &format!("/{folder}/.htaccess")]),
            _ => panic!("{folder}: {reply:?}"),
        }
        reply.status == 403
    };
    FILES.iter().map(|row| row.0).filter(is_refused).collect()
}

#[test]
fn no_htaccess_applies_of_a_type_that_pages_may_write_whoever_owns_it() {
    let site = site("htaccess");
    let rw = ["rw", "rw-games", "rw-server"];
    for (rule, refused_ones) in [
        ("SELinuxDomainVal user_webapp_t:s0:c3", &rw[..]),
        ("SELinuxDomainMap @ETC@/map", &rw),
        ("SELinuxDomain user_webapp_t:s0:c3 all denied", &rw),
        // Any domain may come.
        ("SELinuxDomainEnv DOMAIN", &rw),
        // Pages of this domain write nothing: whose the file is tells who may have written it.
        ("SELinuxDomainVal anon_webapp_t:s0:c3", &rw[1..]),
    ] {
        // The pages that are asked for have no rules.
        let rule = format!("{PLACES}<Location /elsewhere>\n{rule}\n</Location>\n");
        let httpd = Httpd::start(&site, Mpm::Event, &["headers"], &rule);
        assert_eq!(refused(&httpd), refused_ones, "{rule}");
        httpd.logged(&["SEL0112", "chcon -t httpd_sys_htaccess_t"]);
    }
}

#[test]
fn what_httpd_alone_may_write_applies_where_root_owns_it() {
    let site = site("htaccess-unified");
    let unified = Boolean::off(&["httpd_unified"]);
    unified.on();
    let rule = |spec: &str| format!("{PLACES}<Location /elsewhere>\nSELinuxDomainVal {spec}\n</Location>\n");
    let httpd = Httpd::start(&site, Mpm::Event, &["headers"], &rule("user_webapp_t:s0:c3"));
    let before = ["content-games", "content-all", "rw", "rw-games", "rw-server"];
    assert_eq!(refused(&httpd), before);
    drop(httpd);
    // With httpd's own type, pages may write what httpd may.
    let httpd = Httpd::start(&site, Mpm::Event, &["headers"], &rule("*:s0:c3"));
    assert_eq!(refused(&httpd), ["content", "content-games", "content-all", "rw", "rw-games", "rw-server"]);
}

/// What reads files, or looks for them, as the server.
const READING: &[&str] = &[
    "ErrorDocument 404 \"%{file:@ROOT@/secret.txt}\"",
    "ErrorDocument 404 \"%{filesize:@ROOT@/secret.txt}\"",
    "<If \"file('@ROOT@/secret.txt') =~ /secret/\">\n</If>",
    "<If \"-f '@ROOT@/secret.txt'\">\n</If>",
    "<If \"! -d '@ROOT@/secret.txt'\">\n</If>\n<Else>\n</Else>",
    "<Files *>\n<If \"-s '@ROOT@/secret.txt'\">\n</If>\n</Files>",
    "Header set X-Secret \"expr=%{file:@ROOT@/secret.txt}\"",
    "RewriteCond expr \"-x '@ROOT@/secret.txt'\"",
    "Require expr -L '@ROOT@/secret.txt'",
];

#[test]
fn expressions_in_htaccess_read_no_files() {
    let site = Site::new("htaccess-read");
    site.file_at("s0:c99", "secret.txt", "secret").file("page.txt", "a page");
    let configuration = format!(
        "{PLACES}
        <Directory @ROOT@>
            AllowOverride All
        </Directory>
        <Directory @ROOT@/limit>
            AllowOverride Limit
        </Directory>
        <Location /elsewhere>
            SELinuxDomainVal user_webapp_t:s0:c3
        </Location>
        # The administrator's own may.
        ErrorDocument 410 \"%{{file:@ROOT@/secret.txt}}\"
        Redirect gone /gone"
    );
    let httpd = Httpd::start(&site, Mpm::Event, &["headers", "rewrite"], &configuration);
    for (number, line) in READING.iter().enumerate() {
        let folder = if line.starts_with("<If") { "limit/" } else { "" };
        let line = line.replace("@ROOT@", site.root().to_str().unwrap());
        site.file(&format!("{folder}{number}/.htaccess"), &line);
        let reply = httpd.get(&format!("/{folder}{number}/none.txt"), None);
        assert_eq!(reply.status, 500, "{line}: {reply:?}");
        httpd.logged(&["SEL0118", &format!("/{folder}{number}/.htaccess: ")]);
    }
    // What reads nothing goes on.
    site.file(
        "other/.htaccess",
        "ErrorDocument 404 \"%{tolower:A} %{REQUEST_URI}\"\n<If \"-n 'a'\">\n</If>\n",
    );
    let reply = httpd.get("/other/none.txt", None);
    assert_eq!((reply.status, reply.body.as_str()), (404, "a /other/none.txt"));
    assert_eq!(httpd.get("/gone", None).body, "secret");
}
