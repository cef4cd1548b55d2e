//! End-to-end tests: a real httpd, the module, and a kernel that enforces SELinux.
//!
//! They need root on a machine whose kernel enforces SELinux; elsewhere cargo's runner carries them into the
//! virtual machine (`vm/runner`). A context is asserted from the kernel's side, never from what the
//! module says of itself.

mod support;

mod applications;
mod confinement;
mod documents;
mod interop;
mod lifecycle;
mod mapping;
