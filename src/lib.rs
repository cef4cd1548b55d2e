//! mod_selinux: serves each request of Apache httpd on a thread of its own that the kernel has confined,
//! for good, to the SELinux context mapped from who is asking.
//!
//! This file is the module record and the list of hooks. What happens in a hook is in `hooks`, what a
//! directive does in `directives`; `worker` is the thread, `lsm` the kernel, `policy` the mapping.
#![deny(unsafe_code)]

pub mod policy;

// Unit tests cover `policy`, which needs no httpd. What is below calls functions that only httpd's own
// program has, and is tested inside it (`tests/e2e`).
#[cfg(not(test))]
mod config;
#[cfg(not(test))]
mod directives;
#[cfg(not(test))]
mod ffi;
#[cfg(not(test))]
mod hooks;
#[cfg(not(test))]
mod httpd;
#[cfg(not(test))]
mod lsm;
#[cfg(not(test))]
mod module;
#[cfg(not(test))]
mod start;
#[cfg(not(test))]
mod worker;
