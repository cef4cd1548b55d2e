//! What `selinux-broker` and those that talk to it have in common: the files of applications, and the line that asks for one.

#![deny(unsafe_code)]

pub mod app;
pub mod apps;
pub mod daemon;
pub mod message;
pub mod place;
pub mod pools;
mod program;
mod sys;
