//! The handlers of httpd's modules: each is judged at the moment when its turn comes, since one before it may have written
//! to the request what the next one goes by (`r->handler`).

use crate::ffi;
use crate::httpd::panic::catch_panic;
use crate::httpd::phase::{Function, links};
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
pub fn take_over<J: HandlerJudge>() -> Result<(), String> {
    let list = links(c"ap_hook_get_handler")?;
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
        // SAFETY: as above.
        let status = unsafe { handler(r) };
        if let Some(number) = *number {
            // SAFETY: as above.
            catch_panic((), || J::after(unsafe { Request::from_ptr(r) }, number));
        }
        if status != ffi::DECLINED {
            return status;
        }
    }
    ffi::DECLINED
}
