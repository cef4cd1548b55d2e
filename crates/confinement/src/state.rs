//! Whether the kernel enforces the policy, for those who may not ask: a page that the kernel keeps up to date
//! (`security/selinux/status.c`). Opened once, it is read as memory, on any thread.

use super::{Mode, sys};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;

/// The kernel's page.
#[derive(Debug)]
pub struct LiveState(MmapRaw);

/// A `struct selinux_kernel_status`: five words.
const BYTES: usize = 20;
/// The one that says whether the policy is in force.
const ENFORCING: usize = 2;
/// The one that counts policies.
const POLICYLOAD: usize = 3;

impl LiveState {
    /// Opens it. The policy must let httpd map what selinuxfs has, as the policy module does.
    pub fn open() -> io::Result<LiveState> {
        let file = File::open("/sys/fs/selinux/status")?;
        Ok(LiveState(MmapOptions::new().len(BYTES).map_raw_read_only(&file)?))
    }

    /// What the kernel does now.
    pub fn mode(&self) -> Mode {
        if self.word(ENFORCING) == 0 { Mode::Permissive } else { Mode::Enforcing }
    }

    /// How many policies the kernel has loaded so far.
    pub fn policy_loads(&self) -> u32 {
        self.word(POLICYLOAD)
    }

    fn word(&self, word: usize) -> u32 {
        sys::load(&self.0, word)
    }
}
