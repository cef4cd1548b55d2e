//! php-fpm, a pool for each tenant.

use super::{Recipe, Service};
use crate::lifecycle::policies::with_module;
use crate::support::distribution::unix_user;
use crate::support::httpd::PORT;
use crate::support::{Client, Mpm, label, run, wait_for};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Virtual hosts beside the document's: none of the module's rules there.
const WITHOUT_RULES: &str = "
<VirtualHost *:80>
    ServerName open.example.org
    DocumentRoot @ROOT@/open
    <Directory @ROOT@/open>
        AllowOverride FileInfo
    </Directory>
</VirtualHost>
";

/// Reads what the query names, or says what it is connected to.
const READ: &str = "<?php echo @file_get_contents($_GET['file']) ?: 'refused';";
/// Writes what httpd would run before it confines anything.
const WRITE: &str = "<?php echo file_put_contents($_GET['file'], 'SetEnv A b') ? 'written' : 'refused';";
const CONNECT: &str =
    "<?php echo @stream_socket_client('unix://' . $_GET['socket']) ? 'connected' : 'refused';";

#[test]
fn nothing_that_a_tenant_writes_leads_to_anothers_pool() {
    let recipe = Recipe::new("php-fpm", "/var/www/tenants");
    let _policy = with_module();
    recipe.install("fpm", "/etc/php-pool.conf");
    let _pools = [31, 32].map(|number| Service::start(&recipe, "php-pool@", &format!("php-pool@{number}")));
    let site = &recipe.site;
    let proxy = |number| {
        format!(
            "<Files page.php>\nSetHandler \"proxy:unix:/run/php-pool-{number}/socket|fcgi://x/\"\n</Files>\n\
             RewriteEngine On\n\
             RewriteRule ^rewritten$ unix:/run/php-pool-{number}/socket|fcgi://x{}/{number}/secret.php [P]\n",
            site.root().display()
        )
    };
    for (number, other) in [("31", "32"), ("32", "31"), ("open", "32")] {
        site.file(
            &format!("{number}/context.php"),
            "<?php echo file_get_contents('/proc/self/attr/current');",
        )
        .file(&format!("{number}/session.php"), "<?php session_start(); echo session_id() ? 'kept' : '';")
        .file(&format!("{number}/secret.php"), "<?php echo 'secret';")
        .file(&format!("{number}/read.php"), READ)
        .file(&format!("{number}/connect.php"), CONNECT)
        .file(&format!("{number}/write.php"), WRITE)
        .file(&format!("{number}/other/page.php"), "<?php echo 'of another pool';")
        .file(&format!("{number}/other/.htaccess"), &proxy(other));
    }
    recipe.do_commands();
    for number in ["31", "32"] {
        site.relabel(&format!("{number}/other/.htaccess"), "httpd_sys_htaccess_t", "s0");
    }
    // Another pool may read this page, so that nothing but the connection is in its way.
    for number in ["31", "32", "open"] {
        site.relabel(&format!("{number}/other"), "httpd_sys_content_t", "s0")
            .relabel(&format!("{number}/other/page.php"), "httpd_sys_content_t", "s0")
            .relabel(number, "httpd_sys_content_t", "s0");
    }
    for number in [31, 32] {
        let socket = format!("/run/php-pool-{number}/socket");
        wait_for("a pool to listen", Duration::from_secs(30), || UnixStream::connect(&socket).ok());
        let label = label(&socket);
        assert!(label.ends_with(&format!("_t:s0:c{number}")), "{label}");
    }
    let httpd = recipe.start(Mpm::Event, &["proxy", "proxy_fcgi", "rewrite"], WITHOUT_RULES);
    let client = Client::new(PORT);
    let get = |host: &str, path: &str| {
        let host = format!("{host}.example.org");
        let reply = client.try_get(path, None, &[("Host", &host)]).unwrap();
        (reply.status, if reply.status == 200 { reply.body } else { String::new() })
    };
    let root = site.root().display();
    for (host, number, other) in [("dog", "31", "32"), ("cat", "32", "31")] {
        let (status, body) = get(host, "/context.php");
        let context = format!("system_u:system_r:php_pool_t:s0:c{number}");
        assert_eq!((status, body.trim_end_matches('\0')), (200, context.as_str()), "{host}");
        assert_eq!(get(host, "/session.php"), (200, "kept".to_owned()));
        assert_eq!(
            get(host, &format!("/read.php?file={root}/{number}/secret.php")).1,
            "<?php echo 'secret';"
        );
        let refused = (200, "refused".to_owned());
        assert_eq!(get(host, &format!("/read.php?file={root}/{other}/secret.php")), refused);
        assert_eq!(get(host, &format!("/connect.php?socket=/run/php-pool-{other}/socket")), refused);
        assert_eq!(get(host, "/other/page.php"), (503, String::new()), "{host}");
        assert_eq!(get(host, "/other/rewritten"), (503, String::new()), "{host}");
        let scontext = format!("scontext=system_u:system_r:tenant_webapp_t:s0:c{number} ");
        // At the socket's folder.
        let tcontext = format!("_t:s0:c{other} ");
        httpd.audit.denial(&[&scontext, &tcontext, "{ search }", "tclass=dir"]);
    }
    // What a pool writes is no `.htaccess`, whatever its unix user.
    let planted = format!("{root}/31/sessions/.htaccess");
    assert_eq!(get("dog", &format!("/write.php?file={planted}")), (200, "written".to_owned()));
    for user in [unix_user(), "games"] {
        run("chown", &[user, &planted]);
        assert_eq!(get("dog", "/sessions/none").0, 403, "{user}");
        httpd.logged(&["SEL0112", &planted]);
    }
    run("rm", &[&planted]);
    assert_eq!(get("dog", "/sessions/none").0, 404);
    // Where no rules stand, the same lines lead there.
    assert_eq!(get("open", "/other/page.php"), (200, "of another pool".to_owned()));
    assert_eq!(get("open", "/other/rewritten"), (200, "secret".to_owned()));
    run("systemctl", &["is-active", "php-pool@31", "php-pool@32"]);
}
