//! What a provider is asked of a nested request is what authentication found, whatever handlers, SSI and `.htaccess`
//! write; and it is asked with the server's privileges.

use super::{BASE, GROUPS};
use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA};
use crate::support::{Httpd, Mpm, Site};

const MODULES: &[&str] = &["lua", "cgi", "include", "rewrite", "authz_groupfile"];

/// Whoever has the variable TRUSTED gets staff's context, by one provider or the other.
const RULES: &str = "
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
    AllowOverride FileInfo
    SELinuxDomain staff_webapp_t:s0:c12 env TRUSTED REDIRECT_TRUSTED
    SELinuxDomain staff_webapp_t:s0:c13 expr reqenv('TRUSTED') == '1' || reqenv('REDIRECT_TRUSTED') == '1'
    SELinuxDomainEnv REDIRECT_DOMAIN
    SELinuxDomainVal anon_webapp_t:s0
</Directory>
Alias /elsewhere @ROOT@
<Location /elsewhere>
    SELinuxUnmapped refuse
</Location>
ErrorDocument 503 /elsewhere/context.lua
SetEnvIf X-Trusted 1 TRUSTED=1
";

/// A page that has variables set, and then fails.
const SET_LUA: &str = "
function handle(r)
    r.subprocess_env['TRUSTED'] = '1'
    r.subprocess_env['DOMAIN'] = 'staff_webapp_t:s0:c14'
    return 503
end
";

#[test]
fn variables_that_others_set_grant_nothing() {
    let site = Site::new("untrusted-variables");
    let set = "<!--#set var=\"TRUSTED\" value=\"1\" -->";
    let include = "<!--#include virtual=\"/elsewhere/context.lua\" -->";
    site.file("context.lua", CONTEXT_LUA)
        .file("set.lua", SET_LUA)
        .file("page.shtml", include)
        .file("set.shtml", &format!("{set}{include}"))
        .file("rewrite/context.lua", CONTEXT_LUA)
        .file("rewrite/.htaccess", "RewriteEngine On\nRewriteRule .* - [E=TRUSTED:1]\n")
        .file("setenv/context.lua", CONTEXT_LUA)
        .file("setenv/.htaccess", "SetEnv TRUSTED 1\n")
        // An internal redirect gives the target what was set before, under another name.
        .file("front/front.lua", CONTEXT_LUA)
        .file(
            "front/.htaccess",
            "RewriteEngine On\nRewriteRule ^moved$ front.lua [E=TRUSTED:1,E=DOMAIN:staff_webapp_t,L]\n",
        );
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &format!("{BASE}{RULES}"));
    let ask = |path: &str, headers: &[(&str, &str)]| httpd.client().try_get(path, None, headers).unwrap();
    for (path, status) in [
        ("/context.lua", 200),
        ("/page.shtml", 200),
        ("/set.shtml", 200),
        ("/set.lua", 503),
        ("/rewrite/context.lua", 200),
        ("/setenv/context.lua", 200),
        ("/front/moved", 200),
    ] {
        let reply = ask(path, &[]);
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (status, "system_u:system_r:anon_webapp_t:s0"),
            "{path}"
        );
        // What the server's own configuration set counts, also for what the page starts.
        let reply = ask(path, &[("X-Trusted", "1")]);
        let staff = "system_u:system_r:staff_webapp_t:s0:c12";
        assert_eq!((reply.status, reply.body.as_str()), (status, staff), "{path}");
    }
}

const USERS: &str = "
AddHandler cgi-script .cgi
ErrorDocument 503 /login/rename.lua
Alias /login @ROOT@
<Location /login>
    SELinuxDomain user_webapp_t:s0:c1 user foo
    SELinuxDomain user_webapp_t:s0:c2 expr %{REMOTE_USER} == 'bar'
</Location>
Alias /groups @ROOT@
<Location /groups>
    AuthType Basic
    AuthName test
    AuthUserFile @ETC@/users
    AuthGroupFile @ETC@/groups
    Require valid-user
    SELinuxDomain anon_webapp_t:s0:c3 group others
    SELinuxDomain staff_webapp_t:s0:c4 not group others
</Location>
";

#[test]
fn the_user_is_who_logged_in_and_groups_are_looked_up_by_the_server() {
    let site = Site::new("untrusted-user");
    site.config_file("groups", GROUPS);
    // The page is its own error document: for the same place, httpd copies the user and asks for no password.
    let rename = CONTEXT_LUA.replacen(
        "function handle(r)",
        "function handle(r)\n  if not r.subprocess_env['REDIRECT_STATUS'] then r.user = 'bar' return 503 end",
        1,
    );
    let again = CONTEXT_CGI.replacen(
        "\nprintf",
        "\n[ \"$QUERY_STRING\" ] || { printf 'Location: /groups/again.cgi?again\\n\\n'; exit; }\nprintf",
        1,
    );
    site.file("rename.lua", &rename).script("again.cgi", &again);
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, &format!("{BASE}{USERS}"));
        let reply = httpd.get("/login/rename.lua", Some("foo"));
        assert_eq!((reply.status, reply.body.as_str()), (503, "system_u:system_r:user_webapp_t:s0:c1"));
        // anon_webapp_t may not read the group file: where it starts a request, the server looks for the group.
        for (user, context) in [("bar", "anon_webapp_t:s0:c3"), ("foo", "staff_webapp_t:s0:c4")] {
            let body = httpd.get("/groups/again.cgi", Some(user)).body;
            assert_eq!(body, format!("system_u:system_r:{context}"), "{user}");
        }
    }
}
