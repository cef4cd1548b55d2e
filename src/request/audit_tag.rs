//! A request's tag: the name of the threads that serve it, which the kernel puts into audit records (`comm=`), and
//! `%{SELINUX_TAG}e` of httpd's logs.
//!
//! All requests that come of one of a client's (redirects, subrequests) have the same, in whatever contexts they are
//! served: who looks for what became of a request finds all of it.

use crate::httpd::pool::Name;
use crate::httpd::random;
use crate::httpd::request::Request;
use mapping;
use once_cell::sync::OnceCell;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

const KEY: Name = Name::new(c"mod_selinux tag");

type Text = [u8; 14];

/// A new one, as long as this request.
pub fn make(request: Request<'_>) -> &CStr {
    text(request.pool().put(mapping::tag(next())))
}

/// The one noted with the client's request that this one is, or comes from; made and noted when it is first asked for.
pub fn of(request: Request<'_>) -> &CStr {
    let pool = request.first().pool();
    text(pool.one(KEY, || mapping::tag(next())))
}

/// The same; `None` where none has been noted.
pub fn known(request: Request<'_>) -> Option<&CStr> {
    request.first().pool().find::<Text>(KEY).map(text)
}

fn text(text: &Text) -> &CStr {
    CStr::from_bytes_until_nul(text).unwrap_or_default()
}

/// A number that no other request on this host has, for days: children count from places of their own.
fn next() -> u64 {
    // Made in the child: the parent, whose memory all children begin with, serves nobody.
    static NEXT: OnceCell<AtomicU64> = OnceCell::new();
    NEXT.get_or_init(|| AtomicU64::new(random())).fetch_add(1, Ordering::Relaxed)
}
