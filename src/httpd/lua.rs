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
use std::sync::OnceLock;

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

// SAFETY: the record of a module, and functions, which stay where they are in a process that serves.
unsafe impl Send for Lua {}
// SAFETY: as above; nobody writes to it.
unsafe impl Sync for Lua {}

/// Has all requests to servers whose own configuration `is_mapped` begin so; `false` where that cannot be.
pub fn bind_servers<C: Configuration>(
    main: Server<'_>,
    configuration: Pool<'_>,
    is_mapped: fn(&C) -> bool,
) -> bool {
    let Some(lua) = Lua::find() else { return true };
    let Some(lua) = lua else { return false };
    // SAFETY: the servers' own configurations, which nobody reads yet, and which live as long as the pool.
    main.all().all(|server| unsafe {
        !is_mapped(scopes::section_of(&*server)) || lua.bind((*server).lookup_defaults, configuration)
    })
}

/// Has the interpreters of requests at this place be their threads', for all that come from the same one of a client's;
/// `false` where that cannot be.
pub fn bind(request: Request<'_>) -> bool {
    static FOUND: OnceLock<Option<Option<Lua>>> = OnceLock::new();
    let Some(lua) = FOUND.get_or_init(Lua::find) else { return true };
    let Some(lua) = lua else { return false };
    let r = request.as_ptr();
    // SAFETY: a live request has a server and a configuration. One that is not the server's was merged for the request, or for
    // one that it comes from, whose pool lives longer (`server/request.c`): nobody else reads it.
    unsafe {
        // `bind_servers` has seen to the server's, where rules stand in it.
        (*r).per_dir_config == (*(*r).server).lookup_defaults
            || lua.bind((*r).per_dir_config, request.first().pool())
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

    /// `LuaScope thread` in a configuration; `false` where mod_lua does not know that.
    ///
    /// # Safety
    ///
    /// It is a live one, which nobody else reads meanwhile, and does not outlive the pool.
    unsafe fn bind(&self, configuration: *mut ffi::ap_conf_vector_t, pool: Pool<'_>) -> bool {
        // SAFETY: the caller's word. mod_lua's functions are given what httpd gives them: a pool, and what they have made. What
        // is merged with one in which nothing stands is a copy, which this request may have changed.
        unsafe {
            let before = ffi::ap_get_module_config(configuration, self.module.as_ptr());
            if before.is_null() {
                return true;
            }
            let unset = (self.create)(pool.as_ptr(), null_mut());
            let copy = (self.merge)(pool.as_ptr(), unset, before);
            let mut parameters = MaybeUninit::<ffi::cmd_parms>::zeroed().assume_init();
            parameters.pool = pool.as_ptr();
            parameters.temp_pool = pool.as_ptr();
            let error = (self.scope)(&mut parameters, copy, c"thread".as_ptr(), null(), null());
            if error.is_null() {
                ffi::ap_set_module_config(configuration, self.module.as_ptr(), copy);
            }
            error.is_null()
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
