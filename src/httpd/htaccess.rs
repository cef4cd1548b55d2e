//! `.htaccess`: has each file judged before httpd reads it. Wraps the hook `open_htaccess` of `http_config.h`.

use crate::ffi;
use crate::httpd::boundary::guard;
use crate::httpd::hook::Order;
use crate::httpd::request::Request;
use std::ffi::{CStr, c_char, c_int};
use std::os::fd::BorrowedFd;
use std::ptr::null;

/// Which of the files count.
pub trait HtaccessHook: 'static {
    /// Whether they are to be judged at all.
    fn is_needed(request: Request<'_>) -> bool;

    /// Called on the thread that is about to read the file, with its path. Where it does not count, httpd refuses the
    /// request: what the file says may be a restriction.
    fn may_count(request: Request<'_>, file: BorrowedFd<'_>, path: &CStr) -> bool;
}

/// Whenever httpd opens such a file.
pub fn open_htaccess<H: HtaccessHook>(order: Order) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_open_htaccess(Some(open::<H>), null(), null(), order.number()) }
}

/// As core does, and then has the open file judged: another one may have its name by then.
unsafe extern "C" fn open<H: HtaccessHook>(
    r: *mut ffi::request_rec,
    folder: *const c_char,
    name: *const c_char,
    file: *mut *mut ffi::ap_configfile_t,
    full_name: *mut *const c_char,
) -> ffi::apr_status_t {
    guard(ffi::APR_EGENERAL, || {
        // SAFETY: httpd passes a live request, and the thread that runs a hook is the one that has it.
        let request = unsafe { Request::from_ptr(r) };
        if !H::is_needed(request) {
            return ffi::AP_DECLINED;
        }
        let mut number: c_int = -1;
        // SAFETY: httpd passes two C strings and two places to fill; the path and the file are in the request's pool.
        // The file's parameter is APR's file (`ap_pcfg_openfile`), which says its number.
        let path = unsafe {
            let path = ffi::ap_make_full_path((*r).pool, folder, name);
            *full_name = path;
            let status = ffi::ap_pcfg_openfile(file, (*r).pool, path);
            if status != ffi::APR_SUCCESS {
                return status;
            }
            let status = ffi::apr_os_file_get(&mut number, (**file).param.cast());
            if status != ffi::APR_SUCCESS {
                return status;
            }
            CStr::from_ptr(path)
        };
        // SAFETY: the file is open until it is closed, here or by httpd after this.
        if H::may_count(request, unsafe { BorrowedFd::borrow_raw(number) }, path) {
            return ffi::APR_SUCCESS;
        }
        // SAFETY: it was opened above, and httpd does not touch it where this fails.
        unsafe { ffi::ap_cfg_closefile(*file) };
        libc::EACCES
    })
}
