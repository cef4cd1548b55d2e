//! What the documents tell people to write is what httpd takes. (The boxes of `docs/fleet.md` run in `fleet`.)

use crate::support::httpd::project;
use crate::support::{Httpd, Mpm, Site};
use mod_selinux_policy::Map;
use std::fs;

/// The configurations in a document.
fn boxes(document: &str) -> Vec<String> {
    let text = fs::read_to_string(project().join(document)).expect("the document is there");
    let boxes = text.split("```").skip(1).step_by(2).filter_map(|text| text.strip_prefix("apache\n"));
    boxes.map(str::to_owned).collect()
}

#[test]
fn each_configuration_in_the_documents_is_accepted() {
    let site = Site::new("documents");
    let map = "foo user_webapp_t:s0:c0\n* anon_webapp_t:s0\n";
    site.config_file("conf/selinux.map", map);
    site.config_file("conf/groups", "staff: foo\n");
    fs::write(site.config_file("conf/users.fst", ""), Map::parse(map.as_bytes()).unwrap().compile().unwrap())
        .unwrap();
    let modules = ["authz_groupfile", "ldap", "authnz_ldap", "ssl", "status"];
    for (document, count) in [("README.md", 2), ("docs/directives.md", 11), ("docs/status.md", 1)] {
        let boxes = boxes(document);
        assert_eq!(boxes.len(), count, "{document}");
        for text in boxes {
            let told = Httpd::check(&site, Mpm::Event, &modules, &text);
            assert!(told.as_ref().is_ok_and(|told| told.contains("Syntax OK")), "{document}: {text}{told:?}");
        }
    }
}
