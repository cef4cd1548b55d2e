//! What a page leaves behind for others to read or run.

use crate::support::backend::Fpm;
use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA};
use crate::support::{Httpd, Mpm, Site, distribution, run};

const PLACES: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
</Directory>
<Directory @ROOT@/shared>
    AllowOverride FileInfo
</Directory>
<Location /own>
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
<Location /his>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
<Location /anon>
    SELinuxDomainVal anon_webapp_t:s0
</Location>
AliasMatch ^/(own|his|anon|keep)/(.*) @ROOT@/$2
";

/// Writes its body to the file that the query names, for all to read and run; says whether it could.
const PLANT_LUA: &str = r#"
function handle(r)
  local file = io.open(r.args, "w")
  if not file then return 403 end
  local body = r:requestbody()
  file:write(body or "")
  file:close()
  os.execute("chmod 777 " .. r.args)
  return apache2.OK
end
"#;

/// A hook that says whose it is.
const HOOK_LUA: &str = r#"
function handle(r)
  local pipe = io.popen("exec perl -e 'socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31'")
  r.headers_out["X-Hook"] = pipe:read("*a")
  pipe:close()
  return apache2.DECLINED
end
"#;

const SERVER: &str = "system_u:system_r:httpd_t:s0";
const OWN: &str = "system_u:system_r:user_webapp_t:s0:c0";

#[test]
fn what_a_page_leaves_behind_runs_in_nobody_elses_context() {
    let site = Site::new("planting");
    // Where new files have their folder's categories, none is made in one for all.
    let shared = if distribution::labels_by_folder() { "s0:c0" } else { "s0" };
    site.file("plant.lua", PLANT_LUA)
        .script("allowed.cgi", CONTEXT_CGI)
        .file("pool.php", "<?php echo 'of the pool';")
        .file("page.shtml", "<!--#include virtual=\"/own/shared/hooks/page.txt\" -->")
        .file("shared/hooks/page.txt", "of the page")
        .writable("shared/hooks", shared)
        .writable("shared", shared);
    run(
        "cp",
        &["-p", site.root().join("pool.php").to_str().unwrap(), site.root().join("shared").to_str().unwrap()],
    );
    let pool = Fpm::start("fpm-other", "s0:c1");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi", "include", "proxy", "proxy_fcgi"], PLACES);
    let root = site.root().display();
    let hooks = format!("LuaHookFixups {root}/shared/hook.lua handle\n");
    let plant = |place: &str, path: &str, content: &str| {
        httpd
            .client()
            .post(&format!("/{place}/plant.lua?{path}"), None, "text/plain", content.as_bytes())
            .status
    };
    let get = |path: &str| {
        let reply = httpd.get(path, None);
        (reply.status, reply.body)
    };

    // A page in Lua is whose it was. (Where no rules stand, it would be the server's: nothing may be served there that
    // pages can write.)
    assert_eq!(plant("own", &format!("{root}/shared/page.lua"), CONTEXT_LUA), 200);
    assert_eq!(get("/own/shared/page.lua"), (200, OWN.to_owned()));
    for place in ["his", "anon"] {
        let (status, body) = get(&format!("/{place}/shared/page.lua"));
        assert!(status >= 400 && !body.contains("system_r"), "{place}: {status} {body}");
    }
    assert_eq!(plant("his", &format!("{root}/shared/page.lua"), ""), 403);

    // A script is nobody's, not even where no rules stand.
    assert_eq!(get("/own/allowed.cgi"), (200, OWN.to_owned()));
    assert_eq!(plant("own", &format!("{root}/shared/script.cgi"), CONTEXT_CGI), 200);
    for place in ["own", "his", "anon", "keep"] {
        let (status, body) = get(&format!("/{place}/shared/script.cgi"));
        assert!(status >= 400 && !body.contains("system_r"), "{place}: {status} {body}");
    }
    httpd.audit.denial(&[&format!("scontext={OWN} "), "name=\"script.cgi\"", "{ execute }"]);

    // A tenant's own `.htaccess` may send requests to another's php-fpm: the connection is the worker's.
    let handler = format!("<Files *.php>\nSetHandler \"proxy:unix:{}|fcgi://x\"\n</Files>\n", pool.socket);
    site.file("shared/.htaccess", &handler).writable("shared", shared);
    assert_eq!(get("/keep/shared/pool.php"), (200, "of the pool".to_owned()));
    for place in ["own", "his", "anon"] {
        assert_eq!(get(&format!("/{place}/shared/pool.php")).0, 503, "{place}");
    }

    // What httpd keeps in files for all: answers, and DAV's locks, which are for those that may change content.
    let cache = format!("{}/planted", distribution::cache_folder());
    assert_eq!(
        [plant("keep", &cache, ""), plant("own", &cache, ""), plant("anon", &cache, "")],
        [200, 403, 403]
    );
    let locks = format!("{}/planted", distribution::dav_lock_folder());
    assert_eq!([plant("own", &locks, ""), plant("anon", &locks, "")], [200, 403]);
    run("rm", &[&cache, &locks]);

    // `.htaccess` can name code that httpd runs before it confines anything: it is refused if a page may have
    // written it, wherever, and whoever asks or owns it.
    assert_eq!(plant("own", &format!("{root}/shared/hook.lua"), HOOK_LUA), 200);
    assert_eq!(plant("own", &format!("{root}/shared/hooks/.htaccess"), &hooks), 200);
    let file = site.root().join("shared/hooks/.htaccess");
    run("chmod", &["644", file.to_str().unwrap()]);
    for page in ["/own/shared/hooks/page.txt", "/keep/shared/hooks/page.txt", "/own/page.shtml"] {
        let reply = httpd.get(page, None);
        assert!(reply.status == 403 || page.ends_with("shtml"), "{page}: {reply:?}");
        assert!(!reply.body.contains("of the page") && reply.header("x-hook").is_none(), "{page}: {reply:?}");
    }
    httpd.logged(&["SEL0112", "shared/hooks/.htaccess"]);
    run("chown", &["root", file.to_str().unwrap()]);
    assert_eq!(httpd.get("/own/shared/hooks/page.txt", None).status, 403);
    site.relabel("shared/hooks/.htaccess", "httpd_sys_htaccess_t", "s0");
    let reply = httpd.get("/own/shared/hooks/page.txt", None);
    assert_eq!((reply.status, reply.header("x-hook")), (200, Some(SERVER)));
}
