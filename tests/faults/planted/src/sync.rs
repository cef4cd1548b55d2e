//! The part of `std::sync` that a worker's hand-over takes (`worker::handoff`), over libc's locks: helgrind knows those, and
//! sees with them what is ordered before what. It does not see it in std's own, which are futexes.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::LockResult;
use std::time::{Duration, SystemTime};

/// A lock around a value.
pub struct Mutex<T> {
    /// In a place of its own: it must not move once it has been locked.
    lock: Box<UnsafeCell<libc::pthread_mutex_t>>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached under the lock alone.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: who has a reference to the lock reaches the value under it alone.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The right to the value.
///
/// # Invariants
///
/// This thread has the lock.
pub struct MutexGuard<'m, T>(&'m Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex {
            lock: Box::new(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER)),
            value: UnsafeCell::new(value),
        }
    }

    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        // SAFETY: made by its initializer; no thread locks it twice.
        let result = unsafe { libc::pthread_mutex_lock(self.lock.get()) };
        assert_eq!(result, 0, "a lock that cannot be locked");
        Ok(MutexGuard(self))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the invariant.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the invariant.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the invariant.
        unsafe { libc::pthread_mutex_unlock(self.0.lock.get()) };
    }
}

/// What threads with the lock wait at.
pub struct Condvar(Box<UnsafeCell<libc::pthread_cond_t>>);

// SAFETY: libc's calls on it may come from any thread.
unsafe impl Send for Condvar {}
// SAFETY: libc's calls on it may come from several threads at once.
unsafe impl Sync for Condvar {}

/// Whether a wait ended by its limit.
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub fn new() -> Condvar {
        Condvar(Box::new(UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER)))
    }

    pub fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> LockResult<MutexGuard<'m, T>> {
        // SAFETY: this thread has the lock, and has it again afterwards.
        unsafe { libc::pthread_cond_wait(self.0.get(), guard.0.lock.get()) };
        Ok(guard)
    }

    pub fn wait_timeout<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'m, T>, WaitTimeoutResult)> {
        let end = (SystemTime::now() + limit).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let end = libc::timespec { tv_sec: end.as_secs() as _, tv_nsec: end.subsec_nanos().into() };
        // SAFETY: this thread has the lock, and has it again afterwards; the end is only read.
        let result = unsafe { libc::pthread_cond_timedwait(self.0.get(), guard.0.lock.get(), &end) };
        Ok((guard, WaitTimeoutResult(result == libc::ETIMEDOUT)))
    }

    pub fn notify_one(&self) {
        // SAFETY: made by its initializer.
        unsafe { libc::pthread_cond_signal(self.0.get()) };
    }
}
