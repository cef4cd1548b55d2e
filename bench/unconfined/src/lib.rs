//! Stands in for `crates/confinement` in the module that `make bench` measures on machines without SELinux (the package
//! `mod_selinux_unconfined`): the threads are made and handed requests as ever, and *nothing is confined*. Every start says so.
#![allow(missing_docs, reason = "it has the names of crates/confinement, which says what they are")]

use mapping::Context;
use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use thiserror::Error;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Enforcing,
    Permissive,
    Off,
}

#[derive(Debug, Error)]
#[error("unconfined")]
pub struct Never;
pub type StateError = Never;

#[derive(Debug, Error)]
pub enum EnterError {
    #[error("elsewhere: {0}")]
    Elsewhere(String),
}

/// A context's text.
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct EncodedContext(CString);
pub type SharedContext = Arc<EncodedContext>;

impl EncodedContext {
    pub fn new(context: String) -> EncodedContext {
        EncodedContext(CString::new(context).unwrap_or_default())
    }

    pub fn text(&self) -> &CStr {
        &self.0
    }

    pub fn context(&self) -> Option<Context> {
        Context::parse(self.0.to_str().ok()?).ok()
    }
}

impl fmt::Display for EncodedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string_lossy())
    }
}

pub fn mode() -> Result<Mode, StateError> {
    eprintln!("mod_selinux: this build, for benchmarks, CONFINES NOTHING");
    Ok(Mode::Enforcing)
}

pub fn current() -> Result<Context, StateError> {
    Context::parse("system_u:system_r:httpd_t:s0").map_err(|_| Never)
}

pub fn enter(_: &EncodedContext) -> Result<(), EnterError> {
    Ok(())
}

pub fn probe(target: &EncodedContext) -> Result<(), EnterError> {
    enter(target)
}

pub fn labelled(_: &Context, make: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    make()
}

pub fn peer(_: BorrowedFd<'_>) -> io::Result<Context> {
    Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT))
}

pub fn label_sockets(_: Option<&Context>) -> Result<(), Never> {
    Ok(())
}

pub mod state {
    use super::Mode;
    use std::io;

    /// Nothing changes.
    #[derive(Debug)]
    pub struct LiveState;

    impl LiveState {
        pub fn open() -> io::Result<LiveState> {
            Ok(LiveState)
        }

        pub fn mode(&self) -> Mode {
            Mode::Enforcing
        }

        pub fn policy_loads(&self) -> u32 {
            0
        }
    }
}

pub mod query {
    use super::{EncodedContext, EnterError, current};
    use mapping::{Context, Range};
    use std::os::fd::BorrowedFd;
    use std::path::Path;

    pub const UNKNOWN: &str = "";

    pub fn httpd_context() -> Option<Context> {
        current().ok()
    }

    pub fn may_leave(_: &EncodedContext) -> bool {
        false
    }

    pub fn may_change<'s>(_: impl Iterator<Item = &'s str>, _: BorrowedFd<'_>) -> Option<bool> {
        Some(true)
    }

    pub fn is_known(_: &Context) -> bool {
        true
    }

    pub fn missing_rule(_: &Context, _: &Context, _: &EnterError) -> String {
        String::new()
    }

    pub fn objection(_: &Context, _: &Context) -> Option<String> {
        None
    }

    pub fn range_of_new(_: &Context, _: &str, _: &Range, _: &str) -> Option<Range> {
        None
    }

    pub fn translate_range(_: &Context, _: &str) -> Option<Range> {
        None
    }

    /// That of the folder where maps are published.
    pub fn label_of(_: &Path) -> Option<Context> {
        None
    }

    pub fn type_of(_: &Path) -> Option<String> {
        Some("mod_selinux_run_t".to_owned())
    }
}
