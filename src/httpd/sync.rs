//! The locks of the hand-over between threads.

pub use boundary::sync::{Condvar, Mutex, MutexGuard};
