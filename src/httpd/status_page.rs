//! mod_status' page, to which other modules add. Wraps the optional hook of `mod_status.h`: without mod_status, nobody
//! calls it.

use crate::ffi;
use crate::httpd::hook::{HookOrder, OneThread};
use crate::httpd::panic::catch_panic;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use std::ffi::c_int;
use std::ptr::null;

/// How the page is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people.
    Html,
    /// For programs (`?auto`): plain text, one value a line.
    Lines,
}

/// A module's part of the page.
pub trait StatusPageHook {
    /// The text of it, in ASCII: mod_status says what its page is encoded in. Called on the thread that serves the page,
    /// which may be confined. After a panic, the page goes on without it.
    fn text(request: Request<'_>, form: Form) -> String;
}

/// `status_hook`
type Add = unsafe extern "C" fn(*mut ffi::request_rec, c_int) -> c_int;

unsafe extern "C" fn add<H: StatusPageHook>(r: *mut ffi::request_rec, flags: c_int) -> c_int {
    catch_panic(Status::DECLINED, || {
        // SAFETY: mod_status passes the request that its handler serves, on the thread that has it.
        let request = unsafe { Request::from_ptr(r) };
        let form = if flags & ffi::AP_STATUS_SHORT == 0 { Form::Html } else { Form::Lines };
        // Whoever does not take it has gone.
        request.write(&H::text(request, form));
        Status::OK
    })
    .0
}

/// Adds a part to mod_status' page.
pub fn status_page<H: StatusPageHook>(order: HookOrder, _: &OneThread) {
    let add: Add = add::<H>;
    // SAFETY: mod_status, which runs the hooks of this name, calls them with this signature.
    unsafe {
        let add = std::mem::transmute::<Add, unsafe extern "C" fn()>(add);
        ffi::apr_optional_hook_add(c"status_hook".as_ptr(), Some(add), null(), null(), order.number());
    }
}
