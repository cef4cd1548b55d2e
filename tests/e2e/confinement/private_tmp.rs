//! `SELinuxPrivateTmp`: each context has a folder of its own for temporary files.

use crate::support::distribution::{make_private_tmp, run_php, unix_user};
use crate::support::{Httpd, Mpm, Site, label, outcome, run, wait_for};
use std::fs;
use std::time::Duration;

const PARENT: &str = "/var/lib/mod_selinux/tmp";

const CONFIGURATION: &str = "
SELinuxPrivateTmp /var/lib/mod_selinux/tmp
AddHandler cgi-script .cgi
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
</Directory>
<Location /private>
    SELinuxDomainMap @ETC@/map
</Location>
Alias /other @ROOT@
<Location /other>
    SELinuxDomainVal anon_webapp_t:s0:c7
</Location>
Alias /server @ROOT@
";

const MAP: &str = "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\nstaff user_webapp_t:s0\n";

/// Makes a file for scratch, and tells its path; with a query, tells whether that can be read, listed, and something made
/// beside it.
const SCRIPT: &str = r#"#!/bin/sh
printf 'Content-Type: text/plain\n\n'
if [ -z "$QUERY_STRING" ]; then
    mktemp
    exit
fi
cat "$QUERY_STRING" >/dev/null 2>&1 && echo read
ls "${QUERY_STRING%/*}" >/dev/null 2>&1 && echo listed
mkdir "${QUERY_STRING%/*}-planted" 2>/dev/null && echo planted
echo done
"#;

fn site(name: &str) -> Site {
    make_private_tmp();
    let site = Site::new(name);
    site.config_file("map", MAP);
    site.script("scratch.cgi", SCRIPT);
    site
}

#[test]
fn each_context_has_a_folder_for_temporary_files_that_no_other_can_open() {
    let site = site("private-tmp");
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &["cgi"], CONFIGURATION);
        let paths = [("foo", "s0:c0"), ("bar", "s0:c1"), ("staff", "s0")].map(|(user, range)| {
            let path = httpd.get("/private/scratch.cgi", Some(user)).body.trim().to_owned();
            let folder = format!("{PARENT}/user_webapp_t:{range}");
            assert!(path.starts_with(&format!("{folder}/")), "{user}: {path}");
            for path in [&path, &folder] {
                assert_eq!(label(path), format!("system_u:object_r:httpd_tmp_t:{range}"), "{path}");
            }
            path
        });
        let look = |user, path: &str| httpd.get(&format!("/private/scratch.cgi?{path}"), Some(user)).body;
        assert_eq!(look("foo", &paths[0]), "read\nlisted\ndone\n");
        assert_eq!(look("bar", &paths[0]), "done\n");
        assert_eq!(look("foo", &paths[1]), "done\n");
        // What has no categories is for all of its type.
        assert_eq!(look("foo", &paths[2]), "read\nlisted\ndone\n");
        // restorecon leaves them as they are.
        run("restorecon", &["-RF", "/var/lib/mod_selinux"]);
        assert!(label(&paths[0]).ends_with("httpd_tmp_t:s0:c0"));
        assert_eq!(look("bar", &paths[0]), "done\n");
        // Cleaned up, it is made again.
        fs::remove_dir_all(format!("{PARENT}/user_webapp_t:s0:c0")).unwrap();
        assert!(httpd.get("/private/scratch.cgi", Some("foo")).body.starts_with(PARENT));
    }
}

#[test]
fn a_nested_request_has_the_folder_of_its_own_context_whatever_its_page_says() {
    let site = site("private-tmp-nested");
    site.file(
        "page.shtml",
        "<!--#set var=\"TMPDIR\" value=\"/tmp\" --><!--#include virtual=\"/other/scratch.cgi\" -->|\
         <!--#include virtual=\"/private/scratch.cgi\" -->|<!--#include virtual=\"/server/scratch.cgi\" -->",
    );
    let httpd = Httpd::start(&site, Mpm::Event, &["cgi", "include"], CONFIGURATION);
    let page = httpd.get("/private/page.shtml", Some("foo")).body;
    let parts: Vec<_> = page.split('|').map(str::trim).collect();
    assert!(parts[0].starts_with(&format!("{PARENT}/anon_webapp_t:s0:c7/")), "{page}");
    assert!(parts[1].starts_with(&format!("{PARENT}/user_webapp_t:s0:c0/")), "{page}");
    assert!(parts[2].starts_with("/tmp/"), "{page}");
}

#[test]
fn without_a_folder_a_request_is_refused() {
    let site = site("private-tmp-refused");
    let httpd = Httpd::start(&site, Mpm::Event, &["cgi"], CONFIGURATION);
    // A file is in its place.
    fs::write(format!("{PARENT}/user_webapp_t:s0:c0"), "").unwrap();
    assert_eq!(httpd.get("/private/scratch.cgi", Some("foo")).status, 500);
    httpd.logged(&["SEL0120: the context's folder in SELinuxPrivateTmp cannot be used: ", PARENT]);
    assert_eq!(httpd.get("/private/scratch.cgi", Some("bar")).status, 200);
    run("chmod", &["0500", PARENT]);
    assert_eq!(httpd.get("/other/scratch.cgi", None).status, 500);
}

#[test]
fn a_folder_that_does_not_keep_contexts_apart_stops_the_start() {
    let site = site("private-tmp-bad");
    let check = || Httpd::check(&site, Mpm::Event, &["cgi", "include"], CONFIGURATION);
    check().unwrap();
    let refused = |why: &str| {
        let text = check().unwrap_err();
        let told = text.contains("SEL0031: ") && text.contains("httpd.conf:") && text.contains(why);
        assert!(told, "{why}: {text}");
    };
    run("chcon", &["-t", "httpd_tmp_t", PARENT]);
    refused("has the type httpd_tmp_t: semanage fcontext -a -t mod_selinux_private_t");
    run("restorecon", &["-F", PARENT]);
    run("chmod", &["0770", PARENT]);
    refused("others may write to /var/lib/mod_selinux/tmp");
    fs::remove_dir(PARENT).unwrap();
    refused("/var/lib/mod_selinux/tmp: No such file or directory");
    std::os::unix::fs::symlink("/tmp", PARENT).unwrap();
    refused("/var/lib/mod_selinux/tmp is no folder");
    make_private_tmp();
    check().unwrap();
}

#[test]
fn a_folder_that_is_not_as_it_was_made_is_not_used() {
    let site = site("private-tmp-changed");
    let configuration = format!(
        "{CONFIGURATION}SetEnvIf X-Label (.+) LABEL=$1\nAlias /env @ROOT@\n\
         <Location /env>\nSELinuxDomainEnv LABEL\n</Location>\n"
    );
    let httpd = Httpd::start(&site, Mpm::Event, &["cgi"], &configuration);
    let status = || httpd.get("/other/scratch.cgi", None).status;
    let folder = format!("{PARENT}/anon_webapp_t:s0:c7");
    for (program, change) in [("chcon", ["-l", "s0"]), ("chmod", ["0755", "--"]), ("chown", ["root", "--"])] {
        assert_eq!(status(), 200);
        run(program, &[change[0], change[1], &folder]);
        assert_eq!(status(), 500, "{program}");
        fs::remove_dir_all(&folder).unwrap();
    }
    httpd.logged(&["SEL0120: ", &folder, "is not as it was made"]);
    // What is no context, and what httpd may not enter, gets none.
    for label in ["nonsense_t:s0:c3", "sshd_t:s0"] {
        let reply = httpd.client().try_get("/env/scratch.cgi", None, &[("X-Label", label)]).unwrap();
        assert_eq!(reply.status, 500, "{label}");
    }
    let names = run("ls", &[PARENT]);
    assert_eq!(names, "");
}

/// Has the child's mask and limits changed while requests of other contexts run.
const PAGE: &str = "<?php umask(0777); posix_setrlimit(POSIX_RLIMIT_FSIZE, 1, POSIX_RLIMIT_INFINITY);
    virtual('/other/state.cgi'); umask(0); virtual('/server/state.cgi'); echo 'over';";

const STATE: &str =
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\necho $(umask) $(ulimit -f) $TMPDIR\n";

#[test]
fn what_a_page_starts_in_another_context_has_nothing_of_what_it_changed_of_the_process() {
    let site = site("private-tmp-umask");
    site.file("page.php", PAGE).script("state.cgi", STATE);
    let configuration = format!("{}{CONFIGURATION}", run_php());
    let httpd = Httpd::start(&site, Mpm::Prefork, &["cgi"], &configuration);
    let folder = format!("{PARENT}/anon_webapp_t:s0:c7");
    let page = httpd.get("/private/page.php", Some("foo")).body;
    let lines: Vec<_> = page.lines().map(str::trim).collect();
    assert_eq!(lines[0], format!("0022 unlimited {folder}"), "{page}");
    assert!(lines[1].starts_with("0022 unlimited"), "{page}");
    assert_eq!(run("stat", &["-c", "%a", &folder]).trim(), "700");
    assert_eq!(httpd.get("/other/scratch.cgi", None).status, 200);
}

#[test]
fn systemd_tmpfiles_removes_what_is_old() {
    let site = site("private-tmp-old");
    let httpd = Httpd::start(&site, Mpm::Event, &["cgi"], CONFIGURATION);
    let file = httpd.get("/private/scratch.cgi", Some("foo")).body.trim().to_owned();
    assert!(fs::exists(&file).unwrap());
    let line = format!("d {PARENT} 0700 {} - 1s\n", unix_user());
    fs::write("/etc/tmpfiles.d/test-private-tmp.conf", line).unwrap();
    wait_for("the file to be removed", Duration::from_secs(20), || {
        let _ = outcome("systemctl", &["reset-failed", "systemd-tmpfiles-clean.service"]);
        let _ = outcome("systemctl", &["start", "systemd-tmpfiles-clean.service"]);
        (!fs::exists(&file).unwrap()).then_some(())
    });
    fs::remove_file("/etc/tmpfiles.d/test-private-tmp.conf").unwrap();
    assert_eq!(httpd.get("/private/scratch.cgi", Some("foo")).status, 200);
}
