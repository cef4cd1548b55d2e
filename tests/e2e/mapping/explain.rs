//! `SELinuxExplain`: what it says is what happens, and only whom it is meant for gets to know.

use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site};

const CONFIGURATION: &str = "
AddHandler lua-script .lua
SetEnvIf X-Domain (.+) DOMAIN=$1
SELinuxDomainMap @ETC@/map
<Directory @ROOT@>
    Options +Includes
</Directory>
<Location /private>
    AuthGroupFile @ETC@/groups
    SELinuxDomainEnv DOMAIN
</Location>
<If \"%{QUERY_STRING} =~ /explain/\">
    SELinuxExplain On
    SetOutputFilter INCLUDES
</If>
<If \"%{QUERY_STRING} =~ /elsewhere/\">
    SELinuxExplain On 192.0.2.0/24
</If>
<If \"%{QUERY_STRING} =~ /not/\">
    SELinuxExplain Off
</If>
";

#[test]
fn the_explanation_is_what_happens_and_tells_why() {
    let site = Site::new("explain");
    site.file("context.lua", CONTEXT_LUA);
    site.config_file("map", "@staff user_webapp_t:s0:c1\nfoo user_webapp_t:s0:c2\n");
    site.config_file("groups", "staff: bar\nweb: bar\n");
    let modules = ["lua", "include", "authz_groupfile"];
    let httpd = Httpd::start(&site, Mpm::Event, &modules, CONFIGURATION);
    let etc = site.etc().display();
    let get = |folder: &str, user, query: &str, domain: Option<&str>| {
        let headers: Vec<_> = domain.map(|domain| ("X-Domain", domain)).into_iter().collect();
        httpd.client().try_get(&format!("{folder}/context.lua{query}"), user, &headers).unwrap()
    };
    for (user, domain, told) in [
        (
            Some("foo"),
            None,
            &[
                "user     foo\n",
                "groups   none\n",
                "address  127.0.0.1\n",
                "server   system_u:system_r:httpd_t:s0\n",
                &format!("rule 1   SELinuxDomainEnv DOMAIN ({etc}/httpd.conf:"),
                "): is for others\n",
                &format!("rule 2   SELinuxDomainMap txt:{etc}/map ("),
                "): decides, by its line 2\n",
                "kernel   lets a thread of httpd enter it\n",
            ][..],
        ),
        (Some("bar"), None, &["groups   staff, web\n", "): decides, by its line 1\n"]),
        (
            Some("bar"),
            Some("user_webapp_t:s0:c5"),
            &["): decides\nrule 2   ", "): not tried: a rule before it decides\n"],
        ),
    ] {
        let served = get("/private", user, "", domain);
        assert_eq!(served.status, 200);
        let explained = get("/private", user, "?explain", domain);
        assert_eq!(explained.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(explained.header("cache-control"), Some("no-store"));
        for told in told.iter().copied().chain([format!("result   served in {}\n", served.body).as_str()]) {
            assert!(explained.body.contains(told), "{told:?} is not in\n{}", explained.body);
        }
    }
    // What would be refused is told as well, by the module and by the kernel.
    let explained = get("", None, "?explain", None).body;
    for told in ["user     nobody has logged in\n", "): is for others\n", "result   refused: no rule matches"]
    {
        assert!(explained.contains(told), "{told:?} is not in\n{explained}");
    }
    let explained = get("/private", Some("foo"), "?explain", Some("nosuch_webapp_t:s0")).body;
    assert!(explained.contains("kernel   the kernel refuses: Invalid argument"), "{explained}");
    // The client's words are text: no filter makes anything of them outside of the confinement.
    let words = "<!--#echo var=SERVER_SOFTWARE -->";
    let explained = get("/private", Some("foo"), "?explain", Some(words)).body;
    assert!(explained.contains(words), "{explained}");
    // Everybody else is served.
    for query in ["?elsewhere", "?explain&not"] {
        assert_eq!(
            get("/private", Some("foo"), query, None).body,
            get("/private", Some("foo"), "", None).body
        );
    }
}
