//! The module record, which is all that httpd sees of the module, and its list of hooks.
#![allow(unsafe_code)]

use crate::config::Section;
use crate::directives;
use crate::ffi;
use crate::hooks::{CheckConfig, FirstFixups, Handler, LastFixups, PostConfig, PreConfig};
use crate::httpd::boundary::guard;
use crate::httpd::directive::{create, merge};
use crate::httpd::hook::{self, Order};
use std::cell::UnsafeCell;
use std::ffi::c_int;

/// The record, which httpd writes its number and name for the module into.
#[repr(transparent)]
pub struct Record(UnsafeCell<ffi::module>);

// SAFETY: httpd writes to it while it loads modules, on the start's one thread; later it is only read.
unsafe impl Sync for Record {}

/// What `LoadModule selinux_module` looks for.
#[unsafe(no_mangle)]
pub static selinux_module: Record = Record(UnsafeCell::new(ffi::module {
    version: ffi::MODULE_MAGIC_NUMBER_MAJOR,
    minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR,
    module_index: -1,
    name: c"mod_selinux.c".as_ptr(),
    dynamic_load_handle: std::ptr::null_mut(),
    next: std::ptr::null_mut(),
    magic: ffi::MODULE_MAGIC_COOKIE as _,
    rewrite_args: None,
    create_dir_config: Some(create::<Section>),
    merge_dir_config: Some(merge::<Section>),
    create_server_config: None,
    merge_server_config: None,
    cmds: directives::TABLE.as_ptr(),
    register_hooks: Some(register_hooks),
    flags: 0,
}));

/// The record, for httpd's functions that want it.
pub fn record() -> *mut ffi::module {
    selinux_module.0.get()
}

/// The number httpd gave the module.
pub fn index() -> c_int {
    // SAFETY: see `Record`.
    unsafe { (*record()).module_index }
}

unsafe extern "C" fn register_hooks(_pool: *mut ffi::apr_pool_t) {
    guard((), || {
        hook::pre_config::<PreConfig>(Order::MIDDLE);
        hook::check_config::<CheckConfig>(Order::MIDDLE);
        hook::post_config::<PostConfig>(Order::REALLY_LAST);
        // Before mod_rewrite and mod_env, which `.htaccess` can have set variables.
        hook::fixups::<FirstFixups>(Order::REALLY_FIRST);
        // After mod_dir, which takes a request to another place.
        hook::fixups::<LastFixups>(Order::REALLY_LAST);
        // After core's own, which serves a whole HTTP/2 connection inside of an `Upgrade:` request.
        hook::handler::<Handler>(Order::AFTER_REALLY_FIRST);
    });
}
