//! mod_php on prefork, with opcache: what it has compiled for one context runs in each one's own.

use super::{Row, at, telling};
use crate::support::Site;
use crate::support::distribution::php_module;

pub fn configuration(site: &Site) -> String {
    let script = r#"<?php
        $names = array_filter(['own', 'his', 'staff'], fn($name) => @file_get_contents("@ROOT@/$name.txt"));
        echo '<<', implode(' ', $names), '>>';
        if (!opcache_get_status(false)['opcache_enabled']) http_response_code(501);
        if (isset($_GET['cached']) && !opcache_is_script_cached(__FILE__)) http_response_code(502);"#;
    site.file("who.php", &at(site, script));
    format!(
        "LoadModule php_module {}\n<FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n</FilesMatch>\n",
        php_module().display()
    )
}

pub fn rows() -> Vec<Row> {
    vec![telling("/@/who.php"), telling("/@/who.php?cached"), telling("/rewritten-@/who.php?cached")]
}
