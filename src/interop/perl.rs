//! mod_perl: an interpreter that all contexts share.

use super::module::{ForeignModule, HandlerKind, Handlers};

/// Its handlers.
pub const MODULE: ForeignModule = ForeignModule {
    source: c"mod_perl.c",
    handlers: Handlers::Named(&[c"perl-script", c"modperl"]),
    kind: HandlerKind::Interpreter,
};
