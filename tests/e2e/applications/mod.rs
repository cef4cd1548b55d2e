//! Applications with processes of their own for each context.

use crate::support::broker::Broker;
use crate::support::{Httpd, Mpm, Site};

const MAP: &str = "\
foo            user_webapp_t:s0:c0
bar            user_webapp_t:s0:c1
__anonymous__  anon_webapp_t:s0:c2
";

const CONFIGURATION: &str = "
SELinuxDomainMap @ETC@/map
<FilesMatch \"\\.php$\">
    SetHandler selinux-app:php
</FilesMatch>
";

const PHP: &str = r#"
command   = ["/usr/sbin/php-fpm8.4", "--nodaemonize", "--fpm-config", "/etc/mod_selinux/apps/php-fpm.conf"]
socket    = "fpm"
protocol  = "fcgi"
idle      = "30s"
state     = true
[[callers]]
worker    = "user_webapp_t"
app       = "user_app_t"
[[callers]]
worker    = "anon_webapp_t"
app       = "anon_app_t"
"#;

const FPM: &str = "
[global]
error_log = ${STATE}/error.log
[app]
listen = ${SOCKET}
pm = ondemand
pm.max_children = 4
pm.process_idle_timeout = 10s
php_admin_value[session.save_path] = ${STATE}
";

#[test]
fn php_runs_in_processes_of_each_context() {
    let site = Site::new("app-php");
    site.config_file("map", MAP);
    site.file("who.php", "<?php echo file_get_contents('/proc/self/attr/current'), ' ', getmypid();");
    let broker = Broker::start(&[("php.toml", PHP), ("php-fpm.conf", FPM)]);
    let httpd = Httpd::start(&site, Mpm::Event, &["proxy", "proxy_fcgi"], CONFIGURATION);
    for (user, path, context) in [
        (Some("foo"), "/private/who.php", "system_u:system_r:user_app_t:s0:c0"),
        (Some("bar"), "/private/who.php", "system_u:system_r:user_app_t:s0:c1"),
        (None, "/who.php", "system_u:system_r:anon_app_t:s0:c2"),
    ] {
        let reply = httpd.get(path, user);
        assert_eq!(reply.status, 200, "{}\n{}", reply.body, broker.log());
        let (shown, process) = reply.body.split_once(' ').unwrap();
        assert_eq!(shown.trim_end_matches('\0'), context);
        // From outside.
        let told = std::fs::read_to_string(format!("/proc/{process}/attr/current")).unwrap();
        assert_eq!(told.trim_end_matches('\0'), context);
        assert_ne!(process.parse::<u32>().unwrap(), httpd.main_pid());
    }
}
