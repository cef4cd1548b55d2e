//! APR's tables: names, whatever their case, and values. Wraps `apr_tables.h`.

use crate::ffi;
use crate::httpd::pool::Pool;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

/// A table whose names and values live for `'p`.
///
/// # Invariants
///
/// The pointer is a live table for `'p`, and this thread is the one that has its pool.
#[derive(Clone, Copy)]
pub struct Table<'p> {
    table: NonNull<ffi::apr_table_t>,
    lifetime: PhantomData<&'p ()>,
}

impl<'p> Table<'p> {
    /// # Safety
    ///
    /// `table` is a live table for `'p`, as are its names and values, and this thread has its pool.
    pub unsafe fn from_ptr(table: *mut ffi::apr_table_t) -> Self {
        Table { table: NonNull::new(table).expect("httpd passes a table"), lifetime: PhantomData }
    }

    /// An empty one.
    pub fn new(pool: Pool<'p>) -> Self {
        // SAFETY: the pool is live and this thread's, and so is what APR makes in it.
        unsafe { Table::from_ptr(ffi::apr_table_make(pool.as_ptr(), 8)) }
    }

    /// The table, for a call into httpd.
    pub fn as_ptr(self) -> *mut ffi::apr_table_t {
        self.table.as_ptr()
    }

    /// The first value of this name.
    pub fn get(self, name: &CStr) -> Option<&'p CStr> {
        // SAFETY: the invariant; APR gives null or a value of the table.
        unsafe {
            let value = ffi::apr_table_get(self.as_ptr(), name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    /// The first value of a name that is no C string. Allocates nothing.
    pub fn get_str(self, name: &str) -> Option<&'p CStr> {
        // SAFETY: nothing changes the table meanwhile.
        let mut entries = unsafe { self.iter() };
        entries.find(|(key, _)| key.to_bytes().eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// All names with their values, as they are now.
    pub fn entries(self) -> Vec<(&'p CStr, &'p CStr)> {
        // SAFETY: as above.
        unsafe { self.iter() }.collect()
    }

    /// # Safety
    ///
    /// The table stays as it is while the iterator lives.
    unsafe fn iter(self) -> impl Iterator<Item = (&'p CStr, &'p CStr)> {
        // SAFETY: the invariant; APR gives the table's own array, whose elements have this type.
        let entries = unsafe {
            let array = &*ffi::apr_table_elts(self.as_ptr());
            let first = NonNull::new(array.elts.cast::<ffi::apr_table_entry_t>());
            slice::from_raw_parts(first.unwrap_or(NonNull::dangling()).as_ptr(), array.nelts as usize)
        };
        // An entry without a name is one that was taken out.
        let named = entries.iter().filter(|entry| !entry.key.is_null() && !entry.val.is_null());
        // SAFETY: the invariant.
        named.map(|entry| unsafe { (CStr::from_ptr(entry.key), CStr::from_ptr(entry.val)) })
    }

    /// A table of its own in `pool`, with the same names and values.
    pub fn copy<'c>(self, pool: Pool<'c>) -> Table<'c>
    where
        'p: 'c,
    {
        // SAFETY: both are live; the copy shares names and values, which live as long as this table.
        unsafe { Table::from_ptr(ffi::apr_table_copy(pool.as_ptr(), self.as_ptr())) }
    }

    /// Gives a name this one value.
    pub fn set(self, name: &'p CStr, value: &'p CStr) {
        // SAFETY: the invariant; both live as long as the table.
        unsafe { ffi::apr_table_setn(self.as_ptr(), name.as_ptr(), value.as_ptr()) }
    }

    /// Gives a name one value more.
    pub fn add(self, name: &'p CStr, value: &'p CStr) {
        // SAFETY: the invariant; both live as long as the table.
        unsafe { ffi::apr_table_addn(self.as_ptr(), name.as_ptr(), value.as_ptr()) }
    }

    /// Takes a name out.
    pub fn unset(self, name: &CStr) {
        // SAFETY: the invariant.
        unsafe { ffi::apr_table_unset(self.as_ptr(), name.as_ptr()) }
    }
}
