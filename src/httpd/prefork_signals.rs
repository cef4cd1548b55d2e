//! How a child of prefork's ends that has, or had, a worker besides its own thread.
//!
//! SIGTERM and SIGHUP end it from within their handler (`just_die`), which tidies up and calls `exit`, whatever was under
//! way. With one thread, libc takes no locks; with several, `malloc` and `fork` hold some that these calls want as well:
//! the child, or the script that it was about to start, would hang, the latter with the server's port.

use super::hook::OneThread;
use super::is_threaded;
use super::panic::catch_panic;
use super::signals::{change_mask, swap_mask};
use std::cell::Cell;
use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What ends a child of prefork's from within a handler.
const ENDING: [c_int; 2] = [libc::SIGTERM, libc::SIGHUP];

/// What the handlers may take, in seconds. APR gives scripts three to end; the parent waits for nine.
const LIMIT: c_uint = 5;

/// httpd's handlers.
static HANDLERS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

thread_local! {
    /// The mask that the forking thread had.
    static BEFORE: Cell<Option<libc::sigset_t>> = const { Cell::new(None) };
}

/// Has this child end in time when it is told to, where a handler ends it: signals wait while it forks, and handlers have
/// a limit.
///
/// Called once in each child, when it begins.
pub fn in_time(_: &OneThread) {
    if is_threaded() {
        return;
    }
    // SAFETY: the functions live as long as the module, at whose end libc forgets them. It fails where there is no
    // memory for them, and then all is as without.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    for (signal, handler) in ENDING.into_iter().zip(&HANDLERS) {
        let mut action = action(signal);
        let own = end as extern "C" fn(c_int) as usize;
        if ![libc::SIG_DFL, libc::SIG_IGN, own].contains(&action.sa_sigaction) {
            handler.store(action.sa_sigaction, Ordering::Relaxed);
            action.sa_sigaction = own;
            // SAFETY: httpd's own setting but for the handler, which lives as long as the child.
            unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
        }
    }
}

/// What a signal does.
fn action(signal: c_int) -> libc::sigaction {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the call fills `action`, for which zero is a valid value.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    }
}

/// The handler: httpd's, with a limit. Only what a handler may call is called.
extern "C" fn end(signal: c_int) {
    catch_panic((), || {
        let place = ENDING.iter().position(|ending| *ending == signal).unwrap_or_default();
        limit(LIMIT);
        // SAFETY: `in_time` has stored what `sigaction` gave as a handler that takes the signal's number.
        let handler: extern "C-unwind" fn(c_int) =
            unsafe { std::mem::transmute(HANDLERS[place].load(Ordering::Relaxed)) };
        handler(signal);
        // It has not ended the process, as under `httpd -X`.
        limit(0);
    });
}

/// Ends the process in so many seconds; 0: not any more.
fn limit(seconds: c_uint) {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zero is a valid action; all calls are such as a handler may make.
    unsafe {
        (*action.as_mut_ptr()).sa_sigaction = give_up as extern "C" fn(c_int) as usize;
        libc::sigaction(libc::SIGALRM, action.as_ptr(), std::ptr::null_mut());
        change_mask(libc::SIG_UNBLOCK, &[libc::SIGALRM]);
        libc::alarm(seconds);
    }
}

extern "C" fn give_up(_signal: c_int) {
    // SAFETY: ends the process.
    catch_panic((), || unsafe { libc::_exit(0) });
}

unsafe extern "C" fn prepare() {
    catch_panic((), || BEFORE.set(Some(change_mask(libc::SIG_BLOCK, &ENDING))));
}

unsafe extern "C" fn parent() {
    catch_panic((), restore);
}

unsafe extern "C" fn child() {
    catch_panic((), || {
        ENDING.into_iter().for_each(end_plainly);
        restore();
    });
}

fn restore() {
    if let Some(before) = BEFORE.take() {
        swap_mask(&before);
    }
}

/// Has a signal end this process, as it would after `exec`, where httpd has a function for it: that would tidy up what is
/// its parent's.
fn end_plainly(signal: c_int) {
    if action(signal).sa_sigaction != libc::SIG_IGN {
        // SAFETY: sets what any process may.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
