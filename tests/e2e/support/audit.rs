//! The kernel's audit log: its own word on what it refused.

use super::{run, wait_for};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

const LOG: &str = "/var/log/audit/audit.log";

/// A place in the audit log: what comes after it belongs to the test.
#[derive(Clone, Copy)]
pub struct Mark(u64);

impl Mark {
    /// The log's end as it is now.
    pub fn now() -> Mark {
        let length = std::fs::metadata(LOG).map(|meta| meta.len());
        Mark(length.unwrap_or_else(|error| panic!("{LOG}: {error}: is auditd running?")))
    }

    /// The lines since, as far as auditd has written them.
    pub fn lines(self) -> Vec<String> {
        let mut file = File::open(LOG).expect("the audit log can be read");
        file.seek(SeekFrom::Start(self.0)).expect("the audit log was not cut");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("the audit log can be read");
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    /// Waits for a denial (`type=AVC`) in which all of `parts` occur, and gives its line: such as
    /// `scontext=system_u:system_r:user_webapp_t:s0:c0 `, `name="bar.txt"`, `{ read }`.
    pub fn denial(self, parts: &[&str]) -> String {
        wait_for(&format!("a denial with {parts:?}"), Duration::from_secs(20), || {
            self.lines().into_iter().find(|line| {
                line.contains("type=AVC")
                    && line.contains("denied")
                    && parts.iter().all(|part| line.contains(part))
            })
        })
    }

    /// The processes that crashed since, as `pid=`. Several threads of one may, each with a record of its own.
    pub fn crashed(self) -> BTreeSet<String> {
        let lines = self.lines().into_iter().filter(|line| line.contains("type=ANOM_ABEND"));
        lines
            .filter_map(|line| {
                line.split_whitespace().find(|word| word.starts_with("pid=")).map(str::to_owned)
            })
            .collect()
    }

    /// The records that tell of a grant beyond its type's bounds.
    pub fn bounds_records(self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains("reason=bounds")).collect()
    }
}

/// The kernel does not log what it refuses while this lives: under load, its log would have gigabytes. What it grants
/// beyond bounds, and who crashed, it logs all the same.
pub struct Unlogged;

const REFUSALS: [&str; 3] = ["always,exclude", "-F", "msgtype=AVC"];

impl Unlogged {
    /// Begins to log no refusals.
    pub fn begin() -> Unlogged {
        run("auditctl", &[&["-a"], &REFUSALS[..]].concat());
        Unlogged
    }
}

impl Drop for Unlogged {
    fn drop(&mut self) {
        run("auditctl", &[&["-d"], &REFUSALS[..]].concat());
    }
}
