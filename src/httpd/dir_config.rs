//! The merged configuration of a request's place, and how httpd finds it.

use crate::ffi;
use crate::httpd::configuration::Configuration;
use crate::httpd::module_record;
use crate::httpd::request::Request;
use crate::httpd::status::Status;

/// The merged configuration of a request's place. httpd takes two requests with the same one to need no second
/// authorization (`ap_process_request_internal`), and so does the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirConfigId(*mut ffi::ap_conf_vector_t);

impl DirConfigId {
    /// The module's configuration there; `request` has or has had the place.
    pub fn configuration<'r, T: Configuration>(self, request: Request<'r>) -> &'r T {
        let _ = request;
        // SAFETY: the slot holds what `create_dir_config` or `merge_dir_config` made: a `T` in a pool that outlives the request,
        // and that nobody writes to once requests are served.
        unsafe { &*ffi::ap_get_module_config(self.0, module_record::record()).cast::<T>() }
    }
}

impl<'r> Request<'r> {
    /// The module's configuration for the request's place.
    ///
    /// `T` is what `Configuration` makes.
    pub fn configuration<T: Configuration>(self) -> &'r T {
        self.dir_config_id().configuration(self)
    }

    /// Where the request is.
    pub fn dir_config_id(self) -> DirConfigId {
        // SAFETY: the request is live and this thread's.
        DirConfigId(unsafe { (*self.as_ptr()).per_dir_config })
    }

    /// Where each request to its server begins.
    pub fn server_dir_config_id(self) -> DirConfigId {
        // SAFETY: as above; a request has a server, which lives as long as the configuration.
        DirConfigId(unsafe { (*(*self.as_ptr()).server).lookup_defaults })
    }

    /// Has the request's `<Location>` and `<If>` sections merged over `before`, as `walk_location_and_if` does
    /// (`server/request.c`).
    pub fn walk_sections(self, before: DirConfigId) -> Status {
        let r = self.as_ptr();
        // SAFETY: as above; `before` is a place that this request has had.
        unsafe {
            (*r).per_dir_config = before.0;
            for walk in [ffi::ap_location_walk, ffi::ap_if_walk] {
                let status = Status(walk(r));
                if status != Status::OK {
                    return status;
                }
            }
            let core = ffi::ap_get_core_module_config((*r).per_dir_config).cast::<ffi::core_dir_config>();
            if !(*core).log.is_null() {
                (*r).log = (*core).log;
            }
        }
        Status::OK
    }
}
