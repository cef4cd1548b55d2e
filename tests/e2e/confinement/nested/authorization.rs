//! Who may have a nested request is httpd's to say, which can read what a confined handler cannot: `Require not` lets in
//! whoever cannot be looked up.

use super::site;
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, run};

/// Both users may start a page that starts others. foo is locked out of one by a group, and everybody of another by a
/// file, neither of which the page's domain may read; that one it may read, the passwords, is so that it gets there.
const CONFIGURATION: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
</Directory>
<LocationMatch ^/(start|group|file|open)/>
    AuthType Basic
    AuthName test
    AuthUserFile @ROOT@/passwords
    AuthGroupFile @ETC@/groups
    Require valid-user
    SELinuxDomainVal anon_webapp_t:s0:c10
</LocationMatch>
<Location /group/>
    <RequireAll>
        Require valid-user
        Require not group lockedout
    </RequireAll>
</Location>
<Location /file/>
    <RequireAll>
        Require all granted
        Require not expr file('@ETC@/state') =~ /closed/
    </RequireAll>
</Location>
AliasMatch ^/(start|group|file|open)/(.*) @ROOT@/$2
";

const CONTEXT: &str = "system_u:system_r:anon_webapp_t:s0:c10";

#[test]
fn whom_httpd_would_not_let_in_a_handler_does_not_either() {
    let site = site("nested-authorization");
    site.config_file("groups", "lockedout: foo\n");
    site.config_file("state", "closed\n");
    run("cp", &[site.etc().join("users").to_str().unwrap(), site.root().join("passwords").to_str().unwrap()]);
    for place in ["group", "file", "open"] {
        site.file(&format!("{place}.shtml"), &format!("<!--#include virtual=\"/{place}/context.lua\" -->"));
    }
    site.file("context.lua", CONTEXT_LUA);
    let modules = ["lua", "cgi", "include", "authz_groupfile"];
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &modules, CONFIGURATION);
        for (user, place, is_let_in) in [
            ("foo", "group", false),
            ("bar", "group", true),
            ("foo", "file", false),
            ("bar", "file", false),
            ("foo", "open", true),
        ] {
            for page in [
                format!("/{place}/context.lua"),
                format!("/start/{place}.shtml"),
                format!("/start/redirect.cgi?/{place}/context.lua"),
            ] {
                let body = httpd.get(&page, Some(user)).body;
                assert_eq!(body == CONTEXT, is_let_in, "{mpm:?} {user} {page}: {body}");
            }
        }
    }
}
