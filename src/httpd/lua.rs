//! What mod_lua gives a page to call (`lua_request.c: ap_lua_load_request_lmodule`): some of it is taken away. Wraps mod_lua's
//! optional hook `lua_request`, which runs before a page has its request.

use crate::ffi;
use crate::httpd::hook::{HookOrder, OneThread};
use crate::httpd::panic::catch_panic;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

/// Whose pages.
pub trait LuaPageHook: 'static {
    /// Whether the page that is about to run on this thread is kept from what `FORBIDDEN` names.
    fn is_restricted() -> bool;
}

/// Methods of the request (`r:NAME`) that show what other requests are about.
const FORBIDDEN: [&CStr; 2] = [c"scoreboard_process", c"scoreboard_worker"];

/// Where mod_lua keeps the methods, in Lua's registry.
const METHODS: &CStr = c"Apache2.Request.dispatch";

/// `lua_request`
type Page = unsafe extern "C" fn(*mut c_void, *mut ffi::request_rec) -> c_int;

/// Has mod_lua call before each page.
pub fn pages<H: LuaPageHook>(order: HookOrder, _: &OneThread) {
    let page: Page = page::<H>;
    // SAFETY: mod_lua, which runs the hooks of this name, calls them with this signature.
    unsafe {
        let page = std::mem::transmute::<Page, unsafe extern "C" fn()>(page);
        ffi::apr_optional_hook_add(c"lua_request".as_ptr(), Some(page), null(), null(), order.number());
    }
}

unsafe extern "C" fn page<H: LuaPageHook>(lua: *mut c_void, _: *mut ffi::request_rec) -> c_int {
    catch_panic(ffi::HTTP_INTERNAL_SERVER_ERROR, || {
        if let Some(api) = Api::get().filter(|_| H::is_restricted()) {
            // SAFETY: mod_lua passes its interpreter, which is this thread's.
            unsafe { api.forbid(lua) };
        }
        ffi::OK
    })
}

/// The functions of Lua that this takes, as mod_lua has it loaded.
struct Api {
    get_field: unsafe extern "C" fn(*mut c_void, c_int, *const c_char) -> c_int,
    to_userdata: unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void,
    set_top: unsafe extern "C" fn(*mut c_void, c_int),
    /// `LUA_REGISTRYINDEX`
    registry: c_int,
}

impl Api {
    fn get() -> Option<&'static Api> {
        static API: OnceLock<Option<Api>> = OnceLock::new();
        API.get_or_init(|| {
            // SAFETY: looks names up among the libraries that httpd's modules have loaded; functions of these names have these
            // types in all versions of Lua (`lua.h`; before 5.3, `lua_getfield` answers nothing, and the answer is not used).
            unsafe {
                let find = |name: &CStr| {
                    let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
                    (!found.is_null()).then_some(found)
                };
                // Lua 5.2 and later has it, and another registry.
                let registry = if find(c"lua_version").is_some() { -1_001_000 } else { -10_000 };
                Some(Api {
                    get_field: std::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn(*mut c_void, c_int, *const c_char) -> c_int,
                    >(find(c"lua_getfield")?),
                    to_userdata: std::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void,
                    >(find(c"lua_touserdata")?),
                    set_top: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, c_int)>(
                        find(c"lua_settop")?,
                    ),
                    registry,
                })
            }
        })
        .as_ref()
    }

    /// # Safety
    ///
    /// `lua` is an interpreter of mod_lua's, and this thread's.
    unsafe fn forbid(&self, lua: *mut c_void) {
        // SAFETY: the caller's word. The registry has mod_lua's hash of methods under this name, made for this interpreter,
        // or nothing, which is no userdata.
        unsafe {
            (self.get_field)(lua, self.registry, METHODS.as_ptr());
            let methods = (self.to_userdata)(lua, -1).cast::<ffi::apr_hash_t>();
            (self.set_top)(lua, -2);
            if !methods.is_null() {
                for name in FORBIDDEN {
                    ffi::apr_hash_set(methods, name.as_ptr().cast(), name.count_bytes() as _, null_mut());
                }
            }
        }
    }
}
