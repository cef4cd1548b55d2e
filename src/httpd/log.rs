//! The error log. Texts are data: they are handed to httpd under `"%s"`, never as a format.

use crate::ffi;
use crate::httpd::module_record;
use crate::httpd::request::Request;
pub use crate::httpd::server_log::server;
use crate::httpd::server_log::{SOURCE, c_text, number};
use messages::Message;

/// Whether debug messages of this module are written for this request.
pub fn wants_debug(request: Request<'_>) -> bool {
    request.log_level() >= ffi::APLOG_DEBUG
}

/// Writes one message about a request, whose client and id httpd adds.
pub fn request(request: Request<'_>, message: &Message) {
    let text = c_text(message);
    // SAFETY: format and argument agree; `request` is live.
    unsafe {
        ffi::ap_log_rerror_(
            SOURCE,
            0,
            module_record::index(),
            number(message.level()),
            0,
            request.as_ptr(),
            c"%s".as_ptr(),
            text.as_ptr(),
        );
    }
}
