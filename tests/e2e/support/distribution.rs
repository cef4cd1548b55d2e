//! Where the distribution has what httpd consists of, and as whom it runs.

use super::httpd::install;
use super::run;
use std::fs;
use std::path::{Path, PathBuf};

/// `(program, folder of modules, folder of configurations)` of this distribution.
pub(super) fn layout() -> (&'static str, &'static str, &'static str) {
    if Path::new("/usr/sbin/apache2").exists() {
        ("/usr/sbin/apache2", "/usr/lib/apache2/modules", "/etc/apache2")
    } else {
        ("/usr/sbin/httpd", "/usr/lib64/httpd/modules", "/etc/httpd")
    }
}

/// Where configurations lie, with the label of such.
pub fn configuration_folder() -> PathBuf {
    PathBuf::from(layout().2)
}

/// Loads mod_php.
pub fn load_php() -> String {
    format!("LoadModule php_module {}\n", php_module().display())
}

/// The same, and has it run `.php` files.
pub fn run_php() -> String {
    let handler = "<FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n</FilesMatch>\n";
    load_php() + handler
}

/// The file of mod_php, whatever its version.
fn php_module() -> PathBuf {
    let folder = layout().1;
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let php =
        files.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libphp")));
    php.unwrap_or_else(|| panic!("there is no mod_php in {folder}"))
}

/// A folder for mod_dav's lock database, labelled as the distribution's own is.
pub fn dav_lock_folder() -> &'static str {
    let (folder, label) = if is_fedora() {
        ("/var/lib/test-dav", "httpd_var_lib_t")
    } else {
        ("/run/lock/test-dav", "httpd_lock_t")
    };
    fs::create_dir_all(folder).unwrap();
    run("chown", &[unix_user(), folder]);
    run("chcon", &["-t", label, folder]);
    folder
}

/// The folder of `SELinuxPrivateTmp`, as its documentation makes it.
pub fn make_private_tmp() {
    install();
    let _ = fs::remove_dir_all("/var/lib/mod_selinux");
    run("install", &["-d", "-m", "700", "-o", unix_user(), "/var/lib/mod_selinux/tmp"]);
    run("restorecon", &["-R", "/var/lib/mod_selinux"]);
}

/// Whether new files get their folder's categories and not their maker's, as on Fedora and RHEL.
pub fn labels_by_folder() -> bool {
    is_fedora()
}

/// The range of a folder in which who has `range` makes files that have it as well.
pub fn range_of_folders(range: &str) -> &str {
    if labels_by_folder() { range } else { "s0" }
}

/// What httpd says where the policy labels by folder, with one context of each type that makes files.
pub fn warning_of_labels(makers: &[&str]) -> Option<String> {
    let folders = ["httpd_sys_rw_content_t", "tmp_t", "httpd_var_run_t"];
    let places: Vec<_> =
        makers.iter().flat_map(|maker| folders.map(|folder| format!("{maker} in {folder}"))).collect();
    labels_by_folder().then(|| {
        format!(
            "SEL0019: by the loaded policy, what a request makes has the categories of its folder, not of the request, and \
             is refused in a folder without ({}): give each context folders with its categories for sessions, uploads and \
             scratch files, as docs/recipes/places.md shows",
            places.join("; ")
        )
    })
}

fn is_fedora() -> bool {
    layout().0.ends_with("httpd")
}

/// Where mod_cache's answers lie, with the label of such.
pub fn cache_folder() -> &'static str {
    if is_fedora() { "/var/cache/httpd/proxy" } else { "/var/cache/apache2/mod_cache_disk" }
}

/// Where logs lie, with the label of such.
pub fn log_folder() -> &'static Path {
    Path::new(if is_fedora() { "/var/log/httpd" } else { "/var/log/apache2" })
}

/// The user that children of httpd run as.
pub fn unix_user() -> &'static str {
    if is_fedora() { "apache" } else { "www-data" }
}
