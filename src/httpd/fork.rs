//! Forks of a child of httpd that has a worker besides its own thread.
//!
//! Under prefork, SIGTERM and SIGHUP end a child from within their handler (`just_die`, which calls `exit`). `fork` in a
//! process with several threads holds locks of libc's that `exit` takes as well, and signals that come meanwhile are
//! delivered before it lets go of them: the child, or the script that it was about to start, would hang.

use super::boundary::guard;
use crate::ffi;
use std::cell::Cell;
use std::mem::MaybeUninit;

/// What ends a child of prefork's from within a handler.
const ENDING: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGHUP];

thread_local! {
    /// The mask that the forking thread had.
    static BEFORE: Cell<Option<libc::sigset_t>> = const { Cell::new(None) };
}

/// Has signals that end the child wait while it forks, where a signal may come to a thread that does.
///
/// Called once in each child, when it begins.
pub fn without_signals() {
    let mut is_threaded = ffi::AP_MPMQ_NOT_SUPPORTED;
    // SAFETY: the query writes a number, where it knows one.
    unsafe { ffi::ap_mpm_query(ffi::AP_MPMQ_IS_THREADED, &mut is_threaded) };
    if is_threaded == ffi::AP_MPMQ_NOT_SUPPORTED {
        // SAFETY: the functions live as long as the module, at whose end libc forgets them. It fails where there is no
        // memory for them, and then all is as without.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    }
}

unsafe extern "C" fn prepare() {
    guard((), || BEFORE.set(Some(block())));
}

unsafe extern "C" fn parent() {
    guard((), restore);
}

unsafe extern "C" fn child() {
    guard((), || {
        ENDING.into_iter().for_each(end_plainly);
        restore();
    });
}

/// Blocks the signals; gives the mask of before.
fn block() -> libc::sigset_t {
    // SAFETY: the sets are initialised by the calls.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        for signal in ENDING {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        let mut before = MaybeUninit::uninit();
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

fn restore() {
    if let Some(before) = BEFORE.take() {
        // SAFETY: a valid set, read only.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    }
}

/// Has a signal end this process, as it would after `exec`, where httpd has a function for it: that would tidy up what is
/// its parent's.
fn end_plainly(signal: libc::c_int) {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the call fills `action`, for which zero is a valid value; the other one sets what any process may.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        if action.assume_init().sa_sigaction != libc::SIG_IGN {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
