//! The locks of the hand-over between threads: those of `std`, or, where memory checkers look on, of libc.

#[cfg(feature = "faults")]
pub use crate::httpd::faults::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(feature = "faults"))]
pub use std::sync::{Condvar, Mutex, MutexGuard};
