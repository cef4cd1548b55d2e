//! What directives other than mappings do: who may write them, what logs and caches have of a confined request.

use crate::support::distribution::{log_folder, unix_user};
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, run, wait_for};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

const HANDLER: &str = "AddHandler lua-script .lua\n";

const LOGGED: &str = "
LogFormat \"%U %{SELINUX_CONTEXT}e\" context
CustomLog @LOG@ context
SELinuxDomainMap @ETC@/map
<Directory @ROOT@/tenant>
    AllowOverride All
</Directory>
";

#[test]
fn the_log_has_the_context_that_the_kernel_knows() {
    let site = Site::new("logged");
    site.file("context.lua", CONTEXT_LUA);
    site.config_file("map", "foo user_webapp_t:s0:c5,c4,c3\n__anonymous__ anon_webapp_t:s0\n");
    let log = log_folder().join("test-logged-access.log");
    let _ = fs::remove_file(&log);
    let configuration = format!("{HANDLER}{LOGGED}").replace("@LOG@", log.to_str().unwrap());
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    let mut expected = String::new();
    for (folder, user) in [("", None), ("/private", Some("foo"))] {
        let path = format!("{folder}/context.lua");
        writeln!(expected, "{path} {}", httpd.get(&path, user).body).unwrap();
    }
    wait_for("the log", Duration::from_secs(10), || {
        (fs::read_to_string(&log).ok()? == expected).then_some(())
    });
}

#[test]
fn a_tenant_cannot_choose_a_label() {
    let site = Site::new("tenant");
    let rules = [
        "SELinuxDomainMap @ETC@/map",
        "SELinuxDomainEnv DOMAIN",
        "SELinuxDomainVal user_webapp_t",
        "SELinuxDomain user_webapp_t all granted",
        "SELinuxDomainPeer range",
        "SELinuxUnmapped server",
        "SELinuxAllowCaches On",
        "SELinuxServerDomain *:s0",
        "SELinuxRequired Off",
    ];
    site.file("tenant/context.lua", CONTEXT_LUA);
    for (number, rule) in rules.iter().enumerate() {
        site.file(&format!("tenant/{number}/context.lua"), CONTEXT_LUA);
        site.file(&format!("tenant/{number}/.htaccess"), rule);
    }
    site.config_file("map", "* anon_webapp_t:s0\n");
    let configuration = format!("{HANDLER}{LOGGED}").replace("CustomLog @LOG@ context\n", "");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    assert_eq!(httpd.get("/tenant/context.lua", None).status, 200);
    for (number, rule) in rules.iter().enumerate() {
        assert_eq!(httpd.get(&format!("/tenant/{number}/context.lua"), None).status, 500, "{rule}");
        let name = rule.split(' ').next().unwrap();
        httpd.logged(&[&format!("tenant/{number}/.htaccess"), &format!("{name} not allowed here")]);
    }
}

const CACHES: &str = "
CacheSocache shmcb
CacheRoot @ETC@/cache
CacheHeader On
CacheIgnoreNoLastMod On
CacheDefaultExpire 3600
";

#[test]
fn a_cache_keeps_a_confined_response_only_where_that_is_allowed() {
    let site = Site::new("caches");
    site.file("page.txt", "a page");
    // Of a page that has just changed, mod_cache takes it that it soon changes again.
    run("touch", &["-d", "2020-01-01", site.root().join("page.txt").to_str().unwrap()]);
    let cache = site.etc().join("cache");
    let cache = cache.to_str().unwrap();
    fs::create_dir(cache).unwrap();
    run("chown", &[unix_user(), cache]);
    run("chcon", &["-t", "httpd_cache_t", cache]);
    let mut configuration = CACHES.to_owned();
    let cases = [
        // In memory, and, for a type that may write the cache's files, on disk.
        ("socache", "user_webapp_t:s0:c1", "On", "HIT"),
        ("socache", "user_webapp_t:s0:c1", "Off", "MISS"),
        ("socache", "user_webapp_t:s0:c1", "", "MISS"),
        ("disk", "*:s0:c1", "On", "HIT"),
        ("disk", "*:s0:c1", "", "MISS"),
    ];
    for (number, (provider, domain, allowed, _)) in cases.iter().enumerate() {
        write!(
            configuration,
            "Alias /{number} @ROOT@\nCacheEnable {provider} /{number}\n<Location /{number}>\nSELinuxDomainVal {domain}\n{}\n</Location>\n",
            if allowed.is_empty() { String::new() } else { format!("SELinuxAllowCaches {allowed}") }
        )
        .unwrap();
    }
    let modules = ["cache", "cache_disk", "cache_socache", "socache_shmcb"];
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration);
    for (number, case) in cases.iter().enumerate() {
        let asked = ["first", "second"].map(|_| {
            let reply = httpd.get(&format!("/{number}/page.txt"), None);
            assert_eq!(reply.body, "a page", "{case:?}");
            reply.header("x-cache").unwrap_or_default().split(' ').next().unwrap().to_owned()
        });
        assert_eq!(asked, ["MISS", case.3], "{case:?}");
    }
}
