//! What the processes of an httpd hold.

use super::{Httpd, outcome};
use std::fs;

/// What a process holds, or the most that one of several does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    /// How many threads.
    pub threads: usize,
    /// How many open descriptors.
    pub descriptors: usize,
    /// Resident memory.
    pub kilobytes: usize,
}

impl Held {
    /// What a process holds: nothing, where it is gone.
    pub fn of(pid: u32) -> Held {
        let count = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0, Iterator::count);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|text| text.trim().split(' ').next()?.parse().ok()).unwrap_or(0);
        Held { threads: count("task"), descriptors: count("fd"), kilobytes }
    }

    /// The most of each that one of two holds.
    pub fn most(self, other: Held) -> Held {
        Held {
            threads: self.threads.max(other.threads),
            descriptors: self.descriptors.max(other.descriptors),
            kilobytes: self.kilobytes.max(other.kilobytes),
        }
    }
}

/// The children of an httpd that serve requests, also those that end.
pub fn children(httpd: &Httpd) -> Vec<u32> {
    let output = outcome("ps", &["-o", "pid=,comm=", "--ppid", &httpd.main_pid().to_string()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let listed = text.lines().filter(|line| !line.contains("selinux-maps") && !line.contains("<defunct>"));
    listed.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}
