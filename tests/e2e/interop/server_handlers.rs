//! Handlers and filters that do the server's own work, under a rule for the whole server: logging in, keeping sessions.

use crate::support::httpd::run_folder;
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Reply, Site, distribution, run};

const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const SERVER: &str = "system_u:system_r:httpd_t:s0";

const MODULES: &[&str] = &[
    "lua",
    "cgi",
    "include",
    "request",
    "auth_form",
    "session",
    "session_dbd",
    "session_cookie",
    "dbd",
    "status",
];

/// A site that all requests to are mapped: who logs in, and nobody. Sessions are in a database that pages may not open.
const CONFIGURATION: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
SELinuxDomainMap @ETC@/map
DBDriver sqlite3
DBDParams @RUN@/@NAME@.sqlite
DBDPrepareSQL \"delete from session where key = %s\" deletesession
DBDPrepareSQL \"update session set value = %s, expiry = %lld, key = %s where key = %s\" updatesession
DBDPrepareSQL \"insert into session (value, expiry, key) values (%s, %lld, %s)\" insertsession
DBDPrepareSQL \"select value from session where key = %s and (expiry = 0 or expiry > %lld)\" selectsession
DBDPrepareSQL \"delete from session where expiry != 0 and expiry < %lld\" cleansession
<Location />
    AuthType form
    AuthName test
    AuthFormProvider file
    AuthUserFile @ETC@/users
    AuthFormLoginRequiredLocation /form
    Session On
    SessionMaxAge 1000
    SessionDBDCookieName session path=/
</Location>
<Location /app>
    Require valid-user
</Location>
Alias /app @ROOT@
<Location /login>
    SetHandler form-login-handler
    AuthFormLoginSuccessLocation /app/context.lua
    AuthFormLogoutLocation /
</Location>
<Location /logout>
    SetHandler form-logout-handler
    AuthFormLogoutLocation /
</Location>
";

fn start(site: &Site, mpm: Mpm, more: &str) -> Httpd {
    let database = format!("{}/{}.sqlite", run_folder(), site.name());
    let _ = std::fs::remove_file(&database);
    run("sqlite3", &[&database, "create table session (key text primary key, value text, expiry integer)"]);
    run("chown", &[distribution::unix_user(), &database, run_folder()]);
    run("chcon", &["-t", "httpd_var_run_t", &database]);
    let configuration = CONFIGURATION.replace("@RUN@", run_folder()).replace("@NAME@", site.name());
    Httpd::start(site, mpm, MODULES, &format!("{configuration}{more}"))
}

/// The session's cookie, as a client sends it back.
fn cookie(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").unwrap_or_else(|| panic!("no session: {reply:?}"));
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn a_user_logs_in_by_a_form_and_stays_logged_in() {
    let site = Site::new("form-login");
    site.config_file("map", "foo user_webapp_t:s0:c0\n__anonymous__ anon_webapp_t:s0\n");
    site.file("context.lua", CONTEXT_LUA);
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = start(&site, mpm, "");
        let login = |password: &str| {
            let form = format!("httpd_username=foo&httpd_password={password}");
            httpd.client().post("/login", None, "application/x-www-form-urlencoded", form.as_bytes())
        };
        assert_ne!(login("wrong").header("location"), Some("http://127.0.0.1/app/context.lua"), "{mpm:?}");
        let reply = login("foo");
        assert!(
            reply.header("location").is_some_and(|to| to.ends_with("/app/context.lua")),
            "{mpm:?}: {reply:?}"
        );
        let cookie = cookie(&reply);
        let app =
            |cookie: &str| httpd.client().try_get("/app/context.lua", None, &[("Cookie", cookie)]).unwrap();
        // Each request keeps the session on, with a later end: also those that are served in a context.
        for _ in 0..3 {
            let reply = app(&cookie);
            assert_eq!((reply.status, reply.body.as_str()), (200, FOO), "{mpm:?}");
        }
        assert_ne!(app("session=00000000-0000-0000-0000-000000000000").status, 200, "{mpm:?}");
        let log = httpd.log();
        assert!(!log.contains("session not saved") && !log.contains("SEL0111"), "{mpm:?}: {log}");
        // And ends it.
        let out = httpd.client().try_get("/logout", None, &[("Cookie", &cookie)]).unwrap();
        assert!(out.status < 400, "{mpm:?}: {out:?}");
        assert_ne!(app(&cookie).status, 200, "{mpm:?}");
    }
}

/// A page that `.htaccess` has mod_lua run for any URI, whatever the handler.
const MAPPED: &str = "SetHandler form-login-handler\nLuaMapHandler ^/tenant/ @ROOT@/tenant/context.lua\n";

#[test]
fn a_handler_of_the_servers_runs_no_page_of_a_tenant() {
    let site = Site::new("server-handler-tenant");
    site.config_file("map", "* anon_webapp_t:s0\n");
    site.file("tenant/context.lua", CONTEXT_LUA)
        .file("tenant/.htaccess", &MAPPED.replace("@ROOT@", site.root().to_str().unwrap()));
    let httpd = start(&site, Mpm::Event, "<Directory @ROOT@>\nAllowOverride All\n</Directory>\n");
    let reply = httpd.get("/tenant/any", None);
    assert!(!reply.body.contains(SERVER), "{reply:?}");
}

#[test]
fn handlers_that_show_others_requests_are_for_those_that_the_administrator_names() {
    let site = Site::new("server-handler-status");
    site.config_file("map", "* anon_webapp_t:s0\n");
    let status = "<Location /status>\nSetHandler server-status\n</Location>\n";
    let httpd = start(&site, Mpm::Event, status);
    assert_eq!(httpd.get("/status", None).status, 500);
    httpd.logged(&["SEL0115"]);
    drop(httpd);
    let httpd = start(&site, Mpm::Event, &format!("SELinuxServerHandler server-status\n{status}"));
    assert!(httpd.get("/status", None).body.contains("Apache Server Status"));
}

/// ModSecurity keeps bodies of more than a kilobyte in files.
const SECURITY: &str = "
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyInMemoryLimit 1024
SecRule REQUEST_BODY \"forbidden\" \"id:1,phase:2,deny,status:403\"
SecTmpDir @TMP@
SecDataDir /tmp
";

#[test]
fn modsecurity_sees_the_bodies_of_mapped_requests() {
    let site = Site::new("modsecurity");
    site.config_file("map", "* anon_webapp_t:s0\n");
    site.script("length.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec wc -c\n");
    let modules = ["cgi", "unique_id", "security2"];
    let configuration = |folder: &str| {
        format!(
            "AddHandler cgi-script .cgi\nSELinuxDomainMap @ETC@/map\n{}",
            SECURITY.replace("@TMP@", folder)
        )
    };
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration("/tmp"));
    assert!(!httpd.log().contains("SEL0029"));
    let post = |kind: &str, body: &str| httpd.client().post("/length.cgi", None, kind, body.as_bytes());
    let reply = post("text/plain", &"x".repeat(300_000));
    assert_eq!((reply.status, reply.body.trim()), (200, "300000"));
    let form = "application/x-www-form-urlencoded";
    assert_eq!(post(form, "a=allowed").status, 200);
    assert_eq!(post(form, "a=forbidden").status, 403);
    drop(httpd);
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration("/var/cache/apache2"));
    httpd.logged(&["SEL0029", "/var/cache/apache2"]);
}

#[test]
fn a_place_has_the_servers_own_context_by_a_rule() {
    let site = Site::new("server-place");
    site.config_file("map", "* anon_webapp_t:s0\n");
    site.file("context.lua", CONTEXT_LUA);
    let place = "Alias /endpoint @ROOT@\n<Location /endpoint>\nSELinuxDomainVal *\n</Location>\n";
    let httpd = start(&site, Mpm::Event, place);
    assert_eq!(httpd.get("/endpoint/context.lua", None).body, SERVER);
}

#[test]
fn a_login_within_a_page_has_no_filter_of_the_pages_run_as_the_server() {
    let site = Site::new("form-inline");
    site.config_file("map", "foo user_webapp_t:s0:c0\n__anonymous__ anon_webapp_t:s0\n");
    site.file("context.lua", CONTEXT_LUA).script(
        "context",
        "#!/bin/sh\nexec perl -e 'socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31'\n",
    );
    // Parsed once, the page writes what would be run were it parsed again.
    let run = format!("!--#exec cmd=\"{}/context\" -->", site.root().display());
    let page =
        format!("<{run} <!--#set var=\"a\" value=\"<\" --><!--#echo encoding=\"none\" var=\"a\" -->{run}");
    site.file("page.shtml", &page);
    let more = "AddOutputFilter INCLUDES .shtml\n<Directory @ROOT@>\nOptions +Includes\n</Directory>\n";
    let httpd = start(&site, Mpm::Event, more);
    let form =
        "httpd_username=foo&httpd_password=foo&httpd_method=GET&httpd_mimetype=text/plain&httpd_body=x";
    let reply =
        httpd.client().post("/app/page.shtml", None, "application/x-www-form-urlencoded", form.as_bytes());
    assert!(reply.body.contains(FOO), "{reply:?}");
    assert!(!reply.body.contains("httpd_t") && !reply.body.contains("httpd_sys_script_t"), "{reply:?}");
}

#[test]
fn the_name_of_a_handler_that_nobody_has_serves_no_file_as_the_server() {
    let site = Site::new("server-handler-none");
    site.config_file("map", "* anon_webapp_t:s0\n");
    site.file("form/.htaccess", "SetHandler form-login-handler\n")
        .file("named/.htaccess", "SetHandler somebodys-own\n")
        .file_at("s0:c12", "form/secret.txt", "the secret")
        .file_at("s0:c12", "named/secret.txt", "the secret");
    let configuration = "SELinuxServerHandler somebodys-own\nSELinuxDomainMap @ETC@/map\n\
        <Directory @ROOT@>\nAllowOverride All\n</Directory>\n";
    let httpd = Httpd::start(&site, Mpm::Event, &[], configuration);
    assert_eq!(httpd.get("/form/secret.txt", None).status, 403);
    let reply = httpd.get("/named/secret.txt", None);
    assert!(reply.status >= 400 && !reply.body.contains("the secret"), "{reply:?}");
}
