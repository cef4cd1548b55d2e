//! The handlers of httpd's modules: each is judged at the moment when its turn comes, since one before it may have written
//! to the request what the next one goes by (`r->handler`).

use crate::ffi;
use crate::httpd::filter;
use crate::httpd::hook::OneThread;
use crate::httpd::panic::catch_panic;
use crate::httpd::phase::{Function, links};
use crate::httpd::php;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

/// What becomes of a handler whose turn has come.
pub enum Verdict {
    /// It runs.
    Run,
    /// It does not run, as if it declined.
    Skip,
    /// This is the answer, and no handler runs.
    Answer(Status),
}

/// Who judges handlers.
pub trait HandlerJudge: 'static {
    /// By which number the handlers of this module (`mod_lua.c`) are judged; `None`: they always run.
    fn number(module: &CStr) -> Option<usize>;

    /// Called before such a handler runs.
    fn before(request: Request<'_>, number: usize) -> Verdict;

    /// Called when it has run, and has not ended its thread.
    fn after(request: Request<'_>, number: usize);
}

/// A handler may end its thread (`pthread_exit`), which unwinds the caller.
type Handler = unsafe extern "C-unwind" fn(*mut ffi::request_rec) -> c_int;

/// Httpd's list, with the number of each; set once, when a child begins.
static HANDLERS: OnceLock<Vec<(Handler, Option<usize>)>> = OnceLock::new();

/// From now on `J` judges the handlers of requests in this process. To be called when a child begins, after all modules.
///
/// # Errors
/// The list is not what is known here.
pub fn take_over<J: HandlerJudge>(_: &OneThread) -> Result<(), String> {
    // SAFETY: the process has one thread, which has no other list.
    let list = unsafe { links(c"ap_hook_get_handler") }?;
    if list.is_empty() {
        return Err("httpd has no handlers".to_owned());
    }
    let numbered = list.iter().map(|link| {
        // SAFETY: null, or the name of a module, which is there as long as its functions; they have this type.
        unsafe {
            let module = link.module.as_ref().map(|name| CStr::from_ptr(name));
            (std::mem::transmute::<Function, Handler>(link.function), module.and_then(J::number))
        }
    });
    if HANDLERS.set(numbered.collect()).is_err() {
        return Ok(());
    }
    for (position, link) in list.iter_mut().enumerate() {
        let handler: Handler = if position == 0 { run_all::<J> } else { declined };
        // SAFETY: httpd calls it with the type of handlers.
        link.function = unsafe { std::mem::transmute::<Handler, Function>(handler) };
    }
    Ok(())
}

/// Runs the handlers until one answers, and has the request's own filters see the response's end here. A handler that ends
/// this thread ends the process: only threads that are made for handlers may end with them (`thread`).
pub fn run_to_end(request: Request<'_>) -> Status {
    go_on_here(request);
    /// # Safety
    ///
    /// The request is live and this thread's.
    unsafe extern "C" fn run(r: *mut ffi::request_rec) -> c_int {
        // SAFETY: the caller's word. What unwinds comes to an end here: this function does not.
        unsafe { run_unwinding(r) }.0
    }
    // SAFETY: who has a `Request` has the request.
    Status(unsafe { run(request.as_ptr()) })
}

/// Called where a handler is about to run on the connection's own thread, where others may have run before.
pub fn go_on_here(_: Request<'_>) {
    // SAFETY: who has a `Request` has the request.
    unsafe { php::measure_connection_thread() };
}

/// Runs the handlers in the same way, on a thread that may end: unwinds where one ends it.
///
/// # Safety
///
/// The request is live and this thread's. Nothing with a destructor is on the stack that this may unwind.
pub(super) unsafe fn run_unwinding(r: *mut ffi::request_rec) -> Status {
    // SAFETY: the caller's word; the declaration of `ap_run_handler` lets a forced unwind through.
    let (status, request) = unsafe { (Status(ffi::ap_run_handler(r)), Request::from_ptr(r)) };
    // The end of a part is sent whatever its handler answers (`ap_run_sub_req`).
    if status == Status::OK || status == Status::DONE || request.main().is_some() {
        request.finalize();
    } else if status.breaks_off() {
        filter::break_off(request);
    }
    status
}

unsafe extern "C-unwind" fn declined(_: *mut ffi::request_rec) -> c_int {
    ffi::DECLINED
}

/// As `ap_run_handler` runs them. Nothing here has a destructor: a handler that ends its thread unwinds this frame.
unsafe extern "C-unwind" fn run_all<J: HandlerJudge>(r: *mut ffi::request_rec) -> c_int {
    let handlers = HANDLERS.get().map_or(&[][..], Vec::as_slice);
    for (handler, number) in handlers {
        if let Some(number) = *number {
            // SAFETY: httpd passes a live request, and the thread that runs its handlers is the one that has it.
            let before = || J::before(unsafe { Request::from_ptr(r) }, number);
            match catch_panic(Verdict::Answer(Status::INTERNAL_SERVER_ERROR), before) {
                Verdict::Run => {}
                Verdict::Skip => continue,
                Verdict::Answer(status) => return status.0,
            }
        }
        // SAFETY: a handler of httpd's, called as httpd would.
        let status = unsafe { handler(r) };
        if let Some(number) = *number {
            // SAFETY: httpd passes a live request, which the handler has left to this thread.
            catch_panic((), || J::after(unsafe { Request::from_ptr(r) }, number));
        }
        if status != ffi::DECLINED {
            return status;
        }
    }
    ffi::DECLINED
}
