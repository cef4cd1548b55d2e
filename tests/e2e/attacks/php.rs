//! What PHP keeps for all in a process and in files: compiled scripts.

use crate::support::distribution::php_module;
use crate::support::{Httpd, Mpm, Site, run};

/// One child serves everything. `/strict` has PHP ask the kernel before it takes a script from opcache's memory.
const PLACES: &str = "
<FilesMatch \\.php$>
    SetHandler application/x-httpd-php
</FilesMatch>
StartServers 1
MinSpareServers 1
MaxSpareServers 1
ServerLimit 1
MaxRequestWorkers 1
KeepAlive Off
Alias /foo @ROOT@
Alias /bar @ROOT@
<Location /foo>
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
<Location /bar>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
";

/// opcache leaves scripts alone that were changed in the last two seconds.
const AT_ONCE: &str = "opcache.file_update_protection=0\n";

#[test]
fn a_script_compiled_for_one_context_is_not_run_in_another_that_may_not_read_it() {
    let site = Site::new("attack-opcache");
    site.file_at("s0:c0", "secret.php", "<?php return 'the password';")
        .file("page.php", "<?php echo @include 'secret.php';");
    site.config_file("php.ini", AT_ONCE);
    for (setting, bars) in [("", "the password"), ("php_admin_flag opcache.validate_permission On", "")] {
        let configuration =
            format!("LoadModule php_module {}\nPHPIniDir @ETC@\n{PLACES}{setting}", php_module().display());
        let httpd = Httpd::start(&site, Mpm::Prefork, &[], &configuration);
        let told = |place: &str| httpd.get(&format!("{place}/page.php"), None).body;
        assert_eq!(told("/bar"), "", "{setting}");
        assert_eq!(told("/foo"), "the password", "{setting}");
        assert_eq!(told("/bar"), bars, "{setting}");
    }
}

#[test]
fn what_opcache_has_put_into_a_file_is_its_makers_alone() {
    let site = Site::new("attack-opcache-files");
    site.file_at("s0:c0", "secret.php", "<?php return 'the password';")
        .file("page.php", "<?php echo @include 'secret.php';")
        .writable("cache", "s0");
    let root = site.root().display();
    site.config_file(
        "php.ini",
        &format!("{AT_ONCE}opcache.file_cache={root}/cache\nopcache.file_cache_only=1\n"),
    );
    let configuration =
        format!("LoadModule php_module {}\nPHPIniDir @ETC@\n{PLACES}", php_module().display());
    let httpd = Httpd::start(&site, Mpm::Prefork, &[], &configuration);
    let told = |place: &str| httpd.get(&format!("{place}/page.php"), None).body;
    assert_eq!(told("/foo"), "the password");
    let cached = run("find", &[&format!("{root}/cache"), "-name", "secret.php.bin", "-printf", "%Z"]);
    assert!(cached.trim_end_matches('\0').ends_with(":s0:c0"), "{cached}");
    assert_eq!(told("/bar"), "");
    assert_eq!(told("/foo"), "the password");
    httpd.audit.denial(&["scontext=system_u:system_r:user_webapp_t:s0:c1 ", "secret.php"]);
}
