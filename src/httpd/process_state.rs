//! What all threads of a process share and any of them may change without asking anybody: soft limits, the mask for new
//! files, the working directory, the locale.

use crate::httpd::hook::OneThread;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The state of a process, as it was.
struct State {
    limits: Vec<libc::rlimit>,
    mask: libc::mode_t,
    folder: Option<File>,
    /// Where the folder is, to compare.
    path: Option<std::path::PathBuf>,
    locale: CString,
}

static BEFORE: OnceLock<State> = OnceLock::new();

/// The resources that have limits, by number (`RLIMIT_CPU` to `RLIMIT_RTTIME`).
const RESOURCES: u32 = 16;

/// Notes the state of this process, in a child that begins.
pub fn note(_: &OneThread) {
    BEFORE.get_or_init(|| State {
        limits: (0..RESOURCES).map(limit).collect(),
        mask: mask(),
        folder: File::open(".").ok(),
        path: std::env::current_dir().ok(),
        locale: locale(),
    });
}

/// Puts back what a page has changed since `note`. To be called on a thread that may do so: no worker.
pub fn put_back() {
    /// libc's answer is good until somebody sets the locale.
    static TURN: Mutex<()> = Mutex::new(());
    let Some(before) = BEFORE.get() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, limit_before) in (0..RESOURCES).zip(&before.limits) {
        let now = limit(number);
        if now.rlim_cur != limit_before.rlim_cur {
            // A lower hard limit cannot be raised again; the policy lets no domain set it.
            let limit = libc::rlimit { rlim_cur: limit_before.rlim_cur.min(now.rlim_max), ..now };
            // SAFETY: the kernel reads the value.
            unsafe { libc::setrlimit(number as _, &limit) };
        }
    }
    // SAFETY: has no preconditions; the mask is set whatever it is, since to ask is to set.
    unsafe { libc::umask(before.mask) };
    if let Some(folder) = before.folder.as_ref().filter(|_| std::env::current_dir().ok() != before.path) {
        // SAFETY: an open folder.
        unsafe { libc::fchdir(folder.as_raw_fd()) };
    }
    if locale() != before.locale {
        // SAFETY: a C string, as libc gave it. Other threads may be reading the locale, as where a page changes it.
        unsafe { libc::setlocale(libc::LC_ALL, before.locale.as_ptr()) };
    }
}

fn limit(number: u32) -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a place to write to.
    unsafe { libc::getrlimit(number as _, &mut limit) };
    limit
}

fn mask() -> libc::mode_t {
    // SAFETY: has no preconditions; called while the child has one thread.
    unsafe {
        let mask = libc::umask(0o077);
        libc::umask(mask);
        mask
    }
}

fn locale() -> CString {
    // SAFETY: asks, and sets nothing; the answer is a C string of libc's, copied at once.
    unsafe {
        let locale = libc::setlocale(libc::LC_ALL, std::ptr::null());
        locale.as_ref().map_or_else(|| c"C".to_owned(), |text| CStr::from_ptr(text).to_owned())
    }
}
