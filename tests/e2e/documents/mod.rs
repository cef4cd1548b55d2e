//! What the documents tell people to write is what httpd takes. (The boxes of `docs/fleet.md` run in `fleet`, those of
//! `docs/recipes` in `recipes`, that of `docs/domains.md` in `domains`.)

mod denials;
pub mod domains;
mod fleet;
mod migration;
pub mod recipes;
mod sample;

use crate::support::distribution::make_private_tmp;
use crate::support::document::boxes;
use crate::support::{Httpd, Mpm, Site};
use mapping::Map;
use std::fs;

#[test]
fn each_configuration_in_the_documents_is_accepted() {
    make_private_tmp();
    let site = Site::new("documents");
    let map = "foo user_webapp_t:s0:c0\n* anon_webapp_t:s0\n";
    site.config_file("conf/selinux.map", map);
    site.config_file("conf/groups", "staff: foo\n");
    fs::write(site.config_file("conf/users.fst", ""), Map::parse(map.as_bytes()).unwrap().compile().unwrap())
        .unwrap();
    site.config_file("logs/access_log", "");
    let modules = ["authz_groupfile", "ldap", "authnz_ldap", "ssl", "status"];
    // Where boxes can stand beside each other, they are checked in one go.
    for (document, count, together) in [
        ("README.md", 2, false),
        ("docs/directives.md", 17, false),
        ("docs/denials.md", 1, false),
        ("docs/status.md", 1, false),
        ("docs/troubleshooting.md", 1, false),
        ("docs/migration.md", 6, true),
    ] {
        let boxes = boxes(document, "apache");
        assert_eq!(boxes.len(), count, "{document}");
        for text in if together { vec![boxes.concat()] } else { boxes } {
            let told = Httpd::check(&site, Mpm::Event, &modules, &text);
            assert!(told.as_ref().is_ok_and(|told| told.contains("Syntax OK")), "{document}: {text}{told:?}");
        }
    }
}
