//! What a page may not choose of a request that it starts: where it is served, by which handler, with what of its own
//! `.htaccess`. The rules are for URIs (`<Location>`), of which some requests have none.

use super::{PLACES, SERVER, STAFF, USER, site};
use crate::support::pages::{CONTEXT_LUA, PRINT_CONTEXT};
use crate::support::{Httpd, Mpm, Site};
use std::os::unix::fs::PermissionsExt as _;

const MODULES: &[&str] = &["lua", "cgi", "include", "actions", "rewrite", "negotiation"];

/// A page that runs a program, which tells where it runs.
fn with_program(site: &Site) -> String {
    format!("<!--#exec cmd=\"{}/context\" -->", site.root().display())
}

#[test]
fn a_part_that_is_asked_for_by_its_file_is_served_in_its_pages_context() {
    let site = site("choice-file");
    site.file("sub/part.shtml", &format!("[{}]", with_program(&site)))
        .file("sub/page.lua", CONTEXT_LUA)
        .file_at("s0:c12", "sub/secret.txt", "the secret")
        .file(
            "page.shtml",
            "<!--#include file=\"sub/part.shtml\" --><!--#include file=\"sub/page.lua\" -->\
             <!--#include file=\"sub/secret.txt\" -->",
        );
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, PLACES);
        // The way is there.
        let body = httpd.get("/keep/page.shtml", None).body;
        assert!(body.contains(SERVER) && body.contains("the secret"), "{mpm:?}: {body}");
        let body = httpd.get("/user/page.shtml", None).body;
        assert!(body.starts_with(&format!("[{USER}]{USER}")), "{mpm:?}: {body}");
        assert!(!body.contains(SERVER) && !body.contains("the secret"), "{mpm:?}: {body}");
    }
}

#[test]
fn a_request_that_negotiation_leads_to_a_file_is_served_where_its_uri_leads() {
    let site = site("choice-negotiated");
    site.file("sub/part.shtml", &format!("[{}]", with_program(&site)))
        .file_at("s0:c12", "secret.txt", "the secret")
        .file("run.var", "URI: sub/part.shtml\nContent-type: text/html\n")
        .file("read.var", &format!("URI: {}/secret.txt\nContent-type: text/plain\n", site.root().display()));
    let configuration = format!(
        "{PLACES}
        AddType application/x-type-map .var
        <Directory @ROOT@>
            Options +MultiViews +Includes
        </Directory>"
    );
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    assert!(httpd.get("/keep/run", None).body.contains("httpd_sys_script_t"));
    assert_eq!(httpd.get("/keep/read", None).body, "the secret");
    let body = httpd.get("/user/run", None).body;
    assert!(!body.contains("httpd_sys_script_t") && !body.contains(SERVER), "{body}");
    assert!(body.contains(USER), "{body}");
    let reply = httpd.get("/user/read", None);
    assert!(!reply.body.contains("the secret"), "{reply:?}");
}

#[test]
fn a_page_makes_no_script_of_a_file_in_another_context() {
    let site = site("choice-exec");
    // A program, that httpd serves as a text.
    site.script("tool.sh", &format!("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n{PRINT_CONTEXT}\n"));
    for place in ["user", "staff", "keep"] {
        site.file(&format!("{place}.shtml"), &format!("<!--#exec cgi=\"/{place}/tool.sh\" -->"))
            .file(&format!("{place}-cgi.shtml"), &format!("<!--#exec cgi=\"/{place}/context.cgi\" -->"));
    }
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, PLACES);
    assert_eq!(httpd.get("/user/user.shtml", None).body, USER);
    for place in ["staff", "keep"] {
        let body = httpd.get(&format!("/user/{place}.shtml"), None).body;
        assert!(!body.contains("system_u:"), "{place}: {body}");
    }
    httpd.logged(&["SEL0117"]);
    // What the other place has for a script may be run.
    assert_eq!(httpd.get("/user/staff-cgi.shtml", None).body, STAFF);
}

#[test]
fn what_htaccess_sets_by_the_request_stays_in_its_context() {
    let site = site("choice-setenvif");
    site.file(
        "own/.htaccess",
        "SetEnvIf Request_Protocol . INTERNAL=1 REMOTE_USER=admin DOMAIN=user_webapp_t:s0:c11\n",
    )
    .file("own/page.shtml", "[<!--#include virtual=\"/guarded/part.txt\" -->]")
    .file("own/asked.shtml", "<!--#include virtual=\"/asked/context.lua\" -->")
    .file("own/names.shtml", "<!--#include virtual=\"/staff/names.cgi\" -->")
    .script("names.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec env\n")
    .file("part.txt", "what is guarded");
    let configuration = format!(
        "{PLACES}
        SetEnvIf X-Internal 1 INTERNAL=1
        Alias /guarded @ROOT@
        Alias /asked @ROOT@
        <Location /guarded>
            SELinuxDomainVal staff_webapp_t:s0:c12
            Require env INTERNAL
        </Location>
        <Location /asked>
            SELinuxDomainEnv DOMAIN
            SELinuxDomainVal staff_webapp_t:s0:c12
        </Location>"
    );
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    let body = httpd.get("/anon/own/page.shtml", None).body;
    assert!(!body.contains("guarded"), "{body}");
    let internal = httpd.client().try_get("/anon/own/page.shtml", None, &[("X-Internal", "1")]).unwrap();
    assert_eq!(internal.body, "[what is guarded]");
    assert_eq!(httpd.get("/anon/own/asked.shtml", None).body, STAFF);
    let body = httpd.get("/anon/own/names.shtml", None).body;
    assert!(body.contains("GATEWAY_INTERFACE") && !body.contains("admin"), "{body}");
}

/// A Lua page for each way by which mod_lua runs without being the handler.
const LUA: &str = "
function filter(r)
  coroutine.yield('<filtered>')
  while bucket do coroutine.yield(bucket) end
  coroutine.yield('')
end
function quick(r)
  if not r.uri:match('^/quick/') then return apache2.DECLINED end
  r:puts('quick')
  return apache2.OK
end
";

#[test]
fn mod_lua_neither_filters_a_mapped_request_nor_answers_for_one_that_a_page_starts() {
    let site = site("choice-filter");
    site.file("ways.lua", LUA).file("text.txt", "text").file("own/.htaccess", "SetOutputFilter MARK\n");
    site.file("own/text.txt", "text").file("page.shtml", "[<!--#include virtual=\"/quick/any\" -->]");
    let configuration = format!(
        "SELinuxInterpreters refuse
        LuaQuickHandler @ROOT@/ways.lua quick
        LuaOutputFilter MARK @ROOT@/ways.lua filter
        {PLACES}"
    );
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    assert_eq!(httpd.get("/keep/own/text.txt", None).body, "<filtered>text");
    let reply = httpd.get("/user/own/text.txt", None);
    assert!(reply.status == 500 && !reply.body.contains("filtered"), "{reply:?}");
    assert_eq!(httpd.get("/user/text.txt", None).body, "text");
    // The administrator's directive: it answers clients.
    assert_eq!(httpd.get("/quick/any", None).body, "quick");
    assert_eq!(httpd.get("/keep/page.shtml", None).body, "[quick]");
    assert!(!httpd.get("/user/page.shtml", None).body.contains("quick"));
}

#[test]
fn htaccess_has_the_server_run_no_program_and_read_no_file() {
    let site = site("choice-htaccess");
    let program = site.root().join("program");
    site.file("program", "#!/bin/sh\ntouch /run/httpd-test/choice-ran\necho passphrase\n")
        .file("run/.htaccess", &format!("SessionCryptoPassphrase \"exec:{}\"\n", program.display()))
        .file("split/.htaccess", &format!("SessionCryptoPassphrase \"ex\\\nec:{}\"\n", program.display()))
        .file("meta/.htaccess", "\"MetaFiles\" On\nMetaDir ../../../../etc\nMetaSuffix wd\n")
        .file("note/.htaccess", "# exec: is not for here\nErrorDocument 404 exec\n")
        .file("meta/pass", "");
    for folder in ["run", "split", "note"] {
        site.file(&format!("{folder}/text.txt"), "text");
    }
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _ = std::fs::remove_file("/run/httpd-test/choice-ran");
    let configuration = format!("{PLACES}\n<Directory @ROOT@>\nAllowOverride All\n</Directory>\n");
    let modules = [MODULES, &["session", "session_cookie", "session_crypto", "cern_meta"]].concat();
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration);
    for path in ["/user/run/text.txt", "/user/split/text.txt", "/user/meta/pass"] {
        let reply = httpd.get(path, None);
        assert_eq!(reply.status, 500, "{path}");
        assert!(reply.header("root").is_none(), "{path}: {reply:?}");
    }
    assert!(httpd.log().matches("SEL0119").count() >= 3, "{}", httpd.log());
    assert!(!std::path::Path::new("/run/httpd-test/choice-ran").exists());
    assert_eq!(httpd.get("/user/note/text.txt", None).body, "text");
}
