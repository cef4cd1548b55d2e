//! What tests are written with: a site with labelled files, an httpd that serves it, a client, and the
//! kernel's audit log.

pub mod audit;
pub mod backend;
pub mod broker;
pub mod certificate;
pub mod client;
pub mod database;
pub mod directory;
pub mod distribution;
pub mod document;
pub mod fault_injection;
pub mod httpd;
pub mod pages;
pub mod process_usage;
pub mod raw;
pub mod selinux;
pub mod site;

pub use client::{Client, Reply};
pub use httpd::{Httpd, Mpm};
pub use site::Site;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A file that the runner has made for tests, beside the module.
pub fn library(name: &str) -> std::path::PathBuf {
    std::env::var_os("MOD_SELINUX_LIBRARIES").map_or_else(httpd::project, Into::into).join(name)
}

/// Runs a program and gives its standard output. Panics, with all it printed, where it fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = outcome(program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Runs a program, which may fail.
pub fn outcome(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"))
}

/// The kernel's label of a file or folder.
pub fn label(path: impl AsRef<std::path::Path>) -> String {
    run("stat", &["-c", "%C", path.as_ref().to_str().unwrap()]).trim().to_owned()
}

/// A machine that does other things besides takes so many times as long, and a test is not to fail for that.
pub const BUSY: u32 = 10;

/// Waits until `condition` gives something. Panics, with what was waited for, after `limit`, which is for a machine that
/// does nothing else: it gets `BUSY` times as long.
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let limit = limit * BUSY;
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
