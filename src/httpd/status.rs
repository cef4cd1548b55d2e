//! What hooks and handlers answer.

use crate::ffi;
use std::ffi::c_int;

/// A hook's or a handler's answer: `OK`, `DECLINED`, `DONE`, `SUSPENDED`, or an HTTP status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(pub c_int);

impl Status {
    /// The work is done; for a handler, the response is on its way.
    pub const OK: Status = Status(ffi::OK);
    /// Not for this module.
    pub const DECLINED: Status = Status(ffi::DECLINED);
    /// The response is complete: httpd has nothing to add.
    pub const DONE: Status = Status(ffi::DONE);
    /// The handler will go on later, on whichever thread comes by.
    pub const SUSPENDED: Status = Status(ffi::SUSPENDED);
    /// 403.
    pub const FORBIDDEN: Status = Status(ffi::HTTP_FORBIDDEN);
    /// 500, which for a start-up hook means that the server does not start.
    pub const INTERNAL_SERVER_ERROR: Status = Status(ffi::HTTP_INTERNAL_SERVER_ERROR);
    /// 503.
    pub const SERVICE_UNAVAILABLE: Status = Status(ffi::HTTP_SERVICE_UNAVAILABLE);

    /// Whether a handler that answers this has broken off, without a status to tell the client (`AP_FILTER_ERROR`).
    pub fn breaks_off(self) -> bool {
        ![Status::OK, Status::DECLINED, Status::DONE, Status::SUSPENDED].contains(&self)
            && !(100..600).contains(&self.0)
    }
}
