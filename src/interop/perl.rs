//! mod_perl: an interpreter that all contexts share.

use super::module::{HandlerKind, Handlers, Module};

/// Its handlers.
pub const MODULE: Module = Module {
    source: c"mod_perl.c",
    handlers: Handlers::Named(&[c"perl-script", c"modperl"]),
    kind: HandlerKind::Interpreter,
};
