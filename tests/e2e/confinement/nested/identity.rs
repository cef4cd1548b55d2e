//! Who a nested request is mapped as: whoever authenticated, whatever a handler, SSI or `.htaccess` writes.

use super::{ANON, PLACES, SERVER, USER, site};
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site};

const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const NOBODY: &str = "system_u:system_r:anon_webapp_t:s0";

const MODULES: &[&str] = &["lua", "cgi", "include", "actions", "rewrite"];

/// foo, bar and nobody are mapped; the error document is in the same place as the page.
fn users(site: &Site) -> String {
    site.config_file(
        "map",
        "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n__anonymous__ anon_webapp_t:s0\n",
    );
    format!(
        "{PLACES}
        <Location /private>
            SELinuxDomainMap @ETC@/map
            ErrorDocument 401 /private/context.lua
            ErrorDocument 503 /private/bar.lua
        </Location>"
    )
}

#[test]
fn a_handler_that_calls_its_user_another_is_not_that_user_afterwards() {
    let site = site("called-bar");
    // The page is its own error document: for the same place, httpd copies the user and asks for no password.
    let page = CONTEXT_LUA.replacen(
        "function handle(r)",
        "function handle(r)\n  if not r.subprocess_env['REDIRECT_STATUS'] then r.user = 'bar' return 503 end",
        1,
    );
    site.file("bar.lua", &page);
    let configuration = users(&site);
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    let reply = httpd.get("/private/bar.lua", Some("foo"));
    assert_eq!((reply.status, reply.body.as_str()), (503, FOO));
}

#[test]
fn a_user_whose_password_is_wrong_is_nobody() {
    let site = site("wrong-password");
    let configuration = users(&site);
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    // "bar:wrong"
    let headers = [("Authorization", "Basic YmFyOndyb25n")];
    let reply = httpd.client().try_get("/private/context.lua", None, &headers).unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (401, NOBODY));
}

/// Pages are mapped by a variable that the server sets (`SetEnvIf`), to anon's or to user's domain.
const BY_VARIABLE: &str = "
<Location />
    SetEnvIf Request_URI .* DOMAIN=anon_webapp_t:s0:c10
    SELinuxDomainEnv DOMAIN
</Location>
<Location /elsewhere>
    SELinuxDomainEnv DOMAIN
</Location>
Alias /elsewhere @ROOT@
<Location /unset>
    SetEnvIf Request_URI .* !DOMAIN
    SELinuxDomainVal user_webapp_t:s0:c11
</Location>
Alias /unset @ROOT@
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
    AllowOverride FileInfo
</Directory>
";

#[test]
fn what_ssi_sets_does_not_choose_the_label_of_what_it_includes() {
    let site = site("ssi-set");
    let page = "<!--#set var=\"DOMAIN\" value=\"staff_webapp_t:s0:c12\" --><!--#include virtual=\"/elsewhere/context.lua\" -->";
    site.file("page.shtml", page);
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, BY_VARIABLE);
    assert_eq!(httpd.get("/page.shtml", None).body, ANON);
    // Where the server has set no value, an invented one is none.
    let body = httpd.get("/unset/page.shtml", None).body;
    assert!(body.contains("an error occurred") && !body.contains("system_r"), "{body}");
    httpd.logged(&["SEL0104"]);
}

#[test]
fn what_htaccess_sets_does_not_choose_the_label() {
    let site = site("htaccess-set");
    site.file("set/context.lua", CONTEXT_LUA)
        .file("set/.htaccess", "SetEnv DOMAIN staff_webapp_t:s0:c12\n")
        .file("rewrite/context.lua", CONTEXT_LUA)
        .file("rewrite/.htaccess", "RewriteEngine On\nRewriteRule .* - [E=DOMAIN:staff_webapp_t:s0:c12]\n");
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, BY_VARIABLE);
    for path in ["/set/context.lua", "/rewrite/context.lua"] {
        let reply = httpd.get(path, None);
        assert_eq!((reply.status, reply.body.as_str()), (200, ANON), "{path}");
    }
}

#[test]
fn a_handler_named_in_htaccess_is_no_way_out() {
    let site = site("htaccess-handler");
    site.file("named/context.lua", CONTEXT_LUA)
        .file("named/.htaccess", "<Files page.txt>\nSetHandler redirect-handler\n</Files>\n")
        .file_at("s0:c99", "named/page.txt", "what only the server may read")
        .file("mapped/.htaccess", "RewriteEngine On\nRewriteRule ^moved$ /user/context.lua [L]\n")
        .file("mapped/other.txt", "");
    // A handler that takes its requests whatever handler they name, and before mod_rewrite's.
    let configuration = format!("{PLACES}\nLuaMapHandler /mapped/moved$ @ROOT@/context.lua");
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    // mod_rewrite's handler declines, and the default one serves the file: where the server runs it, it can.
    assert_eq!(httpd.get("/keep/named/page.txt", None).body, "what only the server may read");
    assert_eq!(httpd.get("/user/named/page.txt", None).status, 403);
    for path in ["/user/mapped/moved", "/anon/mapped/moved"] {
        let reply = httpd.get(path, None);
        assert_eq!(reply.status, 200, "{path}");
        assert_ne!(reply.body, SERVER, "{path}");
        assert!([USER, ANON].contains(&reply.body.as_str()), "{path}: {}", reply.body);
    }
}
