//! What the server says of itself: counters of all its processes, and the module's part of the status page.

mod board;
pub mod counters;
mod latency;
pub mod page;
