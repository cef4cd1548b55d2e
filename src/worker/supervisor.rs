//! What a worker has done for it: by the thread that waits for it, with the server's privileges.

use crate::httpd::phase::PhaseCall;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::selinux::SharedContext;
use std::ffi::CStr;

/// All that is done for workers, called on threads that are none. Beside that, a supervisor only makes filters' calls that
/// a worker hands on.
pub trait Supervisor: Sync {
    /// What the thread that serves a request is called.
    fn thread_name<'r>(&self, request: Request<'r>) -> &'r CStr;

    /// Serves a request by its own decision: by `enter` on a worker in a context, by `keep` on this thread, or not at all.
    /// At most one of the two is called, once.
    fn serve(
        &self,
        request: Request<'_>,
        enter: &mut dyn FnMut(&SharedContext) -> Status,
        keep: &mut dyn FnMut() -> Status,
    ) -> Status;

    /// Runs a phase of a request that a worker's handler has started, or that it serves.
    fn run_phase(&self, call: PhaseCall<'_>) -> Status;
}
