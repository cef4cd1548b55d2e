//! httpd's and APR's own declarations, as bindgen translates them (`apxs/wrapper.h`, `build.rs`).
//!
//! Only `src/httpd` uses what is here; the rest of the module sees its safe wrappers.
#![allow(unsafe_code, missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(unsafe_op_in_unsafe_fn, dead_code, unused_imports, unnecessary_transmutes)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::missing_safety_doc, rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
