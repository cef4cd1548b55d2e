//! The merged configuration of a request's place, and how httpd finds it.

use crate::ffi;
use crate::httpd::configuration::{Configuration as _, Module, section_in};
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::status::Status;

/// The merged configuration of a request's place. httpd takes two requests with the same one to need no second
/// authorization (`ap_process_request_internal`), and so does the module.
///
/// # Invariants
///
/// The vector lives as long as the pool, which is live for `'r`; or, where there is none, as long as the configuration.
#[derive(Clone, Copy)]
pub struct DirConfigId<'r> {
    vector: *mut ffi::ap_conf_vector_t,
    pool: Option<Pool<'r>>,
}

impl PartialEq for DirConfigId<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.vector == other.vector
    }
}

impl<'r> DirConfigId<'r> {
    /// The module's configuration there.
    pub fn section<M: Module>(self) -> &'r M::Section<'r> {
        // SAFETY: the invariant; nobody writes to what `create_dir_config` or `merge_dir_config` made once it is a place's.
        unsafe { section_in::<M>(self.vector) }.unwrap_or_else(M::Section::broken)
    }
}

impl<'r> Request<'r> {
    /// Where the request is.
    pub fn dir_config_id(self) -> DirConfigId<'r> {
        // SAFETY: the request is live and this thread's; where it is, httpd has merged in its pool or one that lives longer.
        DirConfigId { vector: unsafe { (*self.as_ptr()).per_dir_config }, pool: Some(self.pool()) }
    }

    /// The module's configuration for the request's place.
    pub fn section<M: Module>(self) -> &'r M::Section<'r> {
        self.dir_config_id().section::<M>()
    }

    /// Where each request to its server begins.
    pub fn server_dir_config_id(self) -> DirConfigId<'r> {
        // SAFETY: the request is live and this thread's; it has a server, which lives as long as the configuration.
        DirConfigId { vector: unsafe { (*(*self.as_ptr()).server).lookup_defaults }, pool: None }
    }

    /// Has the request's `<Location>` and `<If>` sections merged over `before`, as `walk_location_and_if` does
    /// (`server/request.c`).
    ///
    /// # Panics
    /// The place may be gone before the request is.
    pub fn walk_sections(self, before: DirConfigId<'_>) -> Status {
        assert!(before.pool.is_none_or(|pool| pool.outlives(self.pool())), "the place is another request's");
        let r = self.as_ptr();
        // SAFETY: the request is live and this thread's; `before` lives as long as it.
        unsafe {
            (*r).per_dir_config = before.vector;
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
