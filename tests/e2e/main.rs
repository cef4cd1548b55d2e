//! End-to-end tests: a real httpd, the module, and a kernel that enforces SELinux.
//!
//! They need root on a machine whose kernel enforces SELinux; elsewhere cargo's runner carries them into the
//! virtual machine (`vm/runner`). A context is asserted from the kernel's side, never from what the
//! module says of itself.

mod support;

mod attacks;
mod changes;
mod denials;
mod directives;
mod documents;
mod domains;
mod dump;
mod error_logs;
mod explain;
mod faults;
mod fleet;
mod htaccess;
mod http2;
mod injected;
mod interpreters;
mod kills;
mod labels;
mod load;
mod loaded_policy;
mod mapping;
mod matrix;
mod matrix_backends;
mod matrix_caches;
mod matrix_interpreters;
mod memory;
mod migration;
mod mutexes;
mod names;
mod nested;
mod panics;
mod peer;
mod php;
mod policies;
mod providers;
mod recipes;
mod refusals;
mod resident;
mod sample;
mod scale;
mod sections;
mod server_handlers;
mod soak;
mod specs;
mod status_page;
mod tags;
mod upheaval;
