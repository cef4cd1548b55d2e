//! The broker, started by systemd by the unit that is shipped.

use super::distribution::unix_user;
use super::httpd::{Turn, install, project, turn};
use super::{library, outcome, run, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const UNIT: &str = "test-selinux-broker";
const PROGRAM: &str = "/usr/sbin/selinux-broker";
const APPS: &str = "/etc/mod_selinux/apps";
const RUN: &str = "/run/mod_selinux";
const STATE: &str = "/var/lib/mod_selinux/apps";
const LIMIT: Duration = Duration::from_secs(30);

/// A broker under way; stopped, with all that it has started, when the value is gone.
pub struct Broker {
    _turn: Turn,
}

impl Broker {
    /// Starts it, with these files in the applications' folder.
    pub fn start(files: &[(&str, &str)]) -> Broker {
        let turn = turn();
        install();
        let broker = Broker { _turn: turn };
        for folder in [APPS, RUN, STATE] {
            let _ = fs::remove_dir_all(folder);
        }
        fs::create_dir_all(APPS).unwrap();
        for (name, text) in files {
            broker.write(name, text);
        }
        let _ = fs::remove_file(PROGRAM);
        fs::copy(library("selinux-broker"), PROGRAM).unwrap();
        fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755)).unwrap();
        run("restorecon", &["-RF", PROGRAM, "/etc/mod_selinux"]);
        let _ = outcome("systemctl", &["reset-failed", UNIT]);
        let unit = fs::read_to_string(project().join("conf/systemd/selinux-broker.service")).unwrap();
        let unit = unit.replace("User=apache", &format!("User={}", unix_user()));
        fs::write(format!("/run/systemd/system/{UNIT}.service"), unit).unwrap();
        run("systemctl", &["daemon-reload"]);
        run("systemctl", &["start", UNIT]);
        broker
    }

    /// Writes a file into the applications' folder.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(Path::new(APPS).join(name), text).unwrap();
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        run("journalctl", &["-u", UNIT, "--no-pager", "-n", "100", "-o", "cat"])
    }

    /// Waits until its log has a line with all of these.
    pub fn logged(&self, parts: &[&str]) {
        wait_for(&format!("the broker's log to have {parts:?}"), LIMIT, || {
            let log = self.log();
            log.lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(())
        });
    }

    /// The number of its process.
    pub fn main_pid(&self) -> u32 {
        let text = run("systemctl", &["show", "-p", "MainPID", "--value", UNIT]);
        text.trim().parse().unwrap()
    }

    /// Kills it as a crash would, and waits until the next one is up.
    pub fn crash(&self) {
        let before = self.main_pid();
        run("kill", &["-KILL", &before.to_string()]);
        self.is_another_than(before);
    }

    /// Has systemd restart it, as an upgrade does.
    pub fn restart(&self) {
        run("systemctl", &["restart", UNIT]);
    }

    /// Has systemd stop it.
    pub fn stop(&self) {
        run("systemctl", &["stop", UNIT]);
    }

    fn is_another_than(&self, before: u32) {
        wait_for("the next broker", LIMIT, || {
            let now = self.main_pid();
            let is_up = outcome("systemctl", &["is-active", "--quiet", UNIT]).status.success();
            (now != 0 && now != before && is_up).then_some(())
        });
    }

    /// The sockets of an application that it has made, each with its label.
    pub fn sockets(&self, app: &str) -> Vec<(PathBuf, String)> {
        Broker::below(&Path::new(RUN).join("apps").join(app), "socket")
    }

    /// The folders for state of an application, each with its label.
    pub fn states(&self, app: &str) -> Vec<(PathBuf, String)> {
        Broker::below(&Path::new(STATE).join(app), ".")
    }

    fn below(folder: &Path, name: &str) -> Vec<(PathBuf, String)> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path().join(name)).filter(|path| path.exists());
        paths.map(|path| (path.clone(), super::label(&path))).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the broker's log\n{}", self.log());
            // What does not end by itself is not waited for.
            let _ = outcome("systemctl", &["kill", "--kill-whom=all", "-s", "KILL", UNIT]);
        }
        let _ = outcome("systemctl", &["stop", UNIT]);
    }
}
