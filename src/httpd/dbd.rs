//! mod_dbd's connections: has each judged that a page is about to get. Wraps the optional function of `mod_dbd.h` by
//! which mod_lua asks for them (`r:dbacquire`).
//!
//! What httpd's own modules ask for is left alone (`ap_dbd_acquire`): what they say to the database, the configuration
//! says.

use crate::ffi;
use crate::httpd::config_tree;
use crate::httpd::hook::OneThread;
use crate::httpd::panic::catch_panic;
use std::ffi::{CStr, c_void};
use std::sync::{Mutex, PoisonError};

/// Whether a page may have a connection.
pub trait OpenHook: 'static {
    /// Called on the thread that asks. Where it may not, the page is told that there is none.
    fn may_open() -> bool;
}

/// `ap_dbd_open`
type Open = unsafe extern "C" fn(*mut ffi::apr_pool_t, *mut ffi::server_rec) -> *mut c_void;

const OPEN: &CStr = c"ap_dbd_open";

/// The real one, set at every start. It belongs to a module that lives as long as this one.
static REAL: Mutex<Option<Open>> = Mutex::new(None);

/// Whether mod_dbd makes each connection anew, for whoever asks (`DBDPersist Off`), in all servers.
///
/// To be called once the configuration is read.
pub fn keeps_none() -> bool {
    let is_off = |value: &Vec<u8>| value.eq_ignore_ascii_case(b"off") || value == b"0";
    config_tree::of_main_server("DBDPersist").as_ref().is_some_and(is_off)
        && config_tree::arguments_of("DBDPersist").iter().all(is_off)
}

/// From now on, until the configuration is read again, who asks for a connection is judged. To be called when
/// all modules are loaded.
pub fn judge_open<H: OpenHook>(_: &OneThread) {
    // SAFETY: the start has one thread. What is found under this name has this type, and whoever
    // retrieves what is put there casts it back. APR forgets it when modules are unloaded.
    unsafe {
        let open = std::mem::transmute::<ffi::apr_opt_fn_t, Option<Open>>(ffi::apr_dynamic_fn_retrieve(
            OPEN.as_ptr(),
        ));
        *REAL.lock().unwrap_or_else(PoisonError::into_inner) = open;
        if open.is_some() {
            let judged: Open = judged::<H>;
            let judged = std::mem::transmute::<Option<Open>, ffi::apr_opt_fn_t>(Some(judged));
            ffi::apr_dynamic_fn_register(OPEN.as_ptr(), judged);
        }
    }
}

unsafe extern "C" fn judged<H: OpenHook>(
    pool: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> *mut c_void {
    catch_panic(std::ptr::null_mut(), || {
        let open = *REAL.lock().unwrap_or_else(PoisonError::into_inner);
        match open {
            // SAFETY: mod_dbd's function, called as the module would that called this one.
            Some(open) if H::may_open() => unsafe { open(pool, server) },
            _ => std::ptr::null_mut(),
        }
    })
}
