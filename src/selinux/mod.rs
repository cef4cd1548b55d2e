//! SELinux: the contexts that rules lead to; and from a crate of its own, all that is asked of the kernel.

pub mod contexts;

pub use confinement::*;
