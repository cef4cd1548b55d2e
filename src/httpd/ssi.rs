//! SSI's `exec`: has each judged before it runs. Wraps the optional function of `mod_include.h` by which mod_cgid
//! tells mod_include who runs them.

use crate::ffi;
use crate::httpd::filter::FAILED;
use crate::httpd::hook::OneThread;
use crate::httpd::panic::catch_panic;
use crate::httpd::request::Request;
use std::ffi::{CStr, c_char, c_int};
use std::sync::{Mutex, PoisonError};

/// Takes the note from a part by which mod_include has it share its page's environment (`mod_include.c:
/// handle_include`, `includes_filter`).
pub fn forget_page(part: Request<'_>) {
    // SAFETY: null, or mod_include, whose own the slot is; to no note it gives the part an environment of its own.
    unsafe {
        let module = ffi::ap_find_linked_module(c"mod_include.c".as_ptr());
        if !module.is_null() {
            ffi::ap_set_module_config((*part.as_ptr()).request_config, module, std::ptr::null_mut());
        }
    }
}

/// Whether an `exec` may run.
pub trait ExecHook: 'static {
    /// Called on the thread that would run it, with the page's request. Where it may not, the page has
    /// mod_include's error text in its place, as with `Options IncludesNOEXEC`.
    fn may_run(page: Request<'_>) -> bool;
}

/// `include_handler_fn_t`
type Handler = unsafe extern "C" fn(
    *mut ffi::include_ctx_t,
    *mut ffi::ap_filter_t,
    *mut ffi::apr_bucket_brigade,
) -> c_int;
/// `ap_register_include_handler`
type Register = unsafe extern "C" fn(*mut c_char, Option<Handler>);

const REGISTER: &CStr = c"ap_register_include_handler";

/// The real ones of both, set at every start. They belong to modules that live as long as this one.
static REAL: Mutex<(Option<Register>, Option<Handler>)> = Mutex::new((None, None));

fn real<T>(body: impl FnOnce(&mut (Option<Register>, Option<Handler>)) -> T) -> T {
    body(&mut REAL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// From now on, until the configuration is read again, whoever registers as the one that runs `exec` gets
/// them judged. To be called when all modules are loaded, before they retrieve each other's functions.
pub fn judge_exec<H: ExecHook>(_: &OneThread) {
    // SAFETY: the start has one thread. What is found under this name has this type, and whoever
    // retrieves what is put there casts it back. APR forgets it when modules are unloaded.
    unsafe {
        let register = std::mem::transmute::<ffi::apr_opt_fn_t, Option<Register>>(
            ffi::apr_dynamic_fn_retrieve(REGISTER.as_ptr()),
        );
        real(|real| *real = (register, None));
        if register.is_some() {
            let judged: Register = register_judged::<H>;
            let judged = std::mem::transmute::<Option<Register>, ffi::apr_opt_fn_t>(Some(judged));
            ffi::apr_dynamic_fn_register(REGISTER.as_ptr(), judged);
        }
    }
}

unsafe extern "C" fn register_judged<H: ExecHook>(tag: *mut c_char, handler: Option<Handler>) {
    catch_panic((), || {
        // SAFETY: modules pass a string constant.
        let is_exec = unsafe { CStr::from_ptr(tag) } == c"exec";
        let (register, handler) = real(|real| {
            if !is_exec {
                return (real.0, handler);
            }
            real.1 = handler;
            (real.0, Some(judged::<H> as Handler))
        });
        if let Some(register) = register {
            // SAFETY: mod_include's function, called as the module would.
            unsafe { register(tag, handler) }
        }
    });
}

unsafe extern "C" fn judged<H: ExecHook>(
    context: *mut ffi::include_ctx_t,
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
) -> c_int {
    catch_panic(FAILED, || {
        // SAFETY: mod_include passes its filter, which has the page's request, and the page's context; both
        // are this thread's for now.
        let (page, flags) = unsafe { (Request::from_ptr((*filter).r), &mut (*context).flags) };
        let is_shown = *flags & ffi::SSI_FLAG_PRINTING != 0;
        if is_shown && !H::may_run(page) {
            *flags |= ffi::SSI_FLAG_NO_EXEC;
        }
        // SAFETY: the handler that was registered, called as mod_include would.
        real(|real| real.1).map_or(FAILED, |handler| unsafe { handler(context, filter, brigade) })
    })
}
