//! The broker, started by systemd as its unit has it.

use super::distribution::unix_user;
use super::httpd::{Turn, install, turn};
use super::{library, outcome, run, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

const UNIT: &str = "test-selinux-broker";
const PROGRAM: &str = "/usr/sbin/selinux-broker";
const APPS: &str = "/etc/mod_selinux/apps";
const RUN: &str = "/run/mod_selinux";
const STATE: &str = "/var/lib/mod_selinux/apps";

/// A broker under way; stopped, with all that it has started, when the value is gone.
pub struct Broker {
    _turn: Turn,
}

impl Broker {
    /// Starts it, with these files in the applications' folder.
    pub fn start(files: &[(&str, &str)]) -> Broker {
        let turn = turn();
        install();
        for folder in [APPS, RUN, STATE] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).unwrap();
        }
        for (name, text) in files {
            fs::write(Path::new(APPS).join(name), text).unwrap();
        }
        let _ = fs::remove_file(PROGRAM);
        fs::copy(library("selinux-broker"), PROGRAM).unwrap();
        fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(Path::new(RUN).join("apps")).unwrap();
        for folder in [RUN, "/run/mod_selinux/apps", STATE] {
            run("chown", &[unix_user(), folder]);
        }
        run("restorecon", &["-RF", PROGRAM, "/etc/mod_selinux", RUN, "/var/lib/mod_selinux"]);
        run("chcon", &["-R", "-t", "mod_selinux_app_run_t", RUN]);
        let _ = outcome("systemctl", &["reset-failed", UNIT]);
        let user = format!("User={}", unix_user());
        run(
            "systemd-run",
            &[
                "--quiet",
                "--collect",
                "--unit",
                UNIT,
                "-p",
                "Type=exec",
                "-p",
                &user,
                "-p",
                "NoNewPrivileges=yes",
                "-p",
                "CapabilityBoundingSet=",
                PROGRAM,
                "--state",
                STATE,
            ],
        );
        let broker = Broker { _turn: turn };
        wait_for("the broker to listen", Duration::from_secs(30), || {
            assert!(outcome("systemctl", &["is-active", UNIT]).status.success(), "{}", broker.log());
            Path::new(RUN).join("broker").exists().then_some(())
        });
        broker
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        run("journalctl", &["-u", UNIT, "--no-pager", "-n", "50", "-o", "cat"])
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the broker's log\n{}", self.log());
        }
        let _ = outcome("systemctl", &["stop", UNIT]);
    }
}
