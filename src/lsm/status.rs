//! The page that the kernel shows of SELinux's state (`security/selinux/status.c`): mapped once, read without a system call.

use memmap2::{MmapOptions, MmapRaw};
use once_cell::sync::OnceCell;
use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where `struct selinux_kernel_status` has the number of policies loaded so far.
const POLICYLOAD: usize = 12;
/// The bytes of that structure.
const SIZE: usize = 20;

/// How many policies the kernel has loaded so far; `None` where the calling thread was not let see it when it first
/// asked.
pub fn policy_loads() -> Option<u32> {
    static PAGE: OnceCell<Option<MmapRaw>> = OnceCell::new();
    let page = PAGE.get_or_init(|| {
        let file = File::open("/sys/fs/selinux/status").ok()?;
        MmapOptions::new().len(SIZE).map_raw_read_only(&file).ok()
    });
    // SAFETY: a word within the mapping, which begins at a page and stays; the kernel alone writes it.
    let loads = unsafe { &*page.as_ref()?.as_ptr().byte_add(POLICYLOAD).cast::<AtomicU32>() };
    Some(loads.load(Ordering::Relaxed))
}
