//! mod_cache beside mapped requests.

use crate::support::distribution::cache_folder;
use crate::support::pages::PRINT_CONTEXT;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site, run};

const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const BAR: &str = "system_u:system_r:user_webapp_t:s0:c1";
const SERVER: &str = "system_u:system_r:httpd_t:s0";

/// Says in which context it runs, and that everybody may be told the same for a while.
const PAGE: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  r.headers_out["Cache-Control"] = "public, max-age=1000"
  r.headers_out["Last-Modified"] = "Thu, 01 Jan 2026 00:00:00 GMT"
  local pipe = assert(io.popen([[exec perl -e 'socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31']]))
  local context = pipe:read("*a")
  pipe:close()
  r.headers_out["Content-Length"] = tostring(#context)
  r:puts(context)
  return apache2.OK
end
"#;

/// `free` has no rules; in the others there are some for foo and bar, or, in `some`, for foo alone. Who asks, a header
/// says, and nothing tells caches of that: mod_cache leaves requests with `Authorization` alone, and answers for which
/// httpd has looked at a header in an expression vary by it.
const PLACES: &str = "
SetEnvIf X-User ^foo$ BOTH=user_webapp_t:s0:c0 FOO=user_webapp_t:s0:c0
SetEnvIf X-User ^bar$ BOTH=user_webapp_t:s0:c1
<LocationMatch ^/(on|off)/>
    SELinuxDomainEnv BOTH
</LocationMatch>
<Location /on>
    SELinuxAllowCaches On
</Location>
<Location /some>
    SELinuxDomainEnv FOO
    SELinuxUnmapped server
</Location>
";

fn configuration() -> String {
    let mut text = String::from(
        "AddHandler lua-script .lua
        CacheSocache shmcb:/run/httpd-test/cache(512000)
        CacheDefaultExpire 1000\n",
    );
    text += &format!("CacheRoot {}\n", cache_folder());
    let mut servers = String::new();
    for place in ["free", "off", "on", "some"] {
        text += &format!("Alias /{place}/ @ROOT@/\n");
        for store in ["disk", "socache"] {
            servers += &format!("CacheEnable {store} /{place}/{store}\n");
        }
    }
    text += PLACES;
    for (name, quick) in [("quick", "On"), ("slow", "Off")] {
        text += &format!(
            "<VirtualHost *:80>\nServerName {name}\nCacheQuickHandler {quick}\n{servers}</VirtualHost>\n"
        );
    }
    text
}

/// A GET of a virtual host.
fn get(host: &str, path: &str, user: &str) -> String {
    let mut connection = Connection::open().unwrap();
    connection
        .send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-User: {user}\r\nConnection: close\r\n\r\n"))
        .unwrap();
    // To the end of the connection: what is cached is so once the response is through.
    let reply = connection.rest().unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{host} {path} {user}: {reply}");
    body.to_owned()
}

fn answers_go_to_whom_they_were_made_for(mpm: Mpm) {
    let site = Site::new("caches");
    // A page of its own for each: what is in a cache is known by host and path.
    for name in ["disk/page.lua", "socache/page.lua"] {
        site.file(name, PAGE);
    }
    run("sh", &["-c", &format!("rm -rf {}/*", cache_folder())]);
    let modules = ["lua", "cache", "cache_disk", "cache_socache", "socache_shmcb"];
    let httpd = Httpd::start(&site, mpm, &modules, &configuration());
    for host in ["quick", "slow"] {
        for store in ["disk", "socache"] {
            let both = |place: &str, first: &str, second: &str| {
                let path = format!("/{place}/{store}/page.lua");
                [get(host, &path, first), get(host, &path, second)]
            };
            assert_eq!(both("off", "foo", "bar"), [FOO, BAR], "{mpm:?} {host} {store}");
            // Nor what the server context said to others.
            assert_eq!(both("some", "bar", "foo"), [SERVER, FOO], "{mpm:?} {host} {store}");
            assert_eq!(both("some", "foo", "bar"), [FOO, SERVER], "{mpm:?} {host} {store}");
            // With the caches on, the first answer is everybody's, where the worker may store it: not on disk.
            let second = if store == "disk" { BAR } else { FOO };
            assert_eq!(both("on", "foo", "bar"), [FOO, second], "{mpm:?} {host} {store}");
        }
    }
    httpd.audit.denial(&[&format!("scontext={FOO} "), "httpd_cache_t"]);
    // The control: without rules, both stores store.
    for (host, store) in [("quick", "disk"), ("quick", "socache"), ("slow", "disk"), ("slow", "socache")] {
        let path = format!("/free/{store}/page.lua");
        assert_eq!(get(host, &path, "foo"), SERVER);
        site.file(&format!("{store}/page.lua"), &PAGE.replace("r:puts(context)", "r:puts(context:upper())"));
        assert_eq!(get(host, &path, "bar"), SERVER, "{mpm:?} {host} {store}: not from the cache");
        site.file(&format!("{store}/page.lua"), PAGE);
    }
}

#[test]
fn a_cached_answer_goes_to_whom_it_was_made_for_on_event() {
    answers_go_to_whom_they_were_made_for(Mpm::Event);
}

#[test]
fn a_cached_answer_goes_to_whom_it_was_made_for_on_prefork() {
    answers_go_to_whom_they_were_made_for(Mpm::Prefork);
}

/// A page is stored before SSI has gone through it (`CACHE`), so that what it says is each one's own.
const STORED_SOURCE: &str = "
CacheSocache shmcb:/run/httpd-test/cache(512000)
CacheDefaultExpire 1000
CacheQuickHandler Off
CacheEnable socache /
SetEnvIf X-User ^foo$ DOMAIN=user_webapp_t:s0:c0
SetEnvIf X-User ^bar$ DOMAIN=user_webapp_t:s0:c1
SetOutputFilter CACHE;INCLUDES
<Directory @ROOT@>
    Options +Includes
</Directory>
<Location />
    SELinuxAllowCaches On
    SELinuxDomainEnv DOMAIN
</Location>
";

#[test]
fn the_filters_behind_a_cache_are_confined_also_where_it_answers() {
    let site = Site::new("cached-source");
    site.script("context", &format!("#!/bin/sh\n{PRINT_CONTEXT}\n"));
    let page = format!("<!--#exec cmd=\"{}/context\" -->", site.root().display());
    let assert_told = |user, context: &str| {
        let body = get("localhost", "/page.html", user);
        assert!(body.lines().any(|line| line == context), "{user}: {body}");
    };
    for mpm in [Mpm::Event, Mpm::Prefork] {
        site.file("page.html", &page);
        // It is kept for a while if it has not changed for a while.
        run("touch", &["-d", "2026-01-01", site.root().join("page.html").to_str().unwrap()]);
        let _httpd = Httpd::start(
            &site,
            mpm,
            &["cgi", "include", "cache", "cache_socache", "socache_shmcb"],
            STORED_SOURCE,
        );
        assert_told("foo", FOO);
        // It is the cache that answers.
        site.file("page.html", "not from the cache");
        assert_told("bar", BAR);
        assert_told("foo", FOO);
    }
}

/// A page without rules, with a part for each of two clients; before it, more than mod_cache waits for.
const PARTS: &str = "
AddOutputFilter INCLUDES .shtml
AddHandler lua-script .lua
<Directory @ROOT@>
    Options +Includes
</Directory>
SetEnvIf X-User ^foo$ BOTH=user_webapp_t:s0:c0
SetEnvIf X-User ^bar$ BOTH=user_webapp_t:s0:c1
Alias /part @ROOT@
<Location /part>
    SELinuxDomainEnv BOTH
</Location>
CacheRoot @CACHE@
CacheEnable disk /free
CacheIgnoreNoLastMod On
CacheDefaultExpire 1000
Alias /free @ROOT@
";

#[test]
fn a_page_with_a_mapped_part_in_it_is_not_stored() {
    let site = Site::new("cache-part");
    site.file("part.lua", PAGE)
        .file("page.shtml", "[<!--#include virtual=\"/part/part.lua\" -->]")
        .file("long.shtml", &format!("{}[<!--#include virtual=\"/part/part.lua\" -->]", "x".repeat(100_000)))
        .file("plain.shtml", "[<!--#echo var=\"X\" -->]");
    run("find", &[cache_folder(), "-mindepth", "1", "-delete"]);
    let configuration = PARTS.replace("@CACHE@", cache_folder());
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &["lua", "include", "cache", "cache_disk"], &configuration);
        let get =
            |path: &str, user: &str| httpd.client().try_get(path, None, &[("X-User", user)]).unwrap().body;
        for page in ["/free/page.shtml", "/free/long.shtml"] {
            for (user, context) in [("foo", FOO), ("bar", BAR), ("foo", FOO)] {
                let body = get(page, user);
                assert!(body.ends_with(&format!("[{context}]")), "{mpm:?} {page} {user}: {body:.200}");
            }
        }
        // What has no such part is stored: the file changes, and the answer does not.
        let first = get("/free/plain.shtml", "foo");
        site.file("plain.shtml", "changed");
        assert_eq!(get("/free/plain.shtml", "bar"), first, "{mpm:?}");
        site.file("plain.shtml", "[<!--#echo var=\"X\" -->]");
    }
}
