//! `selinux-broker`, but its command line: so that tests can have it in parts.

#![deny(unsafe_code)]

pub mod daemon;
pub mod place;
pub mod pools;
mod program;
pub mod supervisor;
mod sys;
pub mod usage;
