//! mod_lua's interpreters. One that is closed runs a page's code once more: the finalizers of its objects (`__gc`). So those
//! of a mapped request are its worker's (`LuaScope thread`), whatever the configuration says, and it closes them.
//!
//! Goes by what mod_lua's module record has for httpd (`include/http_config.h`): how its configuration is made and
//! merged, and its directive.

use crate::ffi;
use crate::httpd::directive::Configuration;
use crate::httpd::hook::Server;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::scopes;
use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null, null_mut};

type Create = unsafe extern "C" fn(*mut ffi::apr_pool_t, *mut c_char) -> *mut c_void;
type Merge = unsafe extern "C" fn(*mut ffi::apr_pool_t, *mut c_void, *mut c_void) -> *mut c_void;
type Set = unsafe extern "C" fn(
    *mut ffi::cmd_parms,
    *mut c_void,
    *const c_char,
    *const c_char,
    *const c_char,
) -> *const c_char;

/// mod_lua, as it is loaded.
struct Lua {
    module: NonNull<ffi::module>,
    create: Create,
    merge: Merge,
    /// Its directive `LuaScope`.
    scope: Set,
}

/// What requests are bound by.
#[derive(Default)]
pub struct Binding {
    lua: Option<Lua>,
    /// Each server's own configuration of mod_lua's, and what stands for it where rules do: most requests have one of these.
    servers: Vec<(*mut c_void, *mut c_void)>,
}

// SAFETY: the record of a module, functions and configurations, which stay where they are while the server's configuration does.
unsafe impl Send for Binding {}
// SAFETY: as above; nobody writes to them.
unsafe impl Sync for Binding {}

impl Binding {
    /// Made when the configuration has been read, in whose pool it is kept. Servers whose own configuration `is_mapped` have it
    /// from the beginning. `None`: mod_lua is another than is known here.
    pub fn new<C: Configuration>(
        main: Server<'_>,
        configuration: Pool<'_>,
        is_mapped: fn(&C) -> bool,
    ) -> Option<Binding> {
        let Some(lua) = Lua::find() else { return Some(Binding::default()) };
        let lua = lua?;
        let mut servers = Vec::new();
        for server in main.all() {
            // SAFETY: a server of the list, and its configuration, which nobody reads yet.
            unsafe {
                let vector = (*server).lookup_defaults;
                let before = ffi::ap_get_module_config(vector, lua.module.as_ptr());
                if before.is_null() {
                    continue;
                }
                let bound = lua.bound(before, configuration)?;
                servers.push((before, bound));
                if is_mapped(scopes::section_of(&*server)) {
                    ffi::ap_set_module_config(vector, lua.module.as_ptr(), bound);
                }
            }
        }
        Some(Binding { lua: Some(lua), servers })
    }

    /// Has the interpreters of requests at this place be their threads', for all that come from the same one of a client's;
    /// `false` where that cannot be.
    pub fn bind(&self, request: Request<'_>) -> bool {
        let Some(lua) = &self.lua else { return true };
        let r = request.as_ptr();
        // SAFETY: a live request has a server and a configuration. One that is not the server's was merged for the request, or for
        // one that it comes from, whose pool lives longer (`server/request.c`): nobody else reads it.
        unsafe {
            let vector = (*r).per_dir_config;
            // `new` has seen to the server's, where rules stand in it.
            if vector == (*(*r).server).lookup_defaults {
                return true;
            }
            let before = ffi::ap_get_module_config(vector, lua.module.as_ptr());
            if before.is_null() || self.servers.iter().any(|(_, bound)| *bound == before) {
                return true;
            }
            let known = self.servers.iter().find(|(own, _)| *own == before).map(|(_, bound)| *bound);
            let Some(bound) = known.or_else(|| lua.bound(before, request.first().pool())) else {
                return false;
            };
            ffi::ap_set_module_config(vector, lua.module.as_ptr(), bound);
            true
        }
    }
}

impl Lua {
    /// `None`: mod_lua is not there; `Some(None)`: it is another than is known here.
    fn find() -> Option<Option<Lua>> {
        // SAFETY: null, or the record of a loaded module.
        let module = NonNull::new(unsafe { ffi::ap_find_linked_module(c"mod_lua.c".as_ptr()) })?;
        // SAFETY: as above.
        let record = unsafe { module.as_ref() };
        Some((|| {
            let (create, merge) = (record.create_dir_config?, record.merge_dir_config?);
            // SAFETY: mod_lua's table.
            let scope = unsafe { directive(record.cmds, c"LuaScope") }?;
            Some(Lua { module, create, merge, scope })
        })())
    }

    /// A copy of a configuration, with `LuaScope thread`; `None` where mod_lua does not know that.
    ///
    /// # Safety
    ///
    /// It is mod_lua's, and lives as long as the pool.
    unsafe fn bound(&self, configuration: *mut c_void, pool: Pool<'_>) -> Option<*mut c_void> {
        // SAFETY: the caller's word. mod_lua's functions are given what httpd gives them: a pool, and what they have made. What
        // is merged over one in which nothing stands is a copy.
        unsafe {
            let unset = (self.create)(pool.as_ptr(), null_mut());
            let copy = (self.merge)(pool.as_ptr(), unset, configuration);
            let mut parameters = MaybeUninit::<ffi::cmd_parms>::zeroed().assume_init();
            parameters.pool = pool.as_ptr();
            parameters.temp_pool = pool.as_ptr();
            let error = (self.scope)(&mut parameters, copy, c"thread".as_ptr(), null(), null());
            error.is_null().then_some(copy)
        }
    }
}

/// What carries a directive with one to three arguments out.
///
/// # Safety
///
/// The first row of a module's table, or null.
unsafe fn directive(mut row: *const ffi::command_rec, name: &CStr) -> Option<Set> {
    // SAFETY: a table ends with a row without a name; a row of this kind has a function of this kind.
    unsafe {
        while !row.is_null() && !(*row).name.is_null() {
            if CStr::from_ptr((*row).name) == name && (*row).args_how == ffi::cmd_how_TAKE123 {
                return (*row).func.take3;
            }
            row = row.add(1);
        }
        None
    }
}
