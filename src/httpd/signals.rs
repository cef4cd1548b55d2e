//! The signals of a thread.

use crate::httpd::is_threaded;
use std::ffi::c_int;
use std::mem::MaybeUninit;

/// Keeps httpd's own signals from a thread while it waits for another that runs a handler.
///
/// Under prefork they would run `just_die` (`server/mpm/prefork`) on the waiting thread, which destroys
/// the child's pools under the running handler. The running one has the mask it would have without
/// the module, and so have the processes it forks.
///
/// Threads of event and worker have them blocked anyway, and pay nothing for it.
pub struct BlockedSignals {
    /// The mask of before; `None`: nothing was blocked.
    pub(super) before: Option<libc::sigset_t>,
}

impl BlockedSignals {
    /// Blocks the signals until the value is gone.
    pub fn new() -> BlockedSignals {
        let signals = [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGWINCH];
        BlockedSignals { before: (!is_threaded()).then(|| change_mask(libc::SIG_BLOCK, &signals)) }
    }

    /// Runs something with the mask of before: this thread is the running one meanwhile.
    pub fn unblocked<T>(&self, body: impl FnOnce() -> T) -> T {
        let blocked = BlockedSignals { before: self.before.as_ref().map(swap_mask) };
        let result = body();
        drop(blocked);
        result
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        self.before.as_ref().map(swap_mask);
    }
}

/// Blocks or unblocks (`how`) signals on this thread; gives the mask of before. A signal's handler may call it.
pub(super) fn change_mask(how: c_int, signals: &[c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: the sets are initialised by the calls, which take no pointers that outlive them.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        libc::pthread_sigmask(how, set.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

/// Gives this thread a mask; gives that of before.
pub(super) fn swap_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    let mut before = MaybeUninit::uninit();
    // SAFETY: a valid set; the call fills `before`, and fails only for a bad first argument.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, before.as_mut_ptr());
        before.assume_init()
    }
}
