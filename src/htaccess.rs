//! Which `.htaccess` counts: none that a page may have written. httpd follows it, and runs what it names (mod_lua's and
//! mod_perl's hooks), before and after the part of a request that is confined.

use crate::config::Section;
use crate::httpd::htaccess::HtaccessHook;
use crate::httpd::log::{self, Level};
use crate::httpd::process;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::policy::Context;
use crate::{counters, lsm};
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;

/// When httpd opens one.
pub struct Htaccess;

impl HtaccessHook for Htaccess {
    fn is_needed(request: Request<'_>) -> bool {
        server(request).is_some()
    }

    fn may_count(request: Request<'_>, file: BorrowedFd<'_>, path: &CStr) -> bool {
        // The policy is asked last. A worker, which may not ask it, reads no such file: httpd does, in an early phase.
        let may_count = !unix_lets_pages_write(file) || judge(request, file) == Status::OK;
        if !may_count {
            let path = path.to_string_lossy();
            let why = format!("SEL0112: a page may have written {path}: refused");
            log::request(request, Level::Error, &why);
            counters::refused(&why);
        }
        may_count
    }
}

/// The context that httpd runs in, where requests leave it.
fn server(request: Request<'_>) -> Option<&'static Context> {
    let settings = request.configuration::<Section>().settings?;
    settings.started.get()?.server.as_ref().filter(|_| settings.confines())
}

/// Whether unix modes would let a page write to a file, or have had it made: pages run as httpd's own user.
fn unix_lets_pages_write(file: BorrowedFd<'_>) -> bool {
    let metadata = file.try_clone_to_owned().and_then(|file| File::from(file).metadata());
    metadata.map_or(true, |metadata| metadata.uid() == process::user() || metadata.mode() & 0o022 != 0)
}

/// Whether a file counts as far as the policy is concerned: what it does not let httpd's type do, it lets no domain do.
pub fn judge(request: Request<'_>, file: BorrowedFd<'_>) -> Status {
    match server(request).map(|server| lsm::may_change(server, file)) {
        Some(Some(false)) | None => Status::OK,
        Some(Some(true) | None) => Status::FORBIDDEN,
    }
}
