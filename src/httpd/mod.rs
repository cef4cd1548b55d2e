//! Safe wrappers of the parts of httpd's and APR's API that the module uses.
//!
//! This is where C pointers become borrowed Rust values and back. Nothing in here decides anything:
//! who is mapped to what is `mapping`'s business, and when to ask is `request`'s.
#![allow(unsafe_code)]

pub mod bound;
pub mod cache;
pub mod config_tree;
pub mod configuration;
mod connection;
pub mod dbd;
pub mod dir_config;
pub mod directive;
pub mod filter;
pub mod handler;
pub mod hook;
pub mod htaccess;
pub mod input;
mod loan;
pub mod log;
pub mod lua;
pub mod module;
mod module_record;
pub mod panic;
pub mod phase;
pub mod php;
pub mod pool;
pub mod prefork_signals;
pub mod process;
pub mod process_state;
pub mod provider;
pub mod proxy;
pub mod record;
pub mod request;
pub mod sections;
pub mod seqlock;
mod server_log;
pub mod shm;
pub mod signals;
pub mod ssi;
pub mod stack;
pub mod status;
pub mod status_page;
pub mod sync;
pub mod table;
pub mod thread;

use crate::ffi;
use std::sync::OnceLock;

/// Whether httpd only checks its configuration (`httpd -t`) and ends then.
pub fn only_checks_configuration() -> bool {
    // SAFETY: `ap_state_query` reads a global that main() sets before any hook runs.
    unsafe { ffi::ap_state_query(ffi::AP_SQ_RUN_MODE) == ffi::AP_SQ_RM_CONFIG_TEST }
}

/// Whether httpd is on its first pass over the configuration, whose result it throws away before
/// it reads everything again (`server/main.c`).
pub fn on_first_pass() -> bool {
    // SAFETY: `ap_state_query` reads a global that main() sets.
    unsafe { ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE) == ffi::AP_SQ_MS_CREATE_PRE_CONFIG }
}

/// Whether the MPM serves requests on threads of its own.
pub fn is_threaded() -> bool {
    static IS_THREADED: OnceLock<bool> = OnceLock::new();
    *IS_THREADED.get_or_init(|| {
        ask_mpm(ffi::AP_MPMQ_IS_THREADED).is_some_and(|answer| answer != ffi::AP_MPMQ_NOT_SUPPORTED)
    })
}

/// How many threads each child has for connections.
pub fn threads_per_child() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| {
        let threads = ask_mpm(ffi::AP_MPMQ_MAX_THREADS).and_then(|threads| usize::try_from(threads).ok());
        threads.unwrap_or(1).max(1)
    })
}

/// Whether httpd is about to end or to start anew.
pub fn is_stopping() -> bool {
    ask_mpm(ffi::AP_MPMQ_MPM_STATE).is_none_or(|state| state == ffi::AP_MPMQ_STOPPING)
}

fn ask_mpm(question: i32) -> Option<i32> {
    let mut answer = 0;
    // SAFETY: a place to write to; the MPM is known since the configuration was read.
    let status = unsafe { ffi::ap_mpm_query(question, &mut answer) };
    (status == ffi::APR_SUCCESS).then_some(answer)
}

/// Whether the module with this source name (`mod_cgid.c`) is part of the running server.
pub fn has_module(source_name: &std::ffi::CStr) -> bool {
    // SAFETY: the name is a C string; the list of modules changes only while the configuration is read.
    unsafe { !ffi::ap_find_linked_module(source_name.as_ptr()).is_null() }
}

/// Where the code of a loaded module is: from the beginning to the end of its shared object. `None` where it is not loaded, or is
/// part of httpd's own program.
pub fn code_of(source_name: &std::ffi::CStr) -> Option<std::ops::Range<usize>> {
    struct Search {
        address: usize,
        found: Option<std::ops::Range<usize>>,
    }
    unsafe extern "C" fn look(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        search: *mut std::ffi::c_void,
    ) -> std::ffi::c_int {
        // SAFETY: libc passes an object with its program headers, and what `dl_iterate_phdr` was given.
        let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
        let base = info.dlpi_addr as usize;
        // SAFETY: an object has so many headers.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum as usize) };
        let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        let end = loaded.map(|header| base + header.p_vaddr as usize + header.p_memsz as usize).max();
        let extent = base..end.unwrap_or(base);
        if base != 0 && extent.contains(&search.address) {
            search.found = Some(extent);
            return 1;
        }
        0
    }
    // SAFETY: the name is a C string; the answer is null, or the record of a loaded module, which is in its shared object.
    let record = unsafe { ffi::ap_find_linked_module(source_name.as_ptr()) };
    let mut search = Search { address: record as usize, found: None };
    // SAFETY: the function gets what is passed, while this call lasts.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found.filter(|_| !record.is_null())
}

/// Whether httpd was started with `-D name`, or the configuration has a `Define name`.
pub fn is_defined(name: &std::ffi::CStr) -> bool {
    // SAFETY: the name is a C string; the list of names changes only while the configuration is read.
    unsafe { ffi::ap_exists_config_define(name.as_ptr()) != 0 }
}

/// A number that nobody can foresee.
pub fn random() -> u64 {
    let mut number = [0; 8];
    // SAFETY: the kernel writes that many bytes. It always has as few, once the system is up.
    unsafe { libc::getrandom(number.as_mut_ptr().cast(), number.len(), 0) };
    u64::from_ne_bytes(number)
}

/// The `ThreadStackSize` in force, in bytes; `None` where the system's default is.
pub fn thread_stack_size() -> Option<usize> {
    // SAFETY: httpd writes this global while the configuration is read (`ap_mpm_set_thread_stacksize`), never later.
    let bytes = unsafe { ffi::ap_thread_stacksize };
    (bytes != 0).then_some(bytes)
}
