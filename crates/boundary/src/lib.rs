//! Where C calls the module, and where its threads wait for each other: what a build that has faults to plant, or that memory
//! checkers watch, does by a crate of its own (`tests/faults/planted`).

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Runs the body of a function that C calls.
///
/// # Errors
/// What it panicked with.
pub fn enter<T, F: FnOnce() -> T>(body: F) -> thread::Result<T> {
    // Unwind safe: what the body shares with others is pool memory that is written once, or locked.
    catch_unwind(AssertUnwindSafe(body))
}

/// The locks of the hand-over between threads.
pub mod sync {
    pub use std::sync::{Condvar, Mutex, MutexGuard};
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(super::enter(|| 1).ok(), Some(1));
        let panicked = super::enter(|| -> u8 { std::panic::resume_unwind(Box::new("why")) });
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"why"));
    }
}
