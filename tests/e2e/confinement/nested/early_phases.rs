//! The phases before the handler of a request that a page starts: they run as the server, and see what the page may not.

use super::{ANON, site};
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm};

const MODULES: &[&str] = &["lua", "cgi", "include", "autoindex", "rewrite"];

/// Maps that the page's domain may not read: what is closed, and where articles are.
const MAPS: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes +Indexes
</Directory>
RewriteEngine On
RewriteMap articles txt:@ETC@/articles
RewriteMap closed txt:@ETC@/closed
RewriteCond ${closed:%{REQUEST_URI}|no} =yes
RewriteRule ^ - [F]
RewriteRule ^/article/(.*) /${articles:$1|none.txt} [PT]
<Location />
    SELinuxDomainVal anon_webapp_t:s0:c10
</Location>
";

#[test]
fn rewrite_maps_are_looked_up_as_the_server() {
    let site = site("early-maps");
    site.config_file("articles", "first first.txt\n");
    site.config_file("closed", "/closed.txt yes\n");
    for (name, uri) in [("article", "/article/first"), ("closed", "/closed.txt")] {
        site.file(&format!("{name}.shtml"), &format!("[<!--#include virtual=\"{uri}\" -->]"));
    }
    site.file("first.txt", "the first").file("none.txt", "none").file("closed.txt", "what is closed");
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, MAPS);
        assert_eq!(httpd.get("/article/first", None).body, "the first", "{mpm:?}");
        assert_eq!(httpd.get("/closed.txt", None).status, 403, "{mpm:?}");
        assert_eq!(httpd.get("/article.shtml", None).body, "[the first]", "{mpm:?}");
        for path in ["/closed.shtml", "/redirect.cgi?/closed.txt"] {
            let body = httpd.get(path, None).body;
            assert!(!body.contains("what is closed"), "{mpm:?} {path}: {body}");
        }
        assert_eq!(httpd.get("/redirect.cgi?/article/first", None).body, "the first", "{mpm:?}");
    }
}

#[test]
fn a_condition_on_a_file_holds_for_what_a_page_starts() {
    let site = site("early-if");
    site.config_file("maintenance", "");
    site.file("context.lua", CONTEXT_LUA)
        .file("page.shtml", "<!--#include virtual=\"/context.lua\" -->")
        .file("staff/part.txt", "the part");
    site.file("part.shtml", "[<!--#include virtual=\"/staff/part.txt\" -->]");
    // Both ways: what a worker cannot see must neither be missing nor be there.
    let configuration = "
        AddHandler lua-script .lua
        AddOutputFilter INCLUDES .shtml
        <Directory @ROOT@>
            Options +Includes
        </Directory>
        SELinuxDomainVal user_webapp_t:s0:c11
        <If \"-f '@ETC@/maintenance'\">
            SELinuxDomainVal anon_webapp_t:s0:c10
        </If>
        <Location /staff>
            <If \"! -f '@ETC@/maintenance'\">
                Require all denied
            </If>
        </Location>
    ";
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, configuration);
        for path in ["/context.lua", "/page.shtml"] {
            assert_eq!(httpd.get(path, None).body, ANON, "{mpm:?} {path}");
        }
        assert_eq!(httpd.get("/part.shtml", None).body, "[the part]", "{mpm:?}");
    }
}

/// A place with passwords, which pages there may not read.
const PASSWORDS: &str = "
AddOutputFilter INCLUDES .shtml
AddHandler lua-script .lua
<Directory @ROOT@>
    Options +Includes +Indexes
</Directory>
<Location />
    AuthType Basic
    AuthName test
    AuthUserFile @ETC@/users
    Require valid-user
    SELinuxDomainMap @ETC@/map
</Location>
";

#[test]
fn parts_and_listings_of_a_place_with_passwords_are_whole() {
    let site = site("early-passwords");
    site.config_file("map", "foo anon_webapp_t:s0:c10\n");
    site.file("list/a.txt", "").file("list/b/c.txt", "");
    site.file("page.shtml", "<!--#include virtual=\"/context.lua\" -->").file("context.lua", CONTEXT_LUA);
    // Modules with a hook of the old kind have httpd authenticate each request that a page starts, also in its own place.
    for module in [&[][..], &["evasive"], &["dav", "dav_svn", "authz_svn"]] {
        let modules = [MODULES, module].concat();
        let httpd = Httpd::start(&site, Mpm::Event, &modules, PASSWORDS);
        let listing = httpd.get("/list/", Some("foo")).body;
        assert!(listing.contains("a.txt") && listing.contains("b/"), "{module:?}: {listing}");
        assert_eq!(httpd.get("/page.shtml", Some("foo")).body, ANON, "{module:?}");
        assert_eq!(httpd.get("/page.shtml", None).status, 401, "{module:?}");
    }
}

#[test]
fn rules_for_the_file_alone_decide_where_httpd_leads_to_it() {
    let site = site("early-files");
    site.file("folder/index.lua", CONTEXT_LUA).file("front/front.lua", CONTEXT_LUA);
    let configuration = "
        AddHandler lua-script .lua
        <Files index.lua>
            SELinuxDomainVal anon_webapp_t:s0:c10
        </Files>
        <Files front.lua>
            SELinuxDomainVal anon_webapp_t:s0:c10
        </Files>
        DirectoryIndex index.lua
        <Directory @ROOT@/front>
            FallbackResource /front/front.lua
        </Directory>
    ";
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, configuration);
        for path in ["/folder/index.lua", "/folder/", "/front/front.lua", "/front/any/path"] {
            let reply = httpd.get(path, None);
            assert_eq!((reply.status, reply.body.as_str()), (200, ANON), "{mpm:?} {path}");
        }
    }
}
