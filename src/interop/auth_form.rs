//! mod_auth_form, whose handlers log people in and out: the server's own work.

use super::module::{ForeignModule, HandlerKind, Handlers};

/// Its handlers.
pub const MODULE: ForeignModule = ForeignModule {
    source: c"mod_auth_form.c",
    handlers: Handlers::Named(&[c"form-login-handler", c"form-logout-handler", c"form-redirect-handler"]),
    kind: HandlerKind::ServersOwn,
};
