//! The configuration that the module keeps for each section: how it is made, merged, and kept; httpd has it, and what is kept
//! with a request, as untyped memory, and gets its type back by [`Module`] alone.

use crate::ffi;
use crate::httpd::module_record;
use crate::httpd::panic::catch_panic;
use crate::httpd::pool::{Name, Pool};
use std::ffi::{c_char, c_void};

/// The types of what httpd keeps for this module, and has as untyped memory.
///
/// # Safety
///
/// There is one implementation, and the exported record is `ModuleRecord::new` of it.
pub unsafe trait Module: 'static {
    /// What it keeps for each section, and, merged, for the place of a request.
    type Section<'c>: Configuration<'c>;
    /// What it keeps with a request, which may be dropped on any thread.
    type Request: Send + 'static;

    /// The same section for a shorter time. That `section` will do shows that whatever is good for long is good for short.
    fn shorter<'s, 'l: 's>(section: &'s Self::Section<'l>) -> &'s Self::Section<'s>;
}

/// What a module keeps for each section (`<Directory>`, a virtual host, …) and, merged, for the
/// place of a request, with what it refers to for `'c`. It is copied into pools and never dropped: plain references and
/// values. All threads that serve requests share it.
pub trait Configuration<'c>: Copy + Send + Sync + 'c {
    /// Of a section in which no directive of the module stands.
    fn unset() -> Self;
    /// Of a place in both the section `outer` and, further in, `self`.
    fn merged_into(&self, outer: &Self, keeper: Keeper<'c>) -> Self;
    /// Of a section, and all places in it, whose configuration could not be made: nobody is served there.
    fn broken() -> &'c Self;
    /// Whether it is such a one.
    fn is_broken(&self) -> bool;
}

/// Keeps what a configuration refers to, in the configuration's own pool. All threads share it.
#[derive(Clone, Copy)]
pub struct Keeper<'p>(Pool<'p>);

impl<'p> Keeper<'p> {
    /// For the configuration that lives in this pool.
    pub fn of(configuration: Pool<'p>) -> Self {
        Keeper(configuration)
    }

    /// Puts a value that needs no destructor.
    pub fn put<T: Send + Sync>(self, value: T) -> &'p T {
        self.0.put(value)
    }

    /// Keeps a value, and drops it with the configuration.
    pub fn keep<T: Send + Sync + 'static>(self, value: T) -> &'p T {
        self.0.keep(value)
    }

    /// The one value of this type for the whole configuration.
    pub fn the_one<T: Default + Send + Sync + 'static>(self, name: Name) -> &'p T {
        self.0.one(name, T::default)
    }
}

/// The module's `create_dir_config`.
pub unsafe extern "C" fn create<M: Module>(pool: *mut ffi::apr_pool_t, _: *mut c_char) -> *mut c_void {
    catch_panic(broken::<M>(), || {
        // SAFETY: httpd passes the pool of the configuration or of the request.
        let pool = unsafe { Pool::from_ptr(pool) };
        std::ptr::from_ref(pool.put(M::Section::unset())).cast_mut().cast()
    })
}

/// What stands for a configuration that could not be made. Not null: httpd takes that for none, and goes on with what
/// other sections say (`ap_merge_per_dir_configs`). Nothing may write to it.
fn broken<M: Module>() -> *mut c_void {
    std::ptr::from_ref::<M::Section<'static>>(M::Section::broken()).cast_mut().cast()
}

/// The module's `merge_dir_config`.
pub unsafe extern "C" fn merge<M: Module>(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    catch_panic(broken::<M>(), || {
        // SAFETY: httpd passes the pool of the configuration or of the request; both come from `create` or from here, and
        // live as long as the pool.
        let (pool, outer, inner) = unsafe {
            let outer: &M::Section<'static> = &*outer.cast();
            let inner: &M::Section<'static> = &*inner.cast();
            (Pool::from_ptr(pool), outer, inner)
        };
        std::ptr::from_ref(merged::<M>(pool, outer, inner)).cast_mut().cast()
    })
}

/// A place's configuration, in a pool that those which it is merged of live as long as.
fn merged<'c, M: Module>(
    pool: Pool<'c>,
    outer: &'c M::Section<'static>,
    inner: &'c M::Section<'static>,
) -> &'c M::Section<'c> {
    pool.put(M::shorter(inner).merged_into(M::shorter(outer), Keeper::of(pool)))
}

/// What a configuration has for the module; `None` where core has made a section without it.
///
/// # Safety
///
/// The vector is live for `'c`, and nobody writes to the module's part of it meanwhile.
pub(super) unsafe fn section_in<'c, M: Module>(
    vector: *mut ffi::ap_conf_vector_t,
) -> Option<&'c M::Section<'c>> {
    // SAFETY: the caller's word; what is in the module's slot, `create` or `merge` has made, in a pool that lives as long
    // as the vector.
    let section = unsafe {
        ffi::ap_get_module_config(vector, module_record::record()).cast::<M::Section<'static>>().as_ref()
    };
    section.map(M::shorter)
}
