//! Debian's package, from its installation to its purge, on a system that enforces SELinux: the distribution's own
//! apache2 under systemd, as it is and hardened. It runs as the end-to-end tests do (`vm/runner`).

#[allow(dead_code, unused_imports)]
#[path = "../e2e/support/mod.rs"]
mod support;

mod broker;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use support::client::Client;
use support::httpd::{PORT, project};
use support::pages::CONTEXT_CGI;
use support::{library, outcome, run};

const PACKAGE: &str = "libapache2-mod-selinux";
const SITE: &str = "/etc/apache2/conf-available/test-package.conf";
const PAGE: &str = "/var/www/html/context.cgi";
/// Of a folder that the sample configuration says nothing of.
const UNMAPPED: &str = "/usr/lib/cgi-bin/unmapped.cgi";
const MAP: &str = "/etc/apache2/conf/selinux.map";
const POLICY_STORE: &str = "/var/lib/selinux/default/active/modules/200/mod_selinux";
const DROP_IN: &str = "/run/systemd/system/apache2.service.d/test.conf";

/// What a site has beside the sample configuration. The passwords are the names.
const CONFIGURATION: &str = "
<Directory /var/www/html>
    Options +ExecCGI
    AddHandler cgi-script .cgi
    <FilesMatch \\.php$>
        SetHandler selinux-app:php
    </FilesMatch>
</Directory>
Alias /private /var/www/html
<Location /private>
    AuthType Basic
    AuthName test
    AuthUserFile /etc/apache2/test-users
    Require valid-user
</Location>
";

/// The settings of a unit that `docs/installing.md` says work.
fn hardening() -> String {
    let text = fs::read_to_string(project().join("docs/installing.md")).unwrap();
    let (_, settings) = text.split_once("```ini\n[Service]\n").expect("the document has a drop-in");
    settings.split_once("```").unwrap().0.to_owned()
}

/// Without the call that enters a context (Linux 6.8), what older kernels have does it.
const WITHOUT_THE_CALL: &str = "SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\n";

/// What must be the same before the package comes and when it has gone: the policy that the kernel has, with its
/// booleans; the policy's store and what is made of it; apache2's configuration; the programs' folders.
#[derive(PartialEq, Eq, Debug)]
struct State {
    kernel: String,
    files: BTreeMap<String, String>,
}

impl State {
    fn now() -> State {
        let kernel = run("sha256sum", &["/sys/fs/selinux/policy"]);
        // The store counts its changes, and keeps modules as it has once compiled them beside what they were made of.
        let configurations = "find /etc/selinux /var/lib/selinux /etc/apache2 /var/lib/apache2 \
                              -not -name commit_num -not -path */active/modules/*/cil";
        let ours = "find /usr /var /run /etc -xdev ( -name *selinux-map* -o -name *selinux-broker* -o -name *mod_selinux* )";
        let mut listed = String::new();
        for find in [configurations, ours] {
            for what in [
                "-type f -exec sha256sum {} +",
                "-type l -printf %l\\040%p\\n",
                "-type d -printf /\\040%p\\n",
            ] {
                let arguments: Vec<_> = find.split(' ').chain(what.split(' ')).collect();
                listed += &run(arguments[0], &arguments[1..]);
            }
        }
        let lines = listed.lines().filter_map(|line| line.split_once(' '));
        State { kernel, files: lines.map(|(what, file)| (file.trim().to_owned(), what.to_owned())).collect() }
    }
}

/// Does the kernel's policy have this type?
fn kernel_knows(type_: &str) -> bool {
    fs::write("/sys/fs/selinux/context", format!("system_u:system_r:{type_}:s0")).is_ok()
}

/// A package of a higher version, with another map and module configuration in it.
fn higher_version(package: &str) -> String {
    let folder = "/tmp/test-package";
    let _ = fs::remove_dir_all(folder);
    run("dpkg-deb", &["-R", package, folder]);
    run("sed", &["-i", "s/^Version: .*/&.1/", &format!("{folder}/DEBIAN/control")]);
    for file in [MAP, "/etc/apache2/mods-available/selinux.conf"] {
        let file = format!("{folder}{file}");
        fs::write(&file, fs::read_to_string(&file).unwrap() + "# a line more\n").unwrap();
    }
    let higher = "/tmp/test-package.deb";
    run("dpkg-deb", &["-b", folder, higher]);
    fs::remove_dir_all(folder).unwrap();
    higher.to_owned()
}

/// The kernel's word on the contexts of a page as foo, of the same as nobody, and of a script that nothing is mapped for.
fn contexts() -> [String; 3] {
    let get = |path, user| {
        let reply = Client::new(PORT).get(path, user);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    };
    [get("/private/context.cgi", Some("foo")), get("/context.cgi", None), get("/cgi-bin/unmapped.cgi", None)]
}

fn expected(mapped: &str) -> [String; 3] {
    [mapped, "anon_webapp_t:s0", "httpd_sys_script_t:s0"]
        .map(|context| format!("system_u:system_r:{context}"))
}

/// Gives whether apache2 starts. (systemd counts starts, and has enough of a service after a few.)
fn restarts() -> bool {
    let _ = outcome("systemctl", &["reset-failed", "apache2"]);
    outcome("systemctl", &["restart", "apache2"]).status.success()
}

fn restart() {
    let log = || fs::read_to_string("/var/log/apache2/error.log").unwrap_or_default();
    assert!(restarts(), "apache2 did not start: {}", log());
}

/// Gives whether apache2 starts with these settings in its unit.
fn restarts_with(settings: &str) -> bool {
    fs::create_dir_all(Path::new(DROP_IN).parent().unwrap()).unwrap();
    fs::write(DROP_IN, format!("[Service]\n{settings}")).unwrap();
    run("systemctl", &["daemon-reload"]);
    restarts()
}

/// The unit is as the distribution has it.
fn end_hardening() {
    let _ = fs::remove_dir_all(Path::new(DROP_IN).parent().unwrap());
    run("systemctl", &["daemon-reload"]);
}

fn script(file: &str, type_: &str) {
    fs::write(file, CONTEXT_CGI).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    run("chcon", &[&format!("system_u:object_r:{type_}:s0"), file]);
}

/// What the test needs beside the package, and takes away at its end. Other tests of the machine may have left
/// the module and the policy module, and an earlier run of this one the package.
fn prepare() {
    end_hardening();
    let _ = outcome("dpkg", &["--purge", PACKAGE]);
    broker::remove_leftovers();
    if Path::new("/var/lib/selinux/default/active/modules/400/mod_selinux").exists() {
        run("semodule", &["-r", "mod_selinux"]);
    }
    let _ = fs::remove_file("/usr/lib/apache2/modules/mod_selinux.so");
    fs::create_dir_all("/usr/lib/cgi-bin").unwrap();
    for file in [PAGE, UNMAPPED] {
        script(file, "httpd_sys_script_exec_t");
    }
    fs::write(SITE, CONFIGURATION).unwrap();
    fs::write("/etc/apache2/test-users", "foo:{SHA}C+7Hteo/D9vJXQ3UfzxbwnXaijM=\n").unwrap();
    // As README.md says, and without what the machine has for other tests.
    run("a2dismod", &["--quiet", "--force", "cgid", "php8.4", "perl", "wsgi", "mpm_prefork", "mpm_event"]);
    run("a2enmod", &["--quiet", "cgi", "proxy_fcgi"]);
    run("a2enmod", &["--quiet", "mpm_event"]);
    run("a2enconf", &["--quiet", "test-package"]);
    for boolean in ["httpd_enable_cgi", "httpd_builtin_scripting"] {
        run("setsebool", &[boolean, "on"]);
    }
}

fn clean_up() {
    run("systemctl", &["stop", "apache2"]);
    run("a2disconf", &["--quiet", "test-package"]);
    for file in [SITE, "/etc/apache2/test-users", PAGE, UNMAPPED, "/tmp/test-package.deb"] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_package_confines_requests_also_in_a_hardened_unit_and_leaves_nothing_behind() {
    prepare();
    let before = State::now();
    assert!(!kernel_knows("user_webapp_t"));
    let package = library(&format!("{PACKAGE}.deb"));
    let package = package.to_str().unwrap();

    // Installed: its policy is in force, and nothing else has changed for apache2.
    run("dpkg", &["-i", package]);
    assert!(kernel_knows("user_webapp_t") && Path::new(POLICY_STORE).exists());
    assert!(
        !Path::new("/etc/apache2/mods-enabled/selinux.load").exists(),
        "it is for the administrator to switch on"
    );
    broker::starts_without_privileges();
    broker::comes_again();
    broker::copy_samples();
    broker::tells_what_is_wrong();
    run("a2enmod", &["--quiet", "selinux"]);
    restart();
    assert_eq!(contexts(), expected("user_webapp_t:s0:c0"));
    broker::serves_whatever_becomes_of_it();

    // Hardened.
    for settings in [&hardening(), WITHOUT_THE_CALL] {
        assert!(restarts_with(settings), "apache2 does not start with {settings}");
        assert_eq!(contexts(), expected("user_webapp_t:s0:c0"), "{settings}");
    }
    // What cannot work is a server that does not start.
    for settings in ["InaccessiblePaths=/sys/fs/selinux\n", "SystemCallFilter=@system-service\n"] {
        assert!(!restarts_with(settings), "apache2 starts with {settings}");
    }
    end_hardening();

    // Upgraded: what the administrator wrote stays, what the package wrote is its new one, and the module is still on.
    let map = fs::read_to_string(MAP).unwrap();
    fs::write(MAP, map.replace("user_webapp_t:s0:c0", "user_webapp_t:s0:c5")).unwrap();
    let policy = fs::metadata(POLICY_STORE).unwrap().modified().unwrap();
    let running = broker::main_pid();
    run("dpkg", &["--force-confdef", "--force-confold", "-i", &higher_version(package)]);
    assert!(![0, running].contains(&broker::main_pid()), "the broker that runs is the new one");
    assert!(
        fs::read_to_string("/etc/apache2/mods-available/selinux.conf").unwrap().ends_with("# a line more\n")
    );
    assert_eq!(fs::read_to_string(format!("{MAP}.dpkg-dist")).unwrap(), format!("{map}# a line more\n"));
    assert_eq!(
        fs::metadata(POLICY_STORE).unwrap().modified().unwrap(),
        policy,
        "the same policy is not built again"
    );
    restart();
    assert_eq!(contexts(), expected("user_webapp_t:s0:c5"));

    // Removed: apache2 goes on without it, and so does the policy. The configuration stays.
    run("dpkg", &["--remove", PACKAGE]);
    assert!(!kernel_knows("user_webapp_t"));
    assert_eq!(broker::main_pid(), 0);
    assert!(!Path::new("/run/mod_selinux").exists() && Path::new("/var/lib/mod_selinux/apps").exists());
    assert!(Path::new(MAP).exists() && !Path::new("/etc/apache2/mods-enabled/selinux.load").exists());
    restart();
    let reply = Client::new(PORT).get("/context.cgi", None);
    assert_eq!((reply.status, reply.body.as_str()), (200, "system_u:system_r:httpd_sys_script_t:s0"));

    // Purged: nothing is left.
    run("systemctl", &["stop", "apache2"]);
    broker::remove_samples();
    run("dpkg", &["--purge", PACKAGE]);
    let after = State::now();
    for (file, what) in &after.files {
        assert_eq!(before.files.get(file), Some(what), "{file}");
    }
    assert_eq!(before, after);
    clean_up();
}
