//! The configuration that the module keeps for each section: how it is made, merged, and kept.

use crate::ffi;
use crate::httpd::panic::catch_panic;
use crate::httpd::pool::Pool;
use std::ffi::{CStr, c_char, c_void};

/// What a module keeps for each section (`<Directory>`, a virtual host, …) and, merged, for the
/// place of a request. It is copied into pools and never dropped: plain references and values. All
/// threads that serve requests share it.
pub trait Configuration: Copy + Send + Sync + 'static {
    /// Of a section in which no directive of the module stands.
    fn unset() -> Self;
    /// Of a place in both the section `outer` and, further in, `self`.
    fn merged_into(&self, outer: &Self, keeper: Keeper<'_>) -> Self;
    /// Of a section, and all places in it, whose configuration could not be made: nobody is served there.
    fn broken() -> &'static Self;
    /// Whether it is such a one.
    fn is_broken(&self) -> bool;
}

/// Keeps what a configuration refers to, in the configuration's own pool.
///
/// `'static` stands for the life of that pool: httpd lets nobody have a configuration for longer, and
/// what is kept here is to be reached by the configuration alone.
#[derive(Clone, Copy)]
pub struct Keeper<'p>(Pool<'p>);

impl<'p> Keeper<'p> {
    /// For the configuration that lives in this pool.
    pub fn of(configuration: Pool<'p>) -> Self {
        Keeper(configuration)
    }

    /// Puts a value that needs no destructor.
    pub fn put<T: Send + Sync + 'static>(self, value: T) -> &'static T {
        // SAFETY: see `Keeper`.
        unsafe { &*std::ptr::from_ref(self.0.put(value)) }
    }

    /// Keeps a value, and drops it with the configuration.
    pub fn keep<T: Send + Sync + 'static>(self, value: T) -> &'static T {
        // SAFETY: see `Keeper`.
        unsafe { &*std::ptr::from_ref(self.0.keep(value)) }
    }

    /// The one value of this type for the whole configuration.
    pub fn the_one<T: Default + Send + Sync + 'static>(self, name: &'static CStr) -> &'static T {
        // SAFETY: see `Keeper`.
        unsafe { &*std::ptr::from_ref(self.0.the_one::<T>(name)) }
    }
}

/// The module's `create_dir_config`.
pub unsafe extern "C" fn create<C: Configuration>(pool: *mut ffi::apr_pool_t, _: *mut c_char) -> *mut c_void {
    catch_panic(broken::<C>(), || {
        // SAFETY: httpd passes the pool of the configuration or of the request.
        let pool = unsafe { Pool::from_ptr(pool) };
        std::ptr::from_ref(pool.put(C::unset())).cast_mut().cast()
    })
}

/// What stands for a configuration that could not be made. Not null: httpd takes that for none, and goes on with what
/// other sections say (`ap_merge_per_dir_configs`). Nothing may write to it.
fn broken<C: Configuration>() -> *mut c_void {
    std::ptr::from_ref(C::broken()).cast_mut().cast()
}

/// The module's `merge_dir_config`.
pub unsafe extern "C" fn merge<C: Configuration>(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    catch_panic(broken::<C>(), || {
        // SAFETY: as above; both come from `create` or from here, and live as long as the pool.
        unsafe {
            let pool = Pool::from_ptr(pool);
            let merged = (*inner.cast::<C>()).merged_into(&*outer.cast::<C>(), Keeper(pool));
            std::ptr::from_ref(pool.put(merged)).cast_mut().cast()
        }
    })
}
