//! The way of a request: who asks, which rules apply, what is decided, and what each hook does about it.

mod app;
pub mod audit_tag;
pub mod child;
pub mod decide;
mod environment;
mod explain;
pub mod handlers;
pub mod hooks;
pub mod htaccess;
pub mod identity;
mod inherited;
pub mod nested;
pub mod private_tmp;
pub mod privileged;
pub mod record;
mod rules;
