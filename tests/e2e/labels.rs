//! Labels that files of the module's own get.

use crate::support::httpd::install;
use crate::support::run;
use std::fs;

#[test]
fn restorecon_leaves_published_maps_their_label() {
    install();
    for run_directory in ["/run/httpd", "/run/httpd/instance-test", "/run/apache2", "/run/apache2-test"] {
        let folder = format!("{run_directory}/mod_selinux");
        fs::create_dir_all(&folder).unwrap();
        fs::write(format!("{folder}/1"), "").unwrap();
        run("restorecon", &["-RF", run_directory]);
        for path in [&folder, &format!("{folder}/1")] {
            let label = run("stat", &["-c", "%C", path]);
            assert_eq!(label.trim(), "system_u:object_r:mod_selinux_run_t:s0", "{path}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
