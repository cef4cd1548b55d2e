//! The broker as the package brings it: its unit, its folders, and the samples for PHP.

use crate::support::client::Client;
use crate::support::httpd::PORT;
use crate::support::{label, outcome, run, wait_for};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

const UNIT: &str = "selinux-broker.service";
const APPS: &str = "/etc/mod_selinux/apps";
const SAMPLES: [&str; 2] = ["php.toml", "php-fpm.conf"];
const PAGE: &str = "/var/www/html/slow.php";
const LIMIT: Duration = Duration::from_secs(30);

/// Says in which context it runs; when asked to, not before some seconds have passed.
const SLOW: &str = "<?php
if (isset($_GET['slow'])) { touch(ini_get('sys_temp_dir') . '/begun'); sleep(4); }
echo rtrim(file_get_contents('/proc/self/attr/current'), chr(0));";

/// The number of its process; 0 where it does not run.
pub fn main_pid() -> u32 {
    run("systemctl", &["show", "-p", "MainPID", "--value", UNIT]).trim().parse().unwrap()
}

fn is(question: &str) -> String {
    String::from_utf8(outcome("systemctl", &[question, UNIT]).stdout).unwrap().trim().to_owned()
}

fn log() -> String {
    run("journalctl", &["-b", "-u", UNIT, "-n", "50", "-o", "cat", "--no-pager"])
}

/// What the broker answers on its own socket.
fn status() -> String {
    let mut stream = UnixStream::connect("/run/mod_selinux/broker").unwrap();
    stream.write_all(b"status\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// What an earlier run, or another test, has left.
pub fn remove_leftovers() {
    let _ = outcome("systemctl", &["stop", UNIT]);
    let _ = fs::remove_file("/usr/sbin/selinux-broker");
    for folder in ["/etc/mod_selinux", "/run/mod_selinux", "/var/lib/mod_selinux"] {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Copies the samples to where they take effect.
pub fn copy_samples() {
    for name in SAMPLES {
        fs::copy(Path::new("/usr/share/mod_selinux/apps").join(name), Path::new(APPS).join(name)).unwrap();
    }
    fs::write(PAGE, SLOW).unwrap();
    run("restorecon", &[PAGE]);
}

/// Removes what `copy_samples` has made.
pub fn remove_samples() {
    for file in SAMPLES.map(|name| Path::new(APPS).join(name)) {
        fs::remove_file(file).unwrap();
    }
    fs::remove_file(PAGE).unwrap();
}

/// It is installed, and neither enabled nor started. Then it is started by hand, and the kernel says what it is.
pub fn starts_without_privileges() {
    assert_eq!((is("is-enabled"), is("is-active")), ("disabled".to_owned(), "inactive".to_owned()));
    run("systemd-analyze", &["verify", "--man=no", UNIT]);
    run("selinux-broker", &["--check"]);
    run("systemctl", &["start", UNIT]);
    let process = format!("/proc/{}", main_pid());
    let told = fs::read_to_string(format!("{process}/status")).unwrap();
    let field = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let user = run("id", &["-u", "www-data"]).trim().to_owned();
    assert_eq!(field("Uid:"), vec![user; 4]);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), ["1"]);
    let context = fs::read_to_string(format!("{process}/attr/current")).unwrap();
    assert_eq!(context.trim_end_matches('\0'), "system_u:system_r:selinux_broker_t:s0");
    for (folder, type_) in [
        ("/run/mod_selinux", "mod_selinux_app_run_t"),
        ("/run/mod_selinux/apps", "mod_selinux_app_run_t"),
        ("/run/mod_selinux/broker", "mod_selinux_app_run_t"),
        ("/var/lib/mod_selinux/apps", "mod_selinux_app_states_t"),
    ] {
        assert_eq!(label(folder), format!("system_u:object_r:{type_}:s0"), "{folder}");
    }
    assert_eq!(status(), "refused 0\n");
}

/// Killed, it comes again, and who asks meanwhile waits: the socket is the same.
pub fn comes_again() {
    let before = main_pid();
    run("systemctl", &["kill", "-s", "KILL", UNIT]);
    assert_eq!(status(), "refused 0\n");
    assert_ne!(main_pid(), before);
    let properties = run("systemctl", &["show", "-p", "NRestarts", "-p", "OOMPolicy", UNIT]);
    assert_eq!(properties, "NRestarts=1\nOOMPolicy=continue\n");
}

/// A reload says what is wrong, and changes nothing; so does a start.
pub fn tells_what_is_wrong() {
    run("systemctl", &["reload", UNIT]);
    let before = main_pid();
    let wrong = Path::new(APPS).join("wrong.toml");
    fs::write(&wrong, "\ncommand = 1\n").unwrap();
    assert!(!outcome("systemctl", &["reload", UNIT]).status.success());
    assert_eq!((main_pid(), is("is-active")), (before, "active".to_owned()));
    let line = format!("selinux-broker: {}: line 2: ", wrong.display());
    wait_for("the log to have the reason", LIMIT, || log().contains(&line).then_some(()));
    run("systemctl", &["restart", UNIT]);
    assert_eq!(status(), "refused 0\n");
    fs::remove_file(wrong).unwrap();
}

/// Whether the slow page has begun, since it was asked last.
fn has_begun() -> Option<()> {
    let folders = fs::read_dir("/var/lib/mod_selinux/apps/php").unwrap();
    let mut begun = folders.map(|folder| folder.unwrap().path().join("begun")).filter(|file| file.exists());
    begun.next().map(|file| fs::remove_file(file).unwrap())
}

/// Requests for PHP are served in the caller's context, those that are under way when the broker is killed or restarted too.
pub fn serves_whatever_becomes_of_it() {
    let get = |path: &str| Client::new(PORT).get(path, Some("foo"));
    let context = "system_u:system_r:user_app_t:s0:c0";
    let reply = get("/private/slow.php");
    assert_eq!((reply.status, reply.body.as_str()), (200, context), "{}", log());
    for ends in [&["kill", "-s", "KILL", "--kill-whom=main", UNIT][..], &["restart", UNIT]] {
        let before = main_pid();
        let under_way = thread::spawn(move || get("/private/slow.php?slow"));
        wait_for("the page to have begun", LIMIT, has_begun);
        run("systemctl", ends);
        // Who comes meanwhile waits for the next broker.
        let reply = get("/private/slow.php");
        assert_eq!((reply.status, reply.body.as_str()), (200, context), "{ends:?}: {}", log());
        let reply = under_way.join().unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, context), "{ends:?}: {}", log());
        wait_for("the next broker", LIMIT, || (is("is-active") == "active").then_some(()));
        assert_ne!(main_pid(), before);
        assert!(status().contains("pool php system_u:system_r:user_app_t:s0:c0 "), "{}", status());
    }
}
