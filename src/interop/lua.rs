//! mod_lua: an interpreter that all contexts share.

use super::module::{ForeignModule, HandlerKind, Handlers};
use crate::httpd::bound::Wanted;
use crate::httpd::lua::LuaPageHook;
use crate::worker;

/// Its handler.
pub const MODULE: ForeignModule = ForeignModule {
    source: c"mod_lua.c",
    handlers: Handlers::Named(&[c"lua-script"]),
    kind: HandlerKind::Interpreter,
};

/// What it is told for mapped requests: it runs a page's code once more where it closes an interpreter (`__gc`), and with
/// `LuaScope thread` that is the worker, which ends it.
pub const BOUND: Wanted =
    Wanted { module: c"mod_lua.c", directive: c"LuaScope", first: c"thread", second: None };

/// Keeps its pages of mapped requests from what others' requests are about.
pub struct Restricted;

impl LuaPageHook for Restricted {
    fn is_restricted() -> bool {
        worker::is_worker()
    }
}
