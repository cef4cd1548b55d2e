//! Hooks: safe functions of the module, called by httpd at its stages.
//!
//! Each hook function is a type implementing a trait here, so that the C function around it is made
//! once, for all of them.

use crate::ffi;
use crate::httpd::panic::catch_panic;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use std::ffi::{CStr, c_char, c_int};
use std::iter::successors;
use std::marker::PhantomData;
use std::ptr::{from_ref, null};

/// When, among the hooks of one stage, a hook runs.
#[derive(Clone, Copy)]
pub struct HookOrder(c_int);

impl HookOrder {
    /// `APR_HOOK_REALLY_FIRST`.
    pub const REALLY_FIRST: HookOrder = HookOrder(ffi::APR_HOOK_REALLY_FIRST);
    /// After what must be really first, before everything else.
    pub const AFTER_REALLY_FIRST: HookOrder = HookOrder(ffi::APR_HOOK_REALLY_FIRST + 1);
    /// `APR_HOOK_MIDDLE`.
    pub const MIDDLE: HookOrder = HookOrder(ffi::APR_HOOK_MIDDLE);
    /// `APR_HOOK_REALLY_LAST`.
    pub const REALLY_LAST: HookOrder = HookOrder(ffi::APR_HOOK_REALLY_LAST);

    pub(super) fn number(self) -> c_int {
        self.0
    }
}

/// A module by its source's name (`mod_cache.c`), as a list of one.
pub struct RunBefore([*const c_char; 2]);

// SAFETY: it points to a constant.
unsafe impl Sync for RunBefore {}

impl RunBefore {
    /// The module whose source has this name.
    pub const fn new(name: &'static CStr) -> RunBefore {
        RunBefore([name.as_ptr(), null()])
    }
}

/// Shows that this process has no other thread that is httpd's: it starts, or it is a child that has not begun to serve.
pub struct OneThread(PhantomData<*const ()>);

impl OneThread {
    /// # Safety
    ///
    /// The process has one thread as long as the value is there.
    pub(super) unsafe fn new() -> OneThread {
        OneThread(PhantomData)
    }
}

/// A stage of a request's life.
pub trait RequestHook {
    /// The hook's body; a panic in it refuses the request with 500.
    fn run(request: Request<'_>) -> Status;
}

/// The stage at which the configuration is read, and its directives are yet to be carried out.
pub trait PreConfigHook {
    /// The hook's body, with the configuration's pool; a panic in it stops the start.
    fn run(configuration: Pool<'_>, start: &OneThread) -> Status;
}

/// The start of a child, which is about to serve requests.
pub trait ChildHook {
    /// The hook's body.
    fn run(main: &mut Server<'_>);
}

/// The end of a child, in the parent.
pub trait ChildEndHook {
    /// The hook's body, with the process that has ended.
    fn run(process: u32);
}

/// A stage of the server's start.
pub trait StartHook {
    /// The hook's body, with the configuration's pool; a panic in it stops the start.
    fn run<'s>(configuration: Pool<'s>, server: &mut Server<'s>) -> Status;
}

/// What `httpd -t` does with a configuration that is good.
pub trait TestConfigHook {
    /// The hook's body, with the configuration's pool.
    fn run<'s>(configuration: Pool<'s>, server: &mut Server<'s>);
}

/// The main server; virtual hosts follow it. All of their configuration is behind it: who writes to a part of that borrows
/// the whole.
///
/// # Invariants
///
/// The pointer is the main server for `'s`, and the process has one thread as long as the value is there.
pub struct Server<'s> {
    server: *mut ffi::server_rec,
    start: OneThread,
    lifetime: PhantomData<&'s ()>,
}

impl<'s> Server<'s> {
    /// # Safety
    ///
    /// As the invariants say, of which there is no other value.
    unsafe fn from_ptr(server: *mut ffi::server_rec) -> Server<'s> {
        // SAFETY: the caller's word.
        Server { server, start: unsafe { OneThread::new() }, lifetime: PhantomData }
    }

    /// That the process has one thread.
    pub fn one_thread(&self) -> &OneThread {
        &self.start
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::server_rec {
        self.server
    }

    /// It and the virtual hosts.
    pub(super) fn all(&self) -> impl Iterator<Item = *const ffi::server_rec> {
        // SAFETY: the start's one thread walks the list, which is whole.
        successors(Some(self.server.cast_const()), |server| unsafe { (**server).next.as_ref() }.map(from_ref))
    }

    /// Whether one of them speaks HTTP/2 (`Protocols`).
    pub fn speaks_http2(&self) -> bool {
        self.all().any(|server| {
            // SAFETY: core has a configuration for every server, with a list of C strings.
            unsafe {
                let core = ffi::ap_get_core_module_config((*server).module_config);
                let protocols = &*(*core.cast::<ffi::core_server_config>()).protocols;
                let names = protocols.elts.cast::<*const c_char>();
                (0..protocols.nelts as usize)
                    .any(|index| matches!(CStr::from_ptr(*names.add(index)).to_bytes(), b"h2" | b"h2c"))
            }
        })
    }

    /// Whether one of them has an error log that is no file: a program (`ErrorLog "|program"`), or syslog.
    pub fn logs_errors_to_others(&self) -> bool {
        self.all().any(|server| {
            // SAFETY: null, or a C string.
            let name = unsafe { (*server).error_fname.as_ref().map(|first| CStr::from_ptr(first)) };
            let name = name.map(CStr::to_bytes).unwrap_or_default();
            name.starts_with(b"|") || name == b"syslog" || name.starts_with(b"syslog:")
        })
    }
}

unsafe extern "C" fn request_hook<H: RequestHook>(r: *mut ffi::request_rec) -> c_int {
    catch_panic(Status::INTERNAL_SERVER_ERROR, || {
        // SAFETY: httpd passes a live request, and the thread that runs a hook is the one that has it.
        H::run(unsafe { Request::from_ptr(r) })
    })
    .0
}

unsafe extern "C" fn pre_config_hook<H: PreConfigHook>(
    configuration: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
) -> c_int {
    catch_panic(Status::INTERNAL_SERVER_ERROR, || {
        // SAFETY: httpd passes its configuration pool; the start has one thread.
        let (configuration, start) = unsafe { (Pool::from_ptr(configuration), OneThread::new()) };
        H::run(configuration, &start)
    })
    .0
}

unsafe extern "C" fn start_hook<H: StartHook>(
    configuration: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    catch_panic(Status::INTERNAL_SERVER_ERROR, || {
        // SAFETY: httpd passes its configuration's pool and its main server, which is in it; the start has one thread.
        let (configuration, mut server) =
            unsafe { (Pool::from_ptr(configuration), Server::from_ptr(server)) };
        H::run(configuration, &mut server)
    })
    .0
}

unsafe extern "C" fn child_hook<H: ChildHook>(_child: *mut ffi::apr_pool_t, server: *mut ffi::server_rec) {
    // SAFETY: httpd passes its main server, on the child's first thread, and makes no other before this returns.
    catch_panic((), || H::run(&mut unsafe { Server::from_ptr(server) }));
}

/// When a child begins.
pub fn child_init<H: ChildHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_child_init(Some(child_hook::<H>), null(), null(), order.0) }
}

unsafe extern "C" fn child_status_hook<H: ChildEndHook>(
    _server: *mut ffi::server_rec,
    process: ffi::pid_t,
    _generation: ffi::ap_generation_t,
    _slot: c_int,
    state: ffi::mpm_child_status,
) {
    catch_panic((), || {
        if let (ffi::mpm_child_status_MPM_CHILD_EXITED, Ok(process)) = (state, process.try_into()) {
            H::run(process);
        }
    });
}

/// When the parent has found a child ended, and may not have made another yet.
pub fn child_end<H: ChildEndHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_child_status(Some(child_status_hook::<H>), null(), null(), order.0) }
}

unsafe extern "C" fn test_config_hook<H: TestConfigHook>(
    configuration: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) {
    catch_panic((), || {
        // SAFETY: httpd passes its configuration's pool and its main server, which is in it; its check has one thread.
        let (configuration, mut server) =
            unsafe { (Pool::from_ptr(configuration), Server::from_ptr(server)) };
        H::run(configuration, &mut server);
    });
}

/// Under `httpd -t` and its kin, when the configuration was found good.
pub fn test_config<H: TestConfigHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_test_config(Some(test_config_hook::<H>), null(), null(), order.0) }
}

/// After the configuration was read, also under `httpd -t`; not OK: it is bad.
pub fn check_config<H: StartHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_check_config(Some(start_hook::<H>), null(), null(), order.0) }
}

/// Before the directives are carried out, `Listen` for one; not OK: the server does not start.
pub fn pre_config<H: PreConfigHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_pre_config(Some(pre_config_hook::<H>), null(), null(), order.0) }
}

/// When everything is open, before children are made; not OK: the server does not start.
pub fn post_config<H: StartHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_post_config(Some(start_hook::<H>), null(), null(), order.0) }
}

/// When the configuration of a request's place is known.
pub fn post_perdir_config<H: RequestHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_post_perdir_config(Some(request_hook::<H>), null(), null(), order.0) }
}

/// After authorization, before the handler.
pub fn fixups<H: RequestHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_fixups(Some(request_hook::<H>), null(), null(), order.0) }
}

/// The response; whatever its order, `before` that of another module.
pub fn handler<H: RequestHook>(order: HookOrder, before: &'static RunBefore, _: &OneThread) {
    // SAFETY: the function has the hook's signature; the list ends in null, and httpd may keep it.
    unsafe { ffi::ap_hook_handler(Some(request_hook::<H>), null(), before.0.as_ptr(), order.0) }
}

/// When the response is on its way, before the request is gone.
pub fn log_transaction<H: RequestHook>(order: HookOrder, _: &OneThread) {
    // SAFETY: the function has the hook's signature; without neighbours, the order alone decides.
    unsafe { ffi::ap_hook_log_transaction(Some(request_hook::<H>), null(), null(), order.0) }
}
