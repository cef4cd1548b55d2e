//! mod_php on prefork. (Mapped requests do without opcache: `attacks::php`.)

use super::{Row, at, telling};
use crate::support::Site;
use crate::support::distribution::run_php;

pub fn configuration(site: &Site) -> String {
    let script = r#"<?php
        $names = array_filter(['own', 'his', 'staff'], fn($name) => @file_get_contents("@ROOT@/$name.txt"));
        echo '<<', implode(' ', $names), '>>';"#;
    site.file("who.php", &at(site, script));
    run_php()
}

pub fn rows() -> Vec<Row> {
    vec![telling("/@/who.php"), telling("/rewritten-@/who.php")]
}
