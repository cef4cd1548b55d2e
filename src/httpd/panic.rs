//! The boundary between C and Rust: a panic never crosses it.

use crate::httpd::server_log;
use messages::Code;

/// Runs the body of a function that C calls. A panic in it is logged, and `refusal` is the answer.
///
/// Every `extern "C"` function of the module is one call of this.
pub fn catch_panic<T, F: FnOnce() -> T>(refusal: T, body: F) -> T {
    boundary::enter(body).unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no reason given".to_owned());
        server_log::server(&Code::Internal.message(format!("a fault in mod_selinux itself: {reason}")));
        refusal
    })
}
