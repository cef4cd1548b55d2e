//! The thread that a connection says it runs on (`c->current_thread`), by which mod_lua and its like keep what is a thread's.

use crate::ffi;
use crate::httpd::php;
use crate::httpd::pool::Pool;
use std::cell::Cell;
use std::ptr::null_mut;

thread_local! {
    /// This thread as APR knows it, while it has lent a request, or has one that is lent to it; `None`: as the connection says.
    static THIS: Cell<Option<*mut ffi::apr_thread_t>> = const { Cell::new(None) };
    /// Whether this is a worker that has a request.
    static IS_GUEST: Cell<bool> = const { Cell::new(false) };
}

/// When a worker goes on with what it has lent, or with what it is lent: another may have run PHP since.
///
/// # Safety
///
/// This thread has the request.
pub(super) unsafe fn go_on() {
    if IS_GUEST.get() {
        // SAFETY: the caller's word.
        unsafe { php::measure_worker() };
    }
}

/// What a connection says is put back when this is dropped.
struct Before {
    connection: *mut ffi::conn_rec,
    thread: *mut ffi::apr_thread_t,
}

impl Before {
    /// # Safety
    ///
    /// The connection is live as long as this value, and this thread's.
    unsafe fn new(connection: *mut ffi::conn_rec) -> Before {
        // SAFETY: the caller's word.
        Before { connection, thread: unsafe { (*connection).current_thread } }
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        // SAFETY: the connection is there (`new`).
        unsafe { (*self.connection).current_thread = self.thread };
    }
}

/// As long as this is there, a connection says that it runs on this thread.
pub(super) struct Here(#[expect(dead_code, reason = "its drop is what it does")] Before);

impl Here {
    /// # Safety
    ///
    /// The connection is live as long as this value, and this thread's.
    pub(super) unsafe fn new(connection: *mut ffi::conn_rec) -> Here {
        // SAFETY: the caller's word; the thread is there as long as it is noted.
        unsafe {
            let before = Before::new(connection);
            if let Some(this) = THIS.get() {
                (*connection).current_thread = this;
            }
            Here(before)
        }
    }
}

/// A connection's thread that lends a request: what the connection says of it is noted meanwhile, and put back at the end.
pub(super) struct Home {
    #[expect(dead_code, reason = "its drop is what it does")]
    before: Before,
    is_first: bool,
}

impl Home {
    /// When a request leaves this thread, whose connection this is.
    ///
    /// # Safety
    ///
    /// The connection is live as long as this value, and this thread's before and when it is dropped.
    pub(super) unsafe fn leave(connection: *mut ffi::conn_rec) -> Home {
        // SAFETY: the caller's word.
        let before = unsafe { Before::new(connection) };
        // Of those that a thread lends one within the other, the first comes from its connection.
        let is_first = THIS.get().is_none();
        if is_first {
            THIS.set(Some(before.thread));
        }
        Home { before, is_first }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.is_first {
            THIS.set(None);
        }
    }
}

/// This thread as APR knows threads, for a request that is lent to it. What handlers keep with it (`LuaScope thread`) goes with
/// this value, in place.
///
/// # Invariants
///
/// The pool is a request's own, which is live until this is dropped. Only the thread that made it has it.
pub(super) struct Guest(*mut ffi::apr_pool_t);

// SAFETY: a value that keeps it may be given to others: the invariant.
unsafe impl Send for Guest {}

impl Guest {
    /// Has a request's connection say that it runs on this thread, until the thread that has lent the request puts that back.
    ///
    /// # Safety
    ///
    /// The connection and the pool are those of a request that is lent to this thread. The value is dropped, on this thread,
    /// before it is back.
    pub(super) unsafe fn new(connection: *mut ffi::conn_rec, request: Pool<'_>) -> Guest {
        let mut thread = null_mut();
        let pool = request.child();
        // SAFETY: has no preconditions.
        let id = pool.put::<ffi::apr_os_thread_t>(unsafe { libc::pthread_self() } as _);
        // SAFETY: the pool is this request's own; the id, which APR keeps the address of and only reads, is in it. The connection
        // belongs to the thread that has its request.
        unsafe {
            ffi::apr_os_thread_put(&mut thread, std::ptr::from_ref(id).cast_mut(), pool.as_ptr());
            (*connection).current_thread = thread;
        }
        THIS.set(Some(thread));
        IS_GUEST.set(true);
        // SAFETY: the request is this thread's.
        unsafe { go_on() };
        Guest(pool.as_ptr())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // SAFETY: the invariant. What is closed with it may lend requests: the thread is noted until then.
        unsafe { ffi::apr_pool_destroy(self.0) };
        THIS.set(None);
        IS_GUEST.set(false);
    }
}
