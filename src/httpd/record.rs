//! What the module keeps with a request. Of what lives as long as the request, it keeps handles for which it must show the
//! request to have them back.

use crate::ffi;
use crate::httpd::configuration::Module;
use crate::httpd::dir_config::DirConfigId;
use crate::httpd::input::{Chosen, Method, RequestInput};
use crate::httpd::module_record;
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::mem::transmute_copy;
use std::sync::atomic::{AtomicU64, Ordering};

/// What httpd has in the module's slot of a request.
#[repr(C)]
struct Holder<T> {
    /// No other request of this process has had it.
    number: u64,
    record: T,
}

/// A request with its record, to keep something there. Whatever has this `'r` lives as long as the request, and nothing
/// else can have it.
#[derive(Clone, Copy)]
pub struct Own<'r> {
    request: Request<'r>,
    number: u64,
    /// No other lifetime will do.
    exact: PhantomData<fn(&'r ()) -> &'r ()>,
}

impl<'r> Own<'r> {
    /// The request.
    pub fn request(self) -> Request<'r> {
        self.request
    }
}

impl<'r> Request<'r> {
    fn holder(self) -> *mut c_void {
        // SAFETY: the request is live and this thread's, and has slots for all modules.
        unsafe { ffi::ap_get_module_config((*self.as_ptr()).request_config, module_record::record()) }
    }

    /// The request's number, if it has a record.
    fn number(self) -> Option<u64> {
        // SAFETY: null, or a `Holder`, which begins with the number.
        unsafe { self.holder().cast::<u64>().as_ref() }.copied()
    }

    /// What is kept with the request; `None` where nothing is yet.
    pub fn record<M: Module>(self) -> Option<&'r M::Request> {
        // SAFETY: null, or what `own` has put there: of this type, since there is one module (`Module`).
        unsafe { self.holder().cast::<Holder<M::Request>>().as_ref() }.map(|holder| &holder.record)
    }

    /// Keeps something with the request, whose record is made if it has none.
    pub fn own<M: Module, T>(self, body: impl for<'p> FnOnce(Own<'p>, &'p M::Request) -> T) -> T
    where
        M::Request: Default,
    {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let record = self.record::<M>().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let holder = self.pool().keep(Holder { number, record: M::Request::default() });
            // SAFETY: the slot is this module's own; the pool is the request's.
            unsafe {
                let value = std::ptr::from_ref(holder).cast_mut().cast::<c_void>();
                ffi::ap_set_module_config((*self.as_ptr()).request_config, module_record::record(), value);
            }
            &holder.record
        });
        let number = self.number().expect("a record is there");
        body(Own { request: self, number, exact: PhantomData }, record)
    }
}

/// What lives as long as a request, with `'static` in place of that time.
///
/// # Safety
///
/// `As<'p>` is this type but for its lifetime, and what is good for long is good for short. It is a handle of what httpd keeps
/// with requests, and has nothing in it that is a thread's own.
pub unsafe trait Pooled: Copy + 'static {
    /// For as long as that.
    type As<'p>: Copy;
}

/// A place in a request's record for what lives as long as the request.
pub struct Kept<T: Pooled>(Cell<Option<(u64, T)>>);

// SAFETY: what is in it is to be had only by who has the request, and has nothing of a thread's own. It has no destructor.
unsafe impl<T: Pooled> Send for Kept<T> {}

impl<T: Pooled> Default for Kept<T> {
    fn default() -> Self {
        Kept(Cell::new(None))
    }
}

impl<T: Pooled> Kept<T> {
    /// Keeps it.
    pub fn set<'r>(&self, own: Own<'r>, value: T::As<'r>) {
        // SAFETY: the same type, but for the lifetime (`Pooled`). It is given back to who shows the request alone.
        let value = unsafe { transmute_copy::<T::As<'r>, T>(&value) };
        self.0.set(Some((own.number, value)));
    }

    /// What is kept; `None` where nothing is, or it was kept with another request.
    pub fn get<'r>(&self, request: Request<'r>) -> Option<T::As<'r>> {
        let (number, value) = self.0.get()?;
        // SAFETY: the same type, but for the lifetime (`Pooled`). It lives as long as the request of this number, which is there.
        (request.number() == Some(number)).then(|| unsafe { transmute_copy::<T, T::As<'r>>(&value) })
    }
}

/// Implements `Pooled` for handles of httpd's memory.
macro_rules! pooled {
    ($($handle:ident)*) => {
        // SAFETY: a pointer, or several, to what a request's pool has; the compiler checks that long is good for short.
        $(unsafe impl Pooled for $handle<'static> {
            type As<'p> = $handle<'p>;
        }
        const _: fn($handle<'static>) -> $handle<'_> = |handle| handle;)*
    };
}
pooled!(Chosen Method DirConfigId RequestInput Table);

// SAFETY: a text in a request's pool.
unsafe impl Pooled for &'static CStr {
    type As<'p> = &'p CStr;
}

// SAFETY: as good as what is in it.
unsafe impl<T: Pooled> Pooled for Option<T> {
    type As<'p> = Option<T::As<'p>>;
}

/// Implements `Pooled` for several at once.
macro_rules! all_pooled {
    ($($part:ident)*) => {
        // SAFETY: as good as its parts.
        unsafe impl<$($part: Pooled),*> Pooled for ($($part,)*) {
            type As<'p> = ($($part::As<'p>,)*);
        }
    };
}
all_pooled!(A B);
all_pooled!(A B C D);
all_pooled!(A B C D E);
