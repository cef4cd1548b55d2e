//! Labels that files get: those that requests make, and those of the module's own.

use crate::support::distribution::labels_by_folder;
use crate::support::httpd::install;
use crate::support::{Httpd, Mpm, Site, label, run};
use std::fs;

const MAPPED: &str = "SELinuxDomainVal user_webapp_t:s0:c0\n";

const STATUS: &str = "
Alias /mapped @ROOT@
<Location /mapped>
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
<Location /status>
    SetHandler server-status
</Location>
";

#[test]
fn the_start_says_where_new_files_lose_their_makers_categories() {
    let count = |text: &str| text.matches("SEL0019").count();
    // What is made without categories loses none.
    let expected = usize::from(labels_by_folder());
    for (name, configuration, expected) in [
        ("new-labels-val", MAPPED, expected),
        ("new-labels-env", "SELinuxDomainEnv DOMAIN\n", expected),
        ("new-labels-low", "SELinuxDomainVal user_webapp_t:s0\n", 0),
    ] {
        let site = Site::new(name);
        let told = [
            Httpd::check(&site, Mpm::Event, &[], configuration),
            Httpd::check_from_shell(&site, Mpm::Event, &[], configuration),
        ];
        for text in
            told.map(Result::unwrap).iter().chain([&Httpd::dump(&site, Mpm::Event, &[], configuration)])
        {
            assert_eq!(count(text), expected, "{configuration}{text}");
        }
    }
    let site = Site::new("new-labels");
    let httpd = Httpd::start(&site, Mpm::Event, &["status"], STATUS);
    assert_eq!(count(&httpd.log()), expected, "{}", httpd.log());
    for page in ["/status", "/status?auto"] {
        let page = httpd.get(page, None).body;
        assert_eq!((count(&page), page.matches("Warning: SEL0019").count()), (expected, expected), "{page}");
    }
    if labels_by_folder() {
        httpd.logged(&[
            "SEL0019",
            "user_webapp_t:s0:c0 in httpd_sys_rw_content_t; ",
            "docs/recipes/places.md",
        ]);
    }
}

#[test]
fn restorecon_leaves_published_maps_their_label() {
    install();
    for run_directory in ["/run/httpd", "/run/httpd/instance-test", "/run/apache2", "/run/apache2-test"] {
        let folder = format!("{run_directory}/mod_selinux");
        fs::create_dir_all(&folder).unwrap();
        fs::write(format!("{folder}/1"), "").unwrap();
        run("restorecon", &["-RF", run_directory]);
        for path in [&folder, &format!("{folder}/1")] {
            let label = label(path);
            assert_eq!(label, "system_u:object_r:mod_selinux_run_t:s0", "{path}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
