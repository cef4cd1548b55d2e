//! What the module record says: directives and hooks.

use crate::ffi;
use crate::httpd::configuration::{Module, create, merge};
use crate::httpd::directive::DirectiveTable;
use crate::httpd::hook::OneThread;
pub use crate::httpd::module_record::ModuleRecord;
use crate::httpd::module_record::note_registered;
use crate::httpd::panic::catch_panic;
use std::ffi::CStr;

/// A module's list of hooks.
pub trait Hooks {
    /// Called when httpd loads the module.
    fn register(start: &OneThread);
}

impl ModuleRecord {
    /// The record of a module with this source name, these directives and these hooks.
    pub const fn new<M: Module, H: Hooks, const ROWS: usize>(
        source_name: &'static CStr,
        directives: &'static DirectiveTable<M, ROWS>,
    ) -> ModuleRecord {
        ModuleRecord::of(ffi::module {
            version: ffi::MODULE_MAGIC_NUMBER_MAJOR,
            minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR,
            module_index: -1,
            name: source_name.as_ptr(),
            dynamic_load_handle: std::ptr::null_mut(),
            next: std::ptr::null_mut(),
            magic: ffi::MODULE_MAGIC_COOKIE as _,
            rewrite_args: None,
            create_dir_config: Some(create::<M>),
            merge_dir_config: Some(merge::<M>),
            create_server_config: None,
            merge_server_config: None,
            cmds: directives.as_ptr(),
            register_hooks: Some(register_hooks::<H>),
            flags: 0,
        })
    }
}

unsafe extern "C" fn register_hooks<H: Hooks>(_pool: *mut ffi::apr_pool_t) {
    let are_there = catch_panic(false, || {
        // SAFETY: httpd loads modules on the start's one thread.
        H::register(&unsafe { OneThread::new() });
        true
    });
    note_registered(are_there);
}
