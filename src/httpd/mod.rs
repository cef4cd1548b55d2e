//! Safe wrappers of the parts of httpd's and APR's API that the module uses.
//!
//! This is where C pointers become borrowed Rust values and back. Nothing in here decides anything:
//! who is mapped to what is `policy`'s business, and when to ask is `hooks`'.
#![allow(unsafe_code)]

pub mod boundary;
pub mod dbd;
pub mod directive;
pub mod ending;
#[cfg(feature = "faults")]
pub mod faults;
pub mod filter;
pub mod hook;
pub mod htaccess;
pub mod log;
pub mod module;
pub mod php;
pub mod pool;
pub mod process;
pub mod provider;
pub mod proxy;
pub mod request;
pub mod scopes;
pub mod ssi;
pub mod status;
pub mod status_page;
pub mod table;
pub mod thread;
pub mod tree;

use crate::ffi;

/// Whether httpd only checks its configuration (`httpd -t`) and ends then.
pub fn only_checks_configuration() -> bool {
    // SAFETY: `ap_state_query` reads a global that main() sets before any hook runs.
    unsafe { ffi::ap_state_query(ffi::AP_SQ_RUN_MODE) == ffi::AP_SQ_RM_CONFIG_TEST }
}

/// Whether httpd is on its first pass over the configuration, whose result it throws away before
/// it reads everything again (`server/main.c`).
pub fn on_first_pass() -> bool {
    // SAFETY: as above.
    unsafe { ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE) == ffi::AP_SQ_MS_CREATE_PRE_CONFIG }
}

/// Whether the module with this source name (`mod_cgid.c`) is part of the running server.
pub fn has_module(source_name: &std::ffi::CStr) -> bool {
    // SAFETY: the name is a C string; the list of modules changes only while the configuration is read.
    unsafe { !ffi::ap_find_linked_module(source_name.as_ptr()).is_null() }
}

/// Whether httpd was started with `-D name`, or the configuration has a `Define name`.
pub fn is_defined(name: &std::ffi::CStr) -> bool {
    // SAFETY: the name is a C string; the list of names changes only while the configuration is read.
    unsafe { ffi::ap_exists_config_define(name.as_ptr()) != 0 }
}

/// The `ThreadStackSize` in force, in bytes; `None` where the system's default is.
pub fn thread_stack_size() -> Option<usize> {
    // SAFETY: httpd writes this global while the configuration is read (`ap_mpm_set_thread_stacksize`), never later.
    let bytes = unsafe { ffi::ap_thread_stacksize };
    (bytes != 0).then_some(bytes)
}
