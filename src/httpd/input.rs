//! What hooks and handlers read of a request, and any handler may write.

use crate::ffi;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use std::ffi::{CStr, c_char, c_int};

/// The environment, the headers and the client of a request, as one value: to be kept, and to be given to a request.
///
/// # Invariants
///
/// Beside the tables, all of it lives as long as the pool.
#[derive(Clone, Copy)]
pub struct RequestInput<'r> {
    pool: Pool<'r>,
    /// The environment (`subprocess_env`).
    pub environment: Table<'r>,
    /// The headers of the request.
    pub headers: Table<'r>,
    trailers: Table<'r>,
    address: *mut ffi::apr_sockaddr_t,
    ip: *mut c_char,
    hostname: *const c_char,
    line: *mut c_char,
}

impl<'r> RequestInput<'r> {
    /// The same, with tables of its own in `pool`; without trailers, which come when a handler reads the body.
    pub fn copy(self, pool: Pool<'r>) -> RequestInput<'r> {
        RequestInput {
            environment: self.environment.copy(pool),
            headers: self.headers.copy(pool),
            trailers: Table::new(pool),
            ..self
        }
    }
}

/// The method of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Method<'r> {
    /// Its name.
    pub name: &'r CStr,
    number: c_int,
}

impl Method<'static> {
    /// What httpd makes of a request that it starts itself.
    pub const GET: Method<'static> = Method { name: c"GET", number: ffi::M_GET };
}

impl Method<'_> {
    /// Whether it is GET, which HEAD is to httpd as well.
    pub fn is_get(self) -> bool {
        self.number == ffi::M_GET
    }
}

/// What a request's handler is found by, and what that is given besides.
#[derive(Clone, Copy)]
pub struct Chosen<'r> {
    /// The handler's name.
    pub handler: Option<&'r CStr>,
    /// The type of the content, by which the handler is found where it has no name.
    pub content_type: Option<&'r CStr>,
    /// What follows the file's name in the URI.
    pub path_info: Option<&'r CStr>,
}

impl<'r> Request<'r> {
    /// What hooks and handlers read.
    pub fn input(self) -> RequestInput<'r> {
        let r = self.as_ptr();
        // SAFETY: the request is live and this thread's; it has these tables from its making on (`SAFETY.md`, 1).
        unsafe {
            RequestInput {
                pool: self.pool(),
                environment: Table::from_ptr((*r).subprocess_env),
                headers: Table::from_ptr((*r).headers_in),
                trailers: Table::from_ptr((*r).trailers_in),
                address: (*r).useragent_addr,
                ip: (*r).useragent_ip,
                hostname: (*r).hostname,
                line: (*r).the_request,
            }
        }
    }

    /// Gives the request another, which is its own or that of one that it comes from.
    ///
    /// # Panics
    /// Something of it may be gone before the request is.
    pub fn set_input(self, input: RequestInput<'_>) {
        let tables = [input.environment, input.headers, input.trailers].map(Table::pool);
        let lasts = tables.into_iter().chain([input.pool]).all(|pool| pool.outlives(self.pool()));
        assert!(lasts, "what a request is given is another's");
        let r = self.as_ptr();
        // SAFETY: the request is live and this thread's; all that it is given lives as long.
        unsafe {
            (*r).subprocess_env = input.environment.as_ptr();
            (*r).headers_in = input.headers.as_ptr();
            (*r).trailers_in = input.trailers.as_ptr();
            (*r).useragent_addr = input.address;
            (*r).useragent_ip = input.ip;
            (*r).hostname = input.hostname;
            (*r).the_request = input.line;
        }
    }

    /// The method.
    pub fn method(self) -> Method<'r> {
        // SAFETY: the request is live and this thread's; a C string in its pool, or a constant.
        unsafe {
            let r = self.as_ptr();
            let name = (*r).method.as_ref().map_or(c"", |name| CStr::from_ptr(name));
            Method { name, number: (*r).method_number }
        }
    }

    /// Gives the request another method.
    pub fn set_method(self, method: Method<'_>) {
        // SAFETY: the request is live and this thread's, and so is the copy of the name.
        unsafe {
            (*self.as_ptr()).method = self.pool().copy(method.name).as_ptr();
            (*self.as_ptr()).method_number = method.number;
        }
    }

    /// The kind of authentication that found the user.
    pub fn auth_type(self) -> Option<&'r CStr> {
        // SAFETY: null, or a C string in the configuration's or the request's pool.
        unsafe { (*self.as_ptr()).ap_auth_type.as_ref().map(|text| CStr::from_ptr(text)) }
    }

    /// Says who the user is.
    pub fn set_identity(self, user: Option<&CStr>, auth_type: Option<&CStr>) {
        let pointer = |text: Option<&CStr>| self.copied(text).cast_mut();
        // SAFETY: the request is live and this thread's, and so are the copies of both texts.
        unsafe {
            (*self.as_ptr()).user = pointer(user);
            (*self.as_ptr()).ap_auth_type = pointer(auth_type);
        }
    }

    /// By what its handler is found, and what that is given besides.
    pub fn chosen(self) -> Chosen<'r> {
        let text = |text: *const c_char| {
            // SAFETY: null, or a C string in the configuration's or the request's pool.
            unsafe { text.as_ref().map(|text| CStr::from_ptr(text)) }
        };
        let r = self.as_ptr();
        // SAFETY: the request is live and this thread's.
        unsafe {
            Chosen {
                handler: text((*r).handler),
                content_type: text((*r).content_type),
                path_info: text((*r).path_info),
            }
        }
    }

    /// Gives the request that back.
    pub fn set_chosen(self, chosen: Chosen<'_>) {
        let pointer = |text: Option<&CStr>| self.copied(text);
        let r = self.as_ptr();
        // SAFETY: the request is live and this thread's, and so are the copies of the texts.
        unsafe {
            (*r).handler = pointer(chosen.handler);
            (*r).content_type = pointer(chosen.content_type);
            (*r).path_info = pointer(chosen.path_info).cast_mut();
        }
    }

    /// Takes the type of its content from a request that has not been served yet; answers it.
    pub fn take_content_type(self) -> Option<&'r CStr> {
        // SAFETY: the request is live and this thread's; null, or a C string in its pool.
        unsafe {
            let before = std::mem::replace(&mut (*self.as_ptr()).content_type, std::ptr::null());
            before.as_ref().map(|text| CStr::from_ptr(text))
        }
    }

    /// Gives the request that type, where it has found none.
    pub fn suggest_content_type(self, content_type: &CStr) {
        // SAFETY: the request is live and this thread's, and so is the copy of the text.
        unsafe {
            let place = &raw mut (*self.as_ptr()).content_type;
            if (*place).is_null() {
                *place = self.pool().copy(content_type).as_ptr();
            }
        }
    }

    /// A copy of a text that lives as long as the request: this handle may be good for less time than it is.
    fn copied(self, text: Option<&CStr>) -> *const c_char {
        text.map_or(std::ptr::null(), |text| self.pool().copy(text).as_ptr())
    }
}
