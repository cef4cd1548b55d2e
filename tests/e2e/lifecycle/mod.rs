//! A server that starts, works under load, changes under way, and fails.

mod error_logs;
mod kills;
mod load;
mod memory;
mod panics;
pub mod policies;
mod resident;
pub mod runtime_changes;
mod scale;
mod soak;
mod startup_errors;
mod status_page;
