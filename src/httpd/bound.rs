//! Configurations of other modules with directives carried out on top, whatever else is configured: for requests that are
//! mapped. Goes by what a module's record has for httpd (`include/http_config.h`): how its configuration is made and merged,
//! and its directives.

use crate::ffi;
use crate::httpd::configuration::{Module as ThisModule, section_in};
use crate::httpd::hook::Server;
use crate::httpd::pool::{Pool, Presence};
use crate::httpd::request::Request;
use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null, null_mut};

type Create = unsafe extern "C" fn(*mut ffi::apr_pool_t, *mut c_char) -> *mut c_void;
type Merge = unsafe extern "C" fn(*mut ffi::apr_pool_t, *mut c_void, *mut c_void) -> *mut c_void;

/// A directive that is carried out on top.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The module, by its source's name (`mod_lua.c`).
    pub module: &'static CStr,
    /// The directive's name.
    pub directive: &'static CStr,
    /// Its first argument.
    pub first: &'static CStr,
    /// Its second argument, if it has one.
    pub second: Option<&'static CStr>,
}

/// A module, as it is loaded.
struct Module {
    module: NonNull<ffi::module>,
    create: Create,
    merge: Merge,
    /// What is carried out.
    wanted: Vec<(ffi::command_rec, &'static Wanted)>,
    /// Each server's own configuration of the module's, and what takes its place where requests are mapped: most requests
    /// have one of these.
    servers: Vec<(*mut c_void, *mut c_void)>,
}

/// What requests are bound by.
#[derive(Default)]
pub struct Binding {
    modules: Vec<Module>,
    /// Of the configuration's pool, which the modules' records and configurations are gone with.
    presence: Option<Presence>,
}

// SAFETY: records of modules, functions and configurations, which are looked at while the server's configuration is there.
unsafe impl Send for Binding {}
// SAFETY: nobody writes to what the pointers are to, once the binding is made.
unsafe impl Sync for Binding {}

impl Binding {
    /// Made when the configuration has been read, in whose pool it is kept. Servers whose own configuration `is_mapped` have it
    /// from the beginning.
    ///
    /// # Errors
    /// The module of this name is another than is known here.
    pub fn new<'s, M: ThisModule>(
        main: &mut Server<'s>,
        configuration: Pool<'s>,
        wanted: &'static [Wanted],
        is_mapped: impl Fn(&M::Section<'_>) -> bool,
    ) -> Result<Binding, &'static CStr> {
        let mut modules: Vec<Module> = Vec::new();
        for wanted in wanted {
            // SAFETY: null, or the record of a loaded module.
            let found = NonNull::new(unsafe { ffi::ap_find_linked_module(wanted.module.as_ptr()) });
            let Some(module) = found else { continue };
            let place = match modules.iter().position(|known| known.module == module) {
                Some(place) => place,
                None => {
                    modules.push(Module::new(module).ok_or(wanted.module)?);
                    modules.len() - 1
                }
            };
            // SAFETY: the module's table.
            let row = unsafe { row(module.as_ref().cmds, wanted) }.ok_or(wanted.module)?;
            modules[place].wanted.push((row, wanted));
        }
        for module in &mut modules {
            for server in main.all() {
                // SAFETY: a server of the list, and its configuration, which who has borrowed the servers alone may write.
                unsafe {
                    let vector = (*server).lookup_defaults;
                    let before = ffi::ap_get_module_config(vector, module.module.as_ptr());
                    if before.is_null() {
                        continue;
                    }
                    let bound = module.bound(before, configuration).ok_or(module.wanted[0].1.module)?;
                    module.servers.push((before, bound));
                    if section_in::<M>(vector).is_some_and(&is_mapped) {
                        ffi::ap_set_module_config(vector, module.module.as_ptr(), bound);
                    }
                }
            }
        }
        Ok(Binding { modules, presence: Some(configuration.presence()) })
    }

    /// Has the directives take effect at the request's place, for all requests that come from the same one of a client's;
    /// `false` where that cannot be.
    pub fn bind(&self, request: Request<'_>) -> bool {
        let is_there = self.presence.as_ref().is_some_and(Presence::is_there);
        // SAFETY: the configuration is there, and with it what the modules have in it.
        is_there && self.modules.iter().all(|module| unsafe { module.bind(request) })
    }
}

impl Module {
    fn new(module: NonNull<ffi::module>) -> Option<Module> {
        // SAFETY: the record of a loaded module.
        let record = unsafe { module.as_ref() };
        let (create, merge) = (record.create_dir_config?, record.merge_dir_config?);
        Some(Module { module, create, merge, wanted: Vec::new(), servers: Vec::new() })
    }

    /// # Safety
    ///
    /// The configuration that the module was found in is there.
    unsafe fn bind(&self, request: Request<'_>) -> bool {
        let r = request.as_ptr();
        // SAFETY: the caller's word; a live request has a server and a configuration. One that is not the server's was merged for the request, or for
        // one that it comes from, whose pool lives longer (`server/request.c`): nobody else reads it.
        unsafe {
            let vector = (*r).per_dir_config;
            let before = ffi::ap_get_module_config(vector, self.module.as_ptr());
            if before.is_null() || self.servers.iter().any(|(_, bound)| *bound == before) {
                return true;
            }
            // All requests have the server's own, which `new` has bound where its requests are mapped.
            if vector == (*(*r).server).lookup_defaults {
                return false;
            }
            let known = self.servers.iter().find(|(own, _)| *own == before).map(|(_, bound)| *bound);
            let Some(bound) = known.or_else(|| self.bound(before, request.first().pool())) else {
                return false;
            };
            ffi::ap_set_module_config(vector, self.module.as_ptr(), bound);
            true
        }
    }

    /// A copy of a configuration, with the directives; `None` where the module refuses one.
    ///
    /// # Safety
    ///
    /// It is the module's, and lives as long as the pool.
    unsafe fn bound(&self, configuration: *mut c_void, pool: Pool<'_>) -> Option<*mut c_void> {
        // SAFETY: the caller's word. The module's functions are given what httpd gives them: a pool, and what they have made.
        // What is merged over one in which nothing is said is a copy.
        unsafe {
            let unset = (self.create)(pool.as_ptr(), null_mut());
            let copy = (self.merge)(pool.as_ptr(), unset, configuration);
            for (row, wanted) in &self.wanted {
                let mut parameters = MaybeUninit::<ffi::cmd_parms>::zeroed().assume_init();
                parameters.pool = pool.as_ptr();
                parameters.temp_pool = pool.as_ptr();
                parameters.cmd = row;
                parameters.info = row.cmd_data;
                // As in the server's configuration, not in `.htaccess`.
                parameters.override_ = ffi::RSRC_CONF | ffi::ACCESS_CONF;
                let first = wanted.first.as_ptr();
                let second = wanted.second.map_or(null(), CStr::as_ptr);
                let error = if row.args_how == ffi::cmd_how_TAKE123 {
                    row.func.take3?(&mut parameters, copy, first, second, null())
                } else {
                    row.func.take2?(&mut parameters, copy, first, second)
                };
                if !error.is_null() {
                    return None;
                }
            }
            Some(copy)
        }
    }
}

/// The row of a directive in a module's table; `None` where there is none of a kind that is known here.
///
/// # Safety
///
/// The first row of a module's table, or null.
unsafe fn row(mut row: *const ffi::command_rec, wanted: &Wanted) -> Option<ffi::command_rec> {
    let kind = if wanted.second.is_some() { ffi::cmd_how_TAKE2 } else { ffi::cmd_how_TAKE123 };
    // SAFETY: a table ends with a row without a name; a row of this kind has a function of this kind.
    unsafe {
        while !row.is_null() && !(*row).name.is_null() {
            if CStr::from_ptr((*row).name) == wanted.directive && (*row).args_how == kind {
                return Some(*row);
            }
            row = row.add(1);
        }
        None
    }
}
