//! The server's own error log, which needs no request.

use crate::ffi;
use crate::httpd::module_record;
use std::ffi::{CString, c_char, c_int};

/// How grave a message is (`LogLevel`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The server cannot start.
    Emergency,
    /// A request was refused, or something does not work.
    Error,
    /// Something to look into.
    Warning,
    /// Worth a line at every start.
    Notice,
    /// For those who look for a cause.
    Debug,
}

impl Level {
    pub(super) fn number(self) -> c_int {
        // Without errno: a text that needs the system's reason carries it.
        ffi::APLOG_NOERRNO
            | match self {
                // `APLOG_STARTUP` lets it reach the terminal, without time and process.
                Level::Emergency => ffi::APLOG_EMERG | ffi::APLOG_STARTUP,
                Level::Error => ffi::APLOG_ERR,
                Level::Warning => ffi::APLOG_WARNING,
                Level::Notice => ffi::APLOG_NOTICE,
                Level::Debug => ffi::APLOG_DEBUG,
            }
    }
}

/// What a message is said to come from.
pub(super) const SOURCE: *const c_char = c"mod_selinux".as_ptr();

/// Writes one message about the server.
pub fn server(level: Level, text: &str) {
    let text = c_text(text);
    // SAFETY: format and argument agree; where no server is given, httpd logs to the process's error stream, which is
    // the main server's log once that is open (`log_error_core`).
    unsafe {
        ffi::ap_log_error_(
            SOURCE,
            0,
            module_record::index(),
            level.number(),
            0,
            std::ptr::null(),
            c"%s".as_ptr(),
            text.as_ptr(),
        );
    }
}

/// A C string of any text: what cannot be in one (NUL) is shown in its place.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::new(text.replace('\0', "\\0")).unwrap_or_default())
}
