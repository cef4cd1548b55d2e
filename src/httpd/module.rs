//! The module record, which is all that httpd sees of a module.

use crate::ffi;
use crate::httpd::directive::{Configuration, Table, create, merge};
use crate::httpd::panic::guard;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

/// A module's record, which httpd writes its number for the module into.
#[repr(transparent)]
pub struct Module(UnsafeCell<ffi::module>);

// SAFETY: httpd writes to it while it loads modules, on the start's one thread; later it is only read.
unsafe impl Sync for Module {}

/// A module's list of hooks.
pub trait Hooks {
    /// Called when httpd loads the module.
    fn register();
}

impl Module {
    /// The record of a module with this source name, these directives, which fill a `C`, and these hooks.
    pub const fn new<C: Configuration, H: Hooks, const ROWS: usize>(
        source_name: &'static CStr,
        directives: &'static Table<ROWS>,
    ) -> Module {
        Module(UnsafeCell::new(ffi::module {
            version: ffi::MODULE_MAGIC_NUMBER_MAJOR,
            minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR,
            module_index: -1,
            name: source_name.as_ptr(),
            dynamic_load_handle: std::ptr::null_mut(),
            next: std::ptr::null_mut(),
            magic: ffi::MODULE_MAGIC_COOKIE as _,
            rewrite_args: None,
            create_dir_config: Some(create::<C>),
            merge_dir_config: Some(merge::<C>),
            create_server_config: None,
            merge_server_config: None,
            cmds: directives.as_ptr(),
            register_hooks: Some(register_hooks::<H>),
            flags: 0,
        }))
    }
}

unsafe extern "C" fn register_hooks<H: Hooks>(_pool: *mut ffi::apr_pool_t) {
    let are_there = guard(false, || {
        H::register();
        true
    });
    REGISTERED.store(are_there, Ordering::Relaxed);
}

static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Whether httpd calls all of the module's hooks; without, no directive is taken.
pub(super) fn is_registered() -> bool {
    REGISTERED.load(Ordering::Relaxed)
}

unsafe extern "C" {
    /// This module's record: defined at the crate's root, since it knows all of the rest.
    static selinux_module: Module;
}

/// The record, for httpd's functions that want it.
pub(super) fn record() -> *mut ffi::module {
    // SAFETY: the crate's root defines it, with this type.
    unsafe { selinux_module.0.get() }
}

/// The number httpd gave the module.
pub(super) fn index() -> c_int {
    // SAFETY: see `Module`.
    unsafe { (*record()).module_index }
}
