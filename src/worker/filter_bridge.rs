//! Where a nested request's filters end and its parent's begin: what passes there is called on the parent's own thread.

use super::handoff::{Reply, SupervisorRequest};
use super::{Job, current, wrong_thread};
use crate::httpd::filter::{self, Call, FilterTransport};
use std::sync::Arc;

/// Where a subrequest's filters end, and its parent's begin.
pub struct FilterBridge {
    /// The job of the parent's worker; `None`: the parent is served by the connection's thread.
    pub origin: Option<Arc<Job>>,
}

impl FilterTransport for FilterBridge {
    fn carry(&self, call: Call) -> i32 {
        let here = current();
        match (&here, &self.origin) {
            // The subrequest's own worker: its supervisor takes the call on.
            (Some(job), origin) if same(job.origin.as_ref(), origin.as_ref()) => {
                match job.ask(SupervisorRequest::Call(call)) {
                    Reply::Returned(result) => result,
                    Reply::Served(_) => filter::FAILED,
                }
            }
            // Back on the parent's own thread: the subrequest is over, and ends its stream.
            (Some(job), Some(origin)) if Arc::ptr_eq(job, origin) => call.run(),
            (None, None) => call.run(),
            // The supervisor, which serves the subrequest itself.
            (None, Some(origin)) => origin.call(call),
            (Some(_), _) => wrong_thread(),
        }
    }
}

fn same(one: Option<&Arc<Job>>, other: Option<&Arc<Job>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
