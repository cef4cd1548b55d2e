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
/// The pointer is a live table for `'p`, whose names and values live as long as its own pool; this thread is the one that
/// has that.
#[derive(Clone, Copy)]
pub struct Table<'p> {
    table: NonNull<ffi::apr_table_t>,
    lifetime: PhantomData<&'p ()>,
}

impl<'p> Table<'p> {
    /// # Safety
    ///
    /// `table` is a live table for `'p`. Its names and values live as long as its pool, which this thread has.
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
        // SAFETY: nothing changes the table meanwhile.
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

    /// A table of its own in `pool`, with the same names and values: the very same, where they live as long.
    pub fn copy<'c>(self, pool: Pool<'c>) -> Table<'c> {
        // SAFETY: both are live. The one copy shares names and values, which live as long as this table's pool, and so as
        // `pool`; the other has copies of them in `pool`.
        unsafe {
            let copy = if self.pool().outlives(pool) { ffi::apr_table_copy } else { ffi::apr_table_clone };
            Table::from_ptr(copy(pool.as_ptr(), self.as_ptr()))
        }
    }

    /// The pool that the table is in.
    pub fn pool(self) -> Pool<'p> {
        // SAFETY: the invariant; a table is an array to begin with, which has its pool.
        unsafe { Pool::from_ptr((*ffi::apr_table_elts(self.as_ptr())).pool) }
    }

    /// Gives a name this one value. The table has copies: this handle may be good for less time than it is.
    pub fn set(self, name: &CStr, value: &CStr) {
        // SAFETY: the invariant; APR copies both into the table's own pool.
        unsafe { ffi::apr_table_set(self.as_ptr(), name.as_ptr(), value.as_ptr()) }
    }

    /// Gives a name one value more, in copies.
    pub fn add(self, name: &CStr, value: &CStr) {
        // SAFETY: the invariant; APR copies both into the table's own pool.
        unsafe { ffi::apr_table_add(self.as_ptr(), name.as_ptr(), value.as_ptr()) }
    }

    /// Takes a name out.
    pub fn unset(self, name: &CStr) {
        // SAFETY: the invariant.
        unsafe { ffi::apr_table_unset(self.as_ptr(), name.as_ptr()) }
    }
}
