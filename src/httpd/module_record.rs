//! The module record, which is all that httpd sees of a module, and what httpd has written into it.

use crate::ffi;
use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

/// A module's record, which httpd writes its number for the module into.
#[repr(transparent)]
pub struct ModuleRecord(UnsafeCell<ffi::module>);

// SAFETY: httpd writes to it while it loads modules, on the start's one thread; later it is only read.
unsafe impl Sync for ModuleRecord {}

impl ModuleRecord {
    /// The record with these fields.
    pub(super) const fn of(fields: ffi::module) -> ModuleRecord {
        ModuleRecord(UnsafeCell::new(fields))
    }
}

static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Notes whether all hooks have been registered.
pub(super) fn note_registered(are_all: bool) {
    REGISTERED.store(are_all, Ordering::Relaxed);
}

/// Whether httpd calls all of the module's hooks; without, no directive is taken.
pub(super) fn is_registered() -> bool {
    REGISTERED.load(Ordering::Relaxed)
}

unsafe extern "C" {
    /// This module's record: defined at the crate's root, since it knows all of the rest.
    static selinux_module: ModuleRecord;
}

/// The record, for httpd's functions that want it.
pub(super) fn record() -> *mut ffi::module {
    // SAFETY: the crate's root defines it, with this type.
    unsafe { selinux_module.0.get() }
}

/// The number httpd gave the module.
pub(super) fn index() -> c_int {
    // SAFETY: httpd writes the number while it loads modules, before anything asks for it.
    unsafe { (*record()).module_index }
}
