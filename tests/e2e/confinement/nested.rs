//! Requests that start others: each part of a page runs in the context mapped for it.
//!
//! The same files are served at four places, each with a rule of its own (`/keep`: none). What comes back
//! from a part is the kernel's word on who ran it.

mod authorization;
mod choices;
mod early_phases;
mod filters;
mod identity;
mod inheritance;

use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA, PRINT_CONTEXT};
use crate::support::{Httpd, Mpm, Site};

const ANON: &str = "system_u:system_r:anon_webapp_t:s0:c10";
const USER: &str = "system_u:system_r:user_webapp_t:s0:c11";
const STAFF: &str = "system_u:system_r:staff_webapp_t:s0:c12";
/// Where no rules stand: httpd itself, and what the distribution's policy makes of a script it starts.
const SERVER: &str = "system_u:system_r:httpd_t:s0";
const SERVERS_SCRIPT: &str = "system_u:system_r:httpd_sys_script_t:s0";

const PLACES: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
    AllowOverride FileInfo
</Directory>
Alias /anon @ROOT@
Alias /user @ROOT@
Alias /staff @ROOT@
Alias /keep @ROOT@
<Location /anon>
    SELinuxDomainVal anon_webapp_t:s0:c10
</Location>
<Location /user>
    SELinuxDomainVal user_webapp_t:s0:c11
</Location>
<Location /staff>
    SELinuxDomainVal staff_webapp_t:s0:c12
</Location>
";

const MODULES: &[&str] = &["lua", "cgi", "include", "actions", "rewrite"];

/// The pages that every test here has.
fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA)
        .script("context.cgi", CONTEXT_CGI)
        .script("context", &format!("#!/bin/sh\n{PRINT_CONTEXT}\n"))
        .script("redirect.cgi", "#!/bin/sh\necho \"Location: $QUERY_STRING\"\necho\n");
    site
}

#[test]
fn a_redirect_runs_in_the_context_of_where_it_leads() {
    let site = site("redirects");
    site.file("page.act", "")
        .file("own/page.act", "")
        .file_at("s0:c99", "locked.txt", "")
        .file("busy.lua", "function handle(r) return 503 end")
        .file("folder/index.lua", CONTEXT_LUA)
        .file("elsewhere/empty.txt", "")
        .file("app/front.lua", CONTEXT_LUA)
        .file(
            "app/.htaccess",
            "RewriteEngine On\nRewriteRule ^moved /staff/context.cgi [L]\nRewriteRule !^front\\.lua$ front.lua [L]\n",
        );
    let configuration = format!(
        "{PLACES}
        <Location /closed>
            SELinuxDomainVal anon_webapp_t:s0:c10
            Require all denied
        </Location>
        <Location /login>
            SELinuxDomainVal anon_webapp_t:s0:c10
            AuthType Basic
            AuthName test
            AuthUserFile @ETC@/users
            Require valid-user
        </Location>
        ErrorDocument 401 /user/context.lua
        ErrorDocument 403 /staff/context.cgi
        ErrorDocument 404 /user/context.lua
        ErrorDocument 503 /keep/context.lua

        <Directory @ROOT@/folder>
            DirectoryIndex index.lua
            SELinuxDomainVal anon_webapp_t:s0:c10
        </Directory>
        <Directory @ROOT@/elsewhere>
            DirectoryIndex /staff/context.cgi
            SELinuxDomainVal anon_webapp_t:s0:c10
        </Directory>
        <Directory @ROOT@/app>
            SELinuxDomainVal anon_webapp_t:s0:c10
        </Directory>
        <FilesMatch ^(index|front)\\.lua$>
            SELinuxDomainVal user_webapp_t:s0:c11
        </FilesMatch>

        AddHandler act .act
        Action act /staff/context.cgi
        <Location /anon/own>
            Action act /anon/context.cgi
        </Location>
        "
    );
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, &configuration);
        for (path, status, context) in [
            // Error documents: of the server's own refusals, and of a worker's.
            ("/login/page", 401, USER),
            ("/closed/page", 403, STAFF),
            ("/anon/locked.txt", 403, STAFF),
            ("/anon/none", 404, USER),
            ("/anon/busy.lua", 503, SERVER),
            ("/keep/none", 404, USER),
            // DirectoryIndex.
            ("/folder/", 200, USER),
            ("/elsewhere/", 200, STAFF),
            // A front controller in .htaccess, and a rewrite out of its folder.
            ("/app/", 200, USER),
            ("/app/any/path?and=query", 200, USER),
            ("/app/moved", 200, STAFF),
            // Action.
            ("/anon/page.act", 200, STAFF),
            ("/anon/own/page.act", 200, ANON),
            ("/keep/page.act", 200, STAFF),
            // A CGI script's local Location, once and again.
            ("/anon/redirect.cgi?/user/context.lua", 200, USER),
            ("/anon/redirect.cgi?/staff/context.cgi", 200, STAFF),
            ("/anon/redirect.cgi?/anon/context.lua", 200, ANON),
            ("/anon/redirect.cgi?/keep/context.lua", 200, SERVER),
            ("/anon/redirect.cgi?/keep/context.cgi", 200, SERVERS_SCRIPT),
            ("/keep/redirect.cgi?/user/context.cgi", 200, USER),
            ("/anon/redirect.cgi?/user/redirect.cgi?/staff/context.lua", 200, STAFF),
            // From inside a worker to an error document, and to a front controller.
            ("/anon/redirect.cgi?/staff/none", 404, USER),
            ("/staff/redirect.cgi?/app/any", 200, USER),
        ] {
            let reply = httpd.get(path, None);
            assert_eq!((reply.status, reply.body.as_str()), (status, context), "{mpm:?} {path}");
        }
    }
}

#[test]
fn each_part_of_an_ssi_page_runs_in_its_own_context() {
    let site = site("ssi");
    let root = site.root().display().to_string();
    site.file(
        "page.shtml",
        &format!(
            "cmd <!--#exec cmd=\"{root}/context\" -->
lua <!--#include virtual=\"/user/context.lua\" -->
cgi <!--#include virtual=\"/staff/context.cgi\" -->
exec <!--#exec cgi=\"/user/context.cgi\" -->
same <!--#include virtual=\"/anon/context.lua\" -->
keep <!--#include virtual=\"/keep/context.lua\" -->
moved <!--#include virtual=\"/user/redirect.cgi?/staff/context.lua\" -->
inner [<!--#include virtual=\"/user/inner.shtml\" -->]
kept [<!--#include virtual=\"/keep/inner.shtml\" -->]
cmd <!--#exec cmd=\"{root}/context\" -->"
        ),
    )
    .file(
        "inner.shtml",
        &format!(
            "cmd <!--#exec cmd=\"{root}/context\" --> lua <!--#include virtual=\"/staff/context.lua\" --> \
             cgi <!--#include virtual=\"/anon/context.cgi\" --> cmd <!--#exec cmd=\"{root}/context\" -->"
        ),
    );
    let expected = |own: &str| {
        let inner = |own: &str| format!("[cmd {own} lua {STAFF} cgi {ANON} cmd {own}]");
        format!(
            "cmd {own}\nlua {USER}\ncgi {STAFF}\nexec {USER}\nsame {ANON}\nkeep {SERVER}\nmoved {STAFF}\n\
             inner {}\nkept {}\ncmd {own}",
            inner(USER),
            inner(SERVERS_SCRIPT)
        )
    };
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, PLACES);
        for (path, own) in
            [("/anon/page.shtml", ANON), ("/staff/page.shtml", STAFF), ("/keep/page.shtml", SERVERS_SCRIPT)]
        {
            let reply = httpd.get(path, None);
            assert_eq!((reply.status, reply.body), (200, expected(own)), "{mpm:?} {path}");
        }
    }
}

#[test]
fn the_server_runs_nothing_in_a_confined_pages_interpreter() {
    let site = site("interpreters");
    let spoil =
        "SPOILT = SPOILT or ''\nfunction handle(r)\n  r:puts(SPOILT)\n  SPOILT = 'spoilt'\n  return 0\nend\n";
    site.file("spoil.lua", spoil).file(
        "page.shtml",
        "[<!--#include virtual=\"/user/spoil.lua\" --><!--#include virtual=\"/user/spoil.lua\" -->] \
         [<!--#include virtual=\"/keep/spoil.lua\" -->]",
    );
    let configuration = format!("LuaScope thread\n{PLACES}");
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    // A thread keeps its interpreters, and the thread that the server goes on with is another.
    assert_eq!(httpd.get("/user/page.shtml", None).body, "[spoilt] []");
}
