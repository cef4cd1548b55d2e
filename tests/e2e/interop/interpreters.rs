//! Interpreters that all contexts share in httpd, and handlers that do another's work: which of them run pages of mapped
//! requests, found by the handler that runs.

use crate::support::distribution::load_php;
use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA, leave_marks, take_mark_names};
use crate::support::{Httpd, Mpm, Site};
use std::os::unix::fs::PermissionsExt as _;

const USER: &str = "system_u:system_r:user_webapp_t:s0:c11";
const SERVER: &str = "system_u:system_r:httpd_t:s0";

const PLACES: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
<FilesMatch \\.php$>
    SetHandler application/x-httpd-php
</FilesMatch>
<Directory @ROOT@>
    Options +Includes
    AllowOverride All
</Directory>
AddOutputFilter INCLUDES .shtml
Alias /user @ROOT@
Alias /staff @ROOT@
Alias /keep @ROOT@
<Location /user>
    SELinuxDomainVal user_webapp_t:s0:c11
</Location>
<Location /staff>
    SELinuxDomainVal staff_webapp_t:s0:c12
</Location>
";

/// Prints the kernel's word on where it runs.
const CONTEXT_PHP: &str = "<?php echo shell_exec(\"perl -e 'socketpair \\$a, \\$b, 1, 1, 0; print unpack q(Z*), getsockopt \\$a, 1, 31'\");";

const CONTEXT_PERL: &str = "print \"Content-Type: text/plain\\n\\n\"; socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31;";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA)
        .file("context.php", CONTEXT_PHP)
        .file("context.pl", CONTEXT_PERL)
        .script("context.cgi", CONTEXT_CGI);
    site
}

#[test]
fn no_interpreter_in_httpd_runs_a_mapped_request() {
    let site = site("interpreters-refused");
    // By other names: PHP's xbithack, mod_lua's map of its own.
    site.file("executable.html", &format!("before {CONTEXT_PHP}"));
    std::fs::set_permissions(site.root().join("executable.html"), std::fs::Permissions::from_mode(0o755))
        .unwrap();
    for page in ["lua", "php", "pl", "cgi"] {
        site.file(&format!("{page}.shtml"), &format!("[<!--#include virtual=\"/user/context.{page}\" -->]"));
    }
    let configuration = format!(
        "SELinuxInterpreters refuse\n{}{PLACES}
        php_admin_value xbithack 1
        AddType text/html .html
        <FilesMatch \\.pl$>
            SetHandler perl-script
            PerlResponseHandler ModPerl::Registry
            PerlOptions +ParseHeaders
        </FilesMatch>
        LuaMapHandler ^/user/mapped$ @ROOT@/context.lua",
        load_php()
    );
    let httpd = Httpd::start(&site, Mpm::Prefork, &["lua", "cgi", "include", "perl"], &configuration);
    httpd.logged(&["SEL0020", "mod_php.c, mod_perl.c, mod_lua.c run no page"]);
    for page in ["context.lua", "context.php", "context.pl"] {
        assert_eq!(httpd.get(&format!("/keep/{page}"), None).body, SERVER, "{page}");
        let reply = httpd.get(&format!("/user/{page}"), None);
        assert_eq!(reply.status, 500, "{page}: {}", reply.body);
        assert!(!reply.body.contains("system_u"), "{page}");
    }
    httpd.logged(&["SEL0113: mod_lua.c"]);
    httpd.logged(&["SEL0113: mod_php.c"]);
    httpd.logged(&["SEL0113: mod_perl.c"]);
    for page in ["lua", "php", "pl"] {
        let body = httpd.get(&format!("/keep/{page}.shtml"), None).body;
        assert!(body.contains("an error occurred") && !body.contains("system_u"), "{page}: {body}");
    }
    for path in ["/user/executable.html", "/user/mapped"] {
        let reply = httpd.get(path, None);
        assert!(!reply.body.contains("system_u"), "{path}: {}", reply.body);
    }
    assert!(httpd.get("/keep/executable.html", None).body.contains(SERVER));
    // What is no interpreter of httpd's is served.
    assert_eq!(httpd.get("/user/context.cgi", None).body, USER);
    assert_eq!(httpd.get("/keep/cgi.shtml", None).body, format!("[{USER}]"));
}

/// A Lua page that has its request handled by the handler that the query names, and declines.
const CHANGE_LUA: &str = "
function handle(r)
  r.handler = r.args:match('handler=([^&]*)')
  local file = r.args:match('file=([^&]*)')
  if file then r.filename = '@ROOT@/' .. file end
  return apache2.DECLINED
end
";

#[test]
fn a_page_that_chooses_another_handler_gets_what_the_server_would_refuse() {
    let site = site("interpreters-chosen");
    leave_marks(&site);
    site.file("change.lua", &CHANGE_LUA.replace("@ROOT@", site.root().to_str().unwrap())).file(
        "app.wsgi",
        &format!(
            "open('{}/marks/wsgi', 'w')\ndef application(environ, start_response):\n    \
             start_response('200 OK', [])\n    return [b'ran']\n",
            site.root().display()
        ),
    );
    let configuration = format!("{PLACES}\nAddHandler wsgi-script .wsgi\n");
    let modules = ["lua", "cgid", "fcgid", "wsgi", "status", "info", "include"];
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration);
    let change = |place: &str, query: &str| httpd.get(&format!("/{place}/change.lua?{query}"), None);
    // The way is there, where no rule applies.
    assert!(change("keep", "handler=server-status").body.contains("Apache Server Status"));
    assert_eq!(change("keep", "handler=wsgi-script&file=app.wsgi").body, "ran");
    assert_eq!(take_mark_names(&site), ["wsgi"]);
    for (query, code) in [
        ("handler=server-status", "SEL0115"),
        ("handler=server-info", "SEL0115"),
        ("handler=wsgi-script&file=app.wsgi", "SEL0110"),
        ("handler=cgi-script&file=mark.cgi", "SEL0103"),
        ("handler=fcgid-script&file=mark.cgi", "SEL0114"),
    ] {
        let before = httpd.log().matches(code).count();
        let reply = change("user", query);
        assert_eq!(reply.status, 500, "{query}: {}", reply.body);
        assert!(!reply.body.contains("Server Status") && !reply.body.contains("ran"), "{query}");
        assert_eq!(httpd.log().matches(code).count(), before + 1, "{query}");
    }
    assert_eq!(take_mark_names(&site), [""; 0]);
}

#[test]
fn mod_fcgid_is_refused_at_once() {
    let site = site("interpreters-fcgid");
    site.script("script.fcgi", CONTEXT_CGI);
    let configuration = format!("{PLACES}\nAddHandler fcgid-script .fcgi\n");
    let httpd = Httpd::start(&site, Mpm::Event, &["fcgid", "lua"], &configuration);
    let reply = httpd.get("/user/script.fcgi", None);
    assert_eq!(reply.status, 500);
    httpd.logged(&["SEL0114"]);
    assert!(!httpd.log().contains("mod_fcgid: process"), "the manager has started it: {}", httpd.log());
}

/// A page that includes another one, with an error handler of its own.
const VIRTUAL_PHP: &str = "<?php
set_error_handler(function () { echo '[the page\\'s handler]'; return true; });
virtual($_GET['to']);
echo '|', $GLOBALS['password'] ?? 'none';
";

#[test]
fn php_runs_no_page_of_one_context_inside_of_anothers() {
    let site = site("interpreters-virtual");
    site.file("page.php", VIRTUAL_PHP)
        .file("part.php", "<?php $password = 'secret'; echo $undefined, 'the part';")
        .file("part.shtml", "<!--#include virtual=\"/staff/part.php\" -->")
        .file("part.txt", "text");
    let configuration = format!("{}{PLACES}", load_php());
    let httpd = Httpd::start(&site, Mpm::Prefork, &["cgi", "include", "lua"], &configuration);
    httpd.logged(&["SEL0020", "mod_php.c", "can reach each other"]);
    let get = |place: &str, to: &str| httpd.get(&format!("/{place}/page.php?to={to}"), None).body;
    for place in ["user", "keep"] {
        assert_eq!(
            get(place, &format!("/{place}/part.php")),
            "[the page's handler]the part|secret",
            "{place}"
        );
    }
    for (place, to) in [
        ("user", "/staff/part.php"),
        ("user", "/keep/part.php"),
        ("keep", "/user/part.php"),
        ("user", "/user/part.shtml"),
    ] {
        let before = httpd.log().matches("SEL0116").count();
        let body = get(place, to);
        assert!(!body.contains("the part"), "{place} {to}: {body}");
        assert!(body.ends_with("|none"), "{place} {to}: {body}");
        assert_eq!(httpd.log().matches("SEL0116").count(), before + 1, "{place} {to}");
    }
    // What is no page of PHP's may be anybody's.
    assert_eq!(get("user", "/staff/part.txt"), "text|none");
    assert_eq!(get("user", "/staff/context.cgi"), "system_u:system_r:staff_webapp_t:s0:c12|none");
    // One after the other is no matter.
    site.file(
        "both.shtml",
        "<!--#include virtual=\"/user/part.php\" --><!--#include virtual=\"/staff/part.php\" -->",
    );
    assert!(httpd.get("/user/both.shtml", None).body.ends_with("the part"));
}

/// Has mod_lua take what libc keeps of an open file for a request, and prints what one of its pointers points to: the file's
/// buffer, of which the page has been given one byte.
const MEMORY_LUA: &str = "
function handle(r)
  local file = io.open('@ROOT@/text.txt')
  file:read(1)
  debug.setmetatable(file, debug.getmetatable(r))
  r:puts(file.the_request)
  return apache2.OK
end
";

#[test]
fn lua_follows_pointers_in_httpds_memory_so_that_its_pages_are_refused_as_well() {
    let site = site("interpreters-memory");
    site.file("memory.lua", &MEMORY_LUA.replace("@ROOT@", site.root().to_str().unwrap()))
        .file("text.txt", "what is in memory");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], PLACES);
    let body = httpd.get("/user/memory.lua", None).body;
    assert!(body.starts_with("what is in memory"), "{body}");
}

/// Asks for others' requests; says what it is told.
const SCOREBOARD_LUA: &str = "
function handle(r)
  for _, name in ipairs({'scoreboard_process', 'scoreboard_worker'}) do
    local known, answer = pcall(function() return r[name](r, 0, 0) end)
    r:puts(known and type(answer) or 'none', ' ')
  end
  return apache2.OK
end
";

#[test]
fn a_lua_page_of_a_mapped_request_sees_no_scoreboard() {
    let site = site("interpreters-scoreboard");
    site.file("scoreboard.lua", SCOREBOARD_LUA);
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "status"], PLACES);
    assert_eq!(httpd.get("/keep/scoreboard.lua", None).body, "table table ");
    assert_eq!(httpd.get("/user/scoreboard.lua", None).body, "none none ");
    assert_eq!(httpd.get("/keep/scoreboard.lua", None).body, "table table ");
}
