//! What PHP keeps for all in a process and in files: compiled scripts.

use crate::support::httpd::php_module;
use crate::support::{Httpd, Mpm, Site};

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

#[test]
fn a_script_compiled_for_one_context_is_not_run_in_another_that_may_not_read_it() {
    let site = Site::new("attack-opcache");
    site.file_at("s0:c0", "secret.php", "<?php return 'the password';")
        .file("page.php", "<?php echo @include 'secret.php';");
    for (setting, bars) in [("", "the password"), ("php_admin_flag opcache.validate_permission On", "")] {
        let configuration = format!("LoadModule php_module {}\n{PLACES}{setting}", php_module().display());
        let httpd = Httpd::start(&site, Mpm::Prefork, &[], &configuration);
        let told = |place: &str| httpd.get(&format!("{place}/page.php"), None).body;
        assert_eq!(told("/bar"), "", "{setting}");
        assert_eq!(told("/foo"), "the password", "{setting}");
        assert_eq!(told("/bar"), bars, "{setting}");
    }
}
