//! What a thread lends to others: it goes on when nobody has it any more.

use std::io::{self, Write as _};
use std::sync::Arc;

/// Goes with what is lent, and is dropped with it.
pub(super) struct Lent(#[expect(dead_code, reason = "that it is there says all")] Arc<()>);

/// Lends something while `body` runs, which sees to it that it is dropped, on whichever thread. Where it is not, the process
/// ends: others might use it when it is gone.
///
/// `body` is `Send` where what is lent goes with handles that are not (`Request`): so it has none of them, and this thread
/// does not touch meanwhile what it has lent.
pub(super) fn lend<T>(body: impl FnOnce(Lent) -> T) -> T {
    let loan = Loan(Arc::new(()));
    body(Lent(Arc::clone(&loan.0)))
}

struct Loan(Arc<()>);

impl Drop for Loan {
    /// When `body` has come to its end, or has panicked.
    fn drop(&mut self) {
        if Arc::get_mut(&mut self.0).is_none() {
            // Whether anybody reads it or not.
            let _ = writeln!(io::stderr(), "mod_selinux: what was lent to another thread has not come back");
            std::process::abort();
        }
    }
}
