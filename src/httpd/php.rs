//! mod_php without thread safety, 8.3 and later: it measures its stack once, on the main thread, and
//! refuses to run on any other ("Maximum call stack size … reached"). Told to measure again on the
//! thread that is about to run it, it works on any, one at a time, as under prefork.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// `zend_call_stack_init` (`Zend/zend_call_stack.c`): measures the calling thread's stack.
type Measure = unsafe extern "C" fn();

fn measure() -> Option<Measure> {
    static FOUND: OnceLock<Option<Measure>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: looks a name up among the modules httpd has loaded, all before the first request.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"zend_call_stack_init".as_ptr()) };
        // Thread-safe builds measure each thread by themselves, and never run under another's measure.
        // SAFETY: looks another name up among them.
        let thread_safe = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"tsrm_get_ls_cache".as_ptr()) };
        if symbol.is_null() || !thread_safe.is_null() {
            return None;
        }
        // SAFETY: the function of that name takes and returns nothing, since it exists (PHP 8.3).
        Some(unsafe { std::mem::transmute::<*mut std::ffi::c_void, Measure>(symbol) })
    })
}

/// Whether PHP's measure is of another thread than the connection's.
static ELSEWHERE: AtomicBool = AtomicBool::new(false);

/// Has PHP measure the stack of this thread, a worker that is about to run a handler or goes on with it.
///
/// # Safety
///
/// This thread has the request.
pub(super) unsafe fn measure_worker() {
    if let Some(measure) = measure() {
        ELSEWHERE.store(true, Ordering::Relaxed);
        // SAFETY: the caller's word. Writes the globals of a PHP that runs on one thread at a time: that which has the request.
        unsafe { measure() };
    }
}

/// Has PHP measure the stack of this thread again, where a worker ran since. Measuring the main
/// thread reads `/proc/self/maps`, so it is put off until a handler runs there.
///
/// # Safety
///
/// This thread has the request.
pub(super) unsafe fn measure_connection_thread() {
    if ELSEWHERE.swap(false, Ordering::Relaxed)
        && let Some(measure) = measure()
    {
        // SAFETY: the caller's word. Writes the globals of a PHP that runs on one thread at a time: that which has the request.
        unsafe { measure() };
    }
}
