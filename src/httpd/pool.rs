//! APR's memory pools: things that live as long as a request or a configuration does.

use crate::ffi;
use std::any::TypeId;
use std::ffi::{CStr, c_int, c_ulong, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A pool, borrowed for `'p`: what is put into it lives at least as long.
///
/// # Invariants
///
/// The pointer is a live APR pool for `'p`, and no other thread uses it meanwhile (a request's pool
/// belongs to whichever thread has the request; `worker` passes both on together).
#[derive(Clone, Copy)]
pub struct Pool<'p> {
    pool: NonNull<ffi::apr_pool_t>,
    lifetime: PhantomData<&'p ()>,
}

impl<'p> Pool<'p> {
    /// # Safety
    ///
    /// `pool` is a live pool for `'p`, used by this thread alone.
    pub unsafe fn from_ptr(pool: *mut ffi::apr_pool_t) -> Self {
        // httpd never passes a null pool; the check costs nothing beside what follows.
        Pool { pool: NonNull::new(pool).expect("httpd passes a pool"), lifetime: PhantomData }
    }

    /// The pool, for a call into APR.
    pub fn as_ptr(self) -> *mut ffi::apr_pool_t {
        self.pool.as_ptr()
    }

    /// Puts a value into the pool; its memory goes with the pool, and it needs no destructor.
    pub fn put<T>(self, value: T) -> &'p T {
        const { assert!(!std::mem::needs_drop::<T>(), "what needs a destructor is kept, not put") };
        self.store(value)
    }

    /// Puts a value there whose destructor will not run.
    fn store<T>(self, value: T) -> &'p T {
        const { assert!(align_of::<T>() <= 8, "APR aligns to eight bytes") };
        // SAFETY: the invariant; APR returns memory aligned to eight bytes (APR_ALIGN_DEFAULT), or aborts.
        let place = unsafe { ffi::apr_palloc(self.as_ptr(), size_of::<T>() as _) }.cast::<T>();
        let place = NonNull::new(place).expect("a pool without memory ends the process");
        // SAFETY: fresh memory of the right size and alignment, ours for `'p`.
        unsafe {
            place.write(value);
            place.as_ref()
        }
    }

    /// Keeps a value as long as the pool, and drops it with the pool, on whichever thread has that then.
    pub fn keep<T: Send + 'static>(self, value: T) -> &'p T {
        let kept = Box::into_raw(Box::new(value));
        // SAFETY: the cleanup is the one for this type, and runs once, before the pool's memory goes.
        // A forked child that execs (`apr_proc_create`) has no use for the value: nothing to do there.
        unsafe {
            ffi::apr_pool_cleanup_register(
                self.as_ptr(),
                kept.cast::<c_void>(),
                Some(drop_kept::<T>),
                Some(ffi::apr_pool_cleanup_null),
            );
            &*kept
        }
    }

    /// The one value of this type that the pool keeps under `name`, made when it is first asked for.
    pub fn one<T: Send + 'static>(self, name: Name, make: impl FnOnce() -> T) -> &'p T {
        if let Some(found) = self.find(name) {
            return found;
        }
        let made = Named { type_: TypeId::of::<T>(), value: make() };
        let made = if std::mem::needs_drop::<T>() { self.keep(made) } else { self.store(made) };
        // SAFETY: the invariant; the name lives for ever, so APR need not copy it.
        unsafe {
            let value = std::ptr::from_ref(made).cast_mut().cast::<c_void>();
            ffi::apr_pool_userdata_setn(value, name.0.as_ptr(), None, self.as_ptr());
        }
        &made.value
    }

    /// What `one` has made under a name; `None` where it has not, or made a value of another type.
    pub fn find<T: Send + 'static>(self, name: Name) -> Option<&'p T> {
        let mut found = std::ptr::null_mut();
        // SAFETY: the invariant. Under names of this module's there is nothing, or what `one` has put there, which begins
        // with its type: the whole is looked at only where that is the one asked for.
        unsafe {
            ffi::apr_pool_userdata_get(&mut found, name.0.as_ptr(), self.as_ptr());
            let type_ = found.cast::<TypeId>().as_ref()?;
            (*type_ == TypeId::of::<T>()).then(|| &(*found.cast::<Named<T>>()).value)
        }
    }

    /// Whether the pool is there, for when nobody has it any more.
    pub fn presence(self) -> Presence {
        let is_there = Arc::new(AtomicBool::new(true));
        self.keep(Leaving(Arc::clone(&is_there)));
        Presence(is_there)
    }

    /// A pool that dies with this one.
    pub fn child(self) -> Pool<'p> {
        let mut child = std::ptr::null_mut();
        // SAFETY: the invariant. Out of memory, APR calls the pool's abort function.
        unsafe {
            ffi::apr_pool_create_ex(&mut child, self.as_ptr(), None, std::ptr::null_mut());
            Pool::from_ptr(child)
        }
    }

    /// Whether what is in this pool lives as long as what is in the other: it is that one, or one that it comes from.
    pub fn outlives(self, other: Pool<'_>) -> bool {
        // SAFETY: both are live, and APR only goes from a pool to that which it was made in.
        unsafe { ffi::apr_pool_is_ancestor(self.as_ptr(), other.as_ptr()) != 0 }
    }

    /// A copy of a text, as httpd wants error messages and header values.
    pub fn text(self, text: &str) -> &'p CStr {
        // SAFETY: APR copies `len` bytes and ends them with a NUL; a NUL inside only shortens the text.
        unsafe {
            let copy = ffi::apr_pstrmemdup(self.as_ptr(), text.as_ptr().cast(), text.len() as _);
            CStr::from_ptr(copy)
        }
    }

    /// A copy of a C string.
    pub fn copy(self, text: &CStr) -> &'p CStr {
        // SAFETY: APR copies so many bytes, none of which is NUL, and ends them with one.
        unsafe { CStr::from_ptr(ffi::apr_pstrmemdup(self.as_ptr(), text.as_ptr(), text.count_bytes() as _)) }
    }

    /// One text behind another.
    pub fn joined(self, first: &CStr, second: &CStr) -> &'p CStr {
        // SAFETY: format and arguments agree; APR's answer is a C string in the pool.
        unsafe {
            let made = ffi::apr_psprintf(self.as_ptr(), c"%s%s".as_ptr(), first.as_ptr(), second.as_ptr());
            CStr::from_ptr(made)
        }
    }

    /// `text`, a colon, and a number.
    pub fn numbered(self, text: &CStr, number: usize) -> &'p CStr {
        // SAFETY: format and arguments agree; APR's answer is a C string in the pool.
        unsafe {
            let made = ffi::apr_psprintf(self.as_ptr(), c"%s:%lu".as_ptr(), text.as_ptr(), number as c_ulong);
            CStr::from_ptr(made)
        }
    }

    /// `path` made absolute by `ServerRoot`; `None` where it cannot be.
    pub fn server_root_relative(self, path: &CStr) -> Option<&'p CStr> {
        // SAFETY: the invariant; the answer is in the pool.
        unsafe {
            let absolute = ffi::ap_server_root_relative(self.as_ptr(), path.as_ptr());
            (!absolute.is_null()).then(|| CStr::from_ptr(absolute))
        }
    }
}

/// Tells whether a pool is still there: for values that refer to what is in it, and may be kept for longer.
#[derive(Debug)]
pub struct Presence(Arc<AtomicBool>);

impl Presence {
    /// Whether it is, and has not begun to go.
    pub fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Dropped with its pool.
struct Leaving(Arc<AtomicBool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A name of the module's for what a pool keeps.
#[derive(Clone, Copy)]
pub struct Name(&'static CStr);

impl Name {
    /// What every name of the module's begins with: nobody else keeps anything under such a one.
    const BEGINNING: &[u8] = b"mod_selinux ";

    /// This one. Checked where it is a constant, when the module is built.
    pub const fn new(name: &'static CStr) -> Name {
        let (bytes, mut index) = (name.to_bytes(), 0);
        assert!(bytes.len() > Name::BEGINNING.len(), "a name of the module's has more than its beginning");
        while index < Name::BEGINNING.len() {
            assert!(bytes[index] == Name::BEGINNING[index], "a name of the module's begins with it");
            index += 1;
        }
        Name(name)
    }
}

/// A value with its type, by which it is known again.
#[repr(C)]
struct Named<T> {
    type_: TypeId,
    value: T,
}

unsafe extern "C" fn drop_kept<T>(kept: *mut c_void) -> c_int {
    crate::httpd::panic::catch_panic(ffi::APR_EGENERAL, || {
        // SAFETY: `keep` made it from a box of this type, and APR runs a cleanup once.
        drop(unsafe { Box::from_raw(kept.cast::<T>()) });
        ffi::APR_SUCCESS
    })
}
