//! mod_cache.

use crate::ffi;
use crate::httpd::request::Request;
use std::ffi::CStr;

/// The name of mod_cache's filters that store responses begins so (`mod_cache.c: register_hooks`; httpd keeps names in lower case).
const STORES: &[u8] = b"cache_save";

/// Keeps mod_cache from storing the response to a request that has not been served yet.
pub fn forbid(request: Request<'_>) {
    // SAFETY: the request is live and this thread's.
    unsafe { (*request.as_ptr()).no_cache = 1 }
}

/// The same, also where mod_cache has begun to store: it keeps what has come to its end.
pub fn stop(request: Request<'_>) {
    forbid(request);
    let r = request.as_ptr();
    // SAFETY: the request is live and this thread's or waits for it, and so are its filters. None of those behind it is at
    // work while a request that it has started is being decided.
    unsafe {
        let mut next = (*r).output_filters;
        while let Some(filter) = next.as_mut() {
            next = filter.next;
            let name = (*filter.frec).name;
            if !name.is_null() && CStr::from_ptr(name).to_bytes().starts_with(STORES) {
                ffi::ap_remove_output_filter(filter);
            }
        }
    }
}
