//! A request's tag: the name of the threads that serve it, which the kernel puts into audit records (`comm=`), and
//! `%{SELINUX_TAG}e` of httpd's logs.
//!
//! All requests that come of one of a client's (redirects, subrequests) have the same, in whatever contexts they are
//! served: who looks for what became of a request finds all of it.

use super::child::Child;
use crate::httpd::pool::Name;
use crate::httpd::request::Request;
use mapping;
use std::ffi::CStr;

const KEY: Name = Name::new(c"mod_selinux tag");

type Text = [u8; 14];

/// A new one, as long as this request.
pub fn make(request: Request<'_>) -> &CStr {
    text(request.pool().put(mapping::tag(Child::next_tag())))
}

/// The one noted with the client's request that this one is, or comes from; made and noted when it is first asked for.
pub fn of(request: Request<'_>) -> &CStr {
    let pool = request.first().pool();
    text(pool.one(KEY, || mapping::tag(Child::next_tag())))
}

/// The same; `None` where none has been noted.
pub fn known(request: Request<'_>) -> Option<&CStr> {
    request.first().pool().find::<Text>(KEY).map(text)
}

fn text(text: &Text) -> &CStr {
    CStr::from_bytes_until_nul(text).unwrap_or_default()
}
