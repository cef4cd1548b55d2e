//! The server's own error log, which needs no request.

use crate::ffi;
use crate::httpd::module_record;
use messages::{Level, Message};
use std::ffi::{CString, c_char, c_int};

/// A message's level as httpd has it.
pub(super) fn number(level: Level) -> c_int {
    // Without errno: a text that needs the system's reason carries it.
    ffi::APLOG_NOERRNO
        | match level {
            // `APLOG_STARTUP` lets it reach the terminal, without time and process.
            Level::Emergency => ffi::APLOG_EMERG | ffi::APLOG_STARTUP,
            Level::Error => ffi::APLOG_ERR,
            Level::Warning => ffi::APLOG_WARNING,
            Level::Notice => ffi::APLOG_NOTICE,
            Level::Debug => ffi::APLOG_DEBUG,
        }
}

/// What a message is said to come from.
pub(super) const SOURCE: *const c_char = c"mod_selinux".as_ptr();

/// Writes one message about the server.
pub fn server(message: &Message) {
    let text = c_text(message);
    // SAFETY: format and argument agree; where no server is given, httpd logs to the process's error stream, which is
    // the main server's log once that is open (`log_error_core`).
    unsafe {
        ffi::ap_log_error_(
            SOURCE,
            0,
            module_record::index(),
            number(message.level()),
            0,
            std::ptr::null(),
            c"%s".as_ptr(),
            text.as_ptr(),
        );
    }
}

/// A message as a C string: what cannot be in one (NUL) is shown in its place.
pub(super) fn c_text(message: &Message) -> CString {
    let text = message.to_string().replace('\0', "\\0");
    CString::new(text).unwrap_or_default()
}
