//! `.htaccess`: has each file judged before httpd reads it, and the expressions in it. Wraps the hooks `open_htaccess` of
//! `http_config.h` and `expr_lookup` of `ap_expr.h`.

use crate::ffi;
use crate::httpd::hook::{HookOrder, OneThread};
use crate::httpd::panic::catch_panic;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::ptr::null;

/// Which of the files apply, and what may be in them.
pub trait HtaccessHook: 'static {
    /// Whether they are to be judged at all.
    fn is_needed(request: Request<'_>) -> bool;

    /// Called on the thread that is about to read the file, with its path. Where it does not apply, httpd refuses the
    /// request: what the file says may be a restriction.
    fn may_apply(request: Request<'_>, file: BorrowedFd<'_>, path: &CStr) -> bool;

    /// Why expressions in such a file may not use something; `None` where they may. httpd refuses the request then.
    fn objection(operation: Operation, name: &[u8]) -> Option<String>;

    /// Whether such a file may have this line in it, which comes as it is written, with what it goes on with. httpd refuses
    /// the request where it may not.
    fn may_have(line: &[u8]) -> bool;
}

/// What an expression can ask for by a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A function: `file(…)`, `%{file:…}`.
    Function,
    /// An operator before one operand, without its dash: `-f …`.
    Test,
}

/// Whenever httpd opens such a file, and reads an expression in it.
pub fn register<H: HtaccessHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the functions have their hooks' signatures; without neighbours, the order alone decides.
    unsafe {
        ffi::ap_hook_open_htaccess(Some(open::<H>), null(), null(), order.number());
        ffi::ap_hook_expr_lookup(Some(look_up::<H>), null(), null(), order.number());
    }
}

type Close = unsafe extern "C" fn(*mut c_void) -> ffi::apr_status_t;

thread_local! {
    /// What closes the file that this thread reads. httpd opens it, carries out what is in it, and closes it, all on one
    /// thread (`ap_parse_htaccess`).
    static READING: Cell<Option<Close>> = const { Cell::new(None) };
    /// What reads a line of it, and the line so far.
    static GETTING: Cell<Option<Get>> = const { Cell::new(None) };
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

type Get = unsafe extern "C" fn(*mut c_void, ffi::apr_size_t, *mut c_void) -> ffi::apr_status_t;

/// Reads a line of the file, or a piece of one: it may go on after a backslash (`ap_cfg_getline_core`).
unsafe extern "C" fn get<H: HtaccessHook>(
    buffer: *mut c_void,
    size: ffi::apr_size_t,
    parameter: *mut c_void,
) -> ffi::apr_status_t {
    catch_panic(libc::EACCES, || {
        let Some(get) = GETTING.get() else { return libc::EACCES };
        // SAFETY: what httpd's own function would have been called with; where it succeeds, it has written a C string.
        let piece = unsafe {
            let status = get(buffer, size, parameter);
            if status != ffi::APR_SUCCESS {
                return status;
            }
            CStr::from_ptr(buffer.cast()).to_bytes()
        };
        LINE.with_borrow_mut(|line| {
            let end = piece.strip_suffix(b"\n").map(|piece| piece.strip_suffix(b"\r").unwrap_or(piece));
            let goes_on = end.is_some_and(|piece| piece.ends_with(b"\\"));
            let text = end.unwrap_or(piece);
            line.extend_from_slice(if goes_on { &text[..text.len() - 1] } else { text });
            let may_have = H::may_have(line);
            if !goes_on && end.is_some() {
                line.clear();
            }
            if may_have { ffi::APR_SUCCESS } else { libc::EACCES }
        })
    })
}

/// As core does, and then has the open file judged: another one may have its name by then.
unsafe extern "C" fn open<H: HtaccessHook>(
    r: *mut ffi::request_rec,
    folder: *const c_char,
    name: *const c_char,
    file: *mut *mut ffi::ap_configfile_t,
    full_name: *mut *const c_char,
) -> ffi::apr_status_t {
    catch_panic(ffi::APR_EGENERAL, || {
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
        let may_apply = H::may_apply(request, unsafe { BorrowedFd::borrow_raw(number) }, path);
        // SAFETY: it was opened above; httpd does not touch it where this fails, and else closes it by what is put here.
        unsafe {
            if !may_apply {
                ffi::ap_cfg_closefile(*file);
                return libc::EACCES;
            }
            READING.set((**file).close.replace(close));
            GETTING.set((**file).getstr.replace(get::<H>));
            LINE.with_borrow_mut(Vec::clear);
        }
        ffi::APR_SUCCESS
    })
}

/// Closes the file that this thread has read.
unsafe extern "C" fn close(parameter: *mut c_void) -> ffi::apr_status_t {
    // Whatever comes, what the thread reads next is no such file.
    let close = READING.take();
    catch_panic(ffi::APR_EGENERAL, || match close {
        // SAFETY: what httpd's own function would have been called with.
        Some(close) => unsafe { close(parameter) },
        None => ffi::APR_EGENERAL,
    })
}

/// Looks a name of an expression up before httpd does.
unsafe extern "C" fn look_up<H: HtaccessHook>(parameters: *mut ffi::ap_expr_lookup_parms) -> c_int {
    const REFUSED: c_int = 1;
    let answer = catch_panic(None, || {
        // SAFETY: httpd passes what it looks up, with a name and a pool (`ap_expr_info_make`).
        unsafe {
            if READING.get().is_none() {
                return Some(ffi::DECLINED);
            }
            // Other modules may have functions that they keep from such places.
            (*parameters).flags |= ffi::AP_EXPR_FLAG_RESTRICTED;
            let operation = match (*parameters).type_ {
                ffi::AP_EXPR_FUNC_STRING => Operation::Function,
                ffi::AP_EXPR_FUNC_OP_UNARY => Operation::Test,
                _ => return Some(ffi::DECLINED),
            };
            let Some(why) = H::objection(operation, CStr::from_ptr((*parameters).name).to_bytes()) else {
                return Some(ffi::DECLINED);
            };
            let why = CString::new(why).unwrap_or_default();
            *(*parameters).err = Pool::from_ptr((*parameters).ptemp).copy(&why).as_ptr();
            Some(REFUSED)
        }
    });
    answer.unwrap_or_else(|| {
        // SAFETY: httpd passes a place for what is wrong. Without it, the expression would pass for a good one.
        unsafe { *(*parameters).err = c"mod_selinux failed on this expression".as_ptr() };
        REFUSED
    })
}
