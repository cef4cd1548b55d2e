//! Who gets which context, and what the kernel refuses it.

mod changes;
mod config_language;
mod directives;
mod dump;
mod explain;
mod names;
mod providers;
mod sections;
mod tags;

use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA};
use crate::support::{Httpd, Mpm, Site};

const MAP: &str = "\
# who          domain
foo            user_webapp_t:s0:c0
bar            user_webapp_t:s0:c1
__anonymous__  anon_webapp_t:s0
";

const CONFIGURATION: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
SELinuxDomainMap @ETC@/map
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file("map", MAP);
    site.file("context.lua", CONTEXT_LUA).script("context.cgi", CONTEXT_CGI);
    site
}

const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const BAR: &str = "system_u:system_r:user_webapp_t:s0:c1";
const ANONYMOUS: &str = "system_u:system_r:anon_webapp_t:s0";

#[test]
fn each_user_has_a_context_of_their_own_on_every_mpm() {
    let site = site("own-context");
    for mpm in Mpm::ALL {
        let httpd = Httpd::start(&site, mpm, &["lua", "cgi"], CONFIGURATION);
        for page in ["context.lua", "context.cgi"] {
            for (user, context) in [(Some("foo"), FOO), (Some("bar"), BAR), (None, ANONYMOUS)] {
                let folder = if user.is_some() { "/private" } else { "" };
                let reply = httpd.get(&format!("{folder}/{page}"), user);
                assert_eq!((reply.status, reply.body.as_str()), (200, context), "{mpm:?} {page}");
            }
        }
    }
}

#[test]
fn the_kernel_keeps_users_from_each_others_files() {
    let site = site("categories");
    site.file_at("s0:c0", "foo.txt", "foo's").file_at("s0:c1", "bar.txt", "bar's");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi"], CONFIGURATION);
    assert_eq!(httpd.get("/private/foo.txt", Some("foo")).body, "foo's");
    assert_eq!(httpd.get("/private/bar.txt", Some("bar")).body, "bar's");
    for (user, context, file) in [
        (Some("foo"), FOO, "bar.txt"),
        (Some("bar"), BAR, "foo.txt"),
        (None, ANONYMOUS, "foo.txt"),
        (None, ANONYMOUS, "bar.txt"),
    ] {
        let folder = if user.is_some() { "/private" } else { "" };
        let reply = httpd.get(&format!("{folder}/{file}"), user);
        assert_eq!(reply.status, 403, "{user:?} {file}");
        httpd.audit.denial(&[&format!("scontext={context} "), &format!("name=\"{file}\"")]);
    }
}
