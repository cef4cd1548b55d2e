//! A request: what the module reads of it, what it writes, and how its processing is driven.

use crate::ffi;
use crate::httpd::connection::{Here, Home, go_on};
use crate::httpd::loan::{Lent, lend};
use crate::httpd::pool::Pool;
use crate::httpd::status::Status;
use crate::httpd::table::Table;
use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

/// A request, borrowed for as long as httpd lends it to a hook.
///
/// # Invariants
///
/// The pointer is a live `request_rec` for `'r`, and this thread is the one that has the request.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    request: NonNull<ffi::request_rec>,
    lifetime: PhantomData<&'r ()>,
}

/// A request lent to other threads: the thread that has it has the request, and those that it comes from, whose threads wait.
///
/// # Invariants
///
/// Made by `Request::lend`, once. The thread that lends does not touch the request, and waits until the ticket is dropped.
pub struct Ticket {
    request: NonNull<ffi::request_rec>,
    #[expect(dead_code, reason = "its drop ends the loan")]
    lent: Lent,
}

// SAFETY: the invariant hands the request from thread to thread, with the ordering of what hands the ticket over.
unsafe impl Send for Ticket {}

impl Ticket {
    /// The request, on the thread that has the ticket.
    pub fn redeem(&mut self) -> Request<'_> {
        Request { request: self.request, lifetime: PhantomData }
    }
}

impl<'r> Request<'r> {
    /// # Safety
    ///
    /// `r` is a live request for `'r`, and this thread is the one that has it.
    pub unsafe fn from_ptr(r: *mut ffi::request_rec) -> Self {
        Request { request: NonNull::new(r).expect("httpd passes a request"), lifetime: PhantomData }
    }

    /// Lends the request to other threads while `body` runs, which drops the ticket, or sees to it that it is dropped: else
    /// the process ends. Being `Send`, it has nothing of the request's but the ticket. Afterwards, the connection says that it
    /// runs on the thread that it said before.
    pub fn lend<T>(self, body: impl FnOnce(Ticket) -> T + Send) -> T {
        // SAFETY: a request has a connection, which outlives it, and is this thread's before and after the loan.
        let _connection = unsafe { Home::leave(self.get().connection) };
        let result = lend(|lent| body(Ticket { request: self.request, lent }));
        // SAFETY: the request is back.
        unsafe { go_on() };
        result
    }

    /// The request, for a call into httpd.
    pub fn as_ptr(self) -> *mut ffi::request_rec {
        self.request.as_ptr()
    }

    fn get(&self) -> &ffi::request_rec {
        // SAFETY: the invariant. The reference ends before the next call into httpd.
        unsafe { self.request.as_ref() }
    }

    fn get_mut(&mut self) -> &mut ffi::request_rec {
        // SAFETY: the invariant: nobody else touches the request while this thread has it.
        unsafe { self.request.as_mut() }
    }

    /// The pool that dies with the request.
    pub fn pool(self) -> Pool<'r> {
        // SAFETY: a request has a pool, which outlives it; the thread that has one has the other.
        unsafe { Pool::from_ptr(self.get().pool) }
    }

    /// The user httpd's authentication found; `None` where nobody logged in.
    pub fn user(self) -> Option<&'r CStr> {
        // SAFETY: null or a C string in a pool that lives as long as the request.
        unsafe { c_str(self.get().user) }
    }

    /// The client's address, as mod_remoteip leaves it; `None` where it has none (a Unix socket).
    pub fn address(self) -> Option<IpAddr> {
        // SAFETY: httpd sets the address when it makes the request (`ap_create_request`).
        let address = unsafe { self.get().useragent_addr.as_ref() }?;
        match address.family {
            ffi::APR_INET => {
                // SAFETY: the family says which member of the union is there.
                let number = unsafe { address.sa.sin.sin_addr.s_addr };
                Some(IpAddr::V4(Ipv4Addr::from(number.to_ne_bytes())))
            }
            ffi::APR_INET6 => {
                // SAFETY: the family says which member of the union is there; all three members of the inner union are the same sixteen bytes.
                let bytes = unsafe { address.sa.sin6.sin6_addr.__in6_u.__u6_addr8 };
                Some(IpAddr::V6(Ipv6Addr::from(bytes)))
            }
            _ => None,
        }
    }

    /// The request's environment, for logs, CGI and SSI.
    pub fn environment(self) -> Table<'r> {
        // SAFETY: a request has one, in its pool.
        unsafe { Table::from_ptr(self.get().subprocess_env) }
    }

    /// What modules tell each other of the request.
    pub fn notes(self) -> Table<'r> {
        // SAFETY: a request has a table of notes, in its pool.
        unsafe { Table::from_ptr(self.get().notes) }
    }

    /// Runs `body` while the request has this user and this environment.
    ///
    /// # Safety
    ///
    /// `body` keeps nothing of what the request has meanwhile, and does not panic.
    pub(super) unsafe fn as_if<T>(
        mut self,
        user: Option<&CStr>,
        environment: Table<'_>,
        body: impl FnOnce() -> T,
    ) -> T {
        let user = user.map_or(std::ptr::null_mut(), |user| user.as_ptr().cast_mut());
        let request = self.get_mut();
        let user = std::mem::replace(&mut request.user, user);
        let environment = std::mem::replace(&mut request.subprocess_env, environment.as_ptr());
        let result = body();
        let request = self.get_mut();
        request.user = user;
        request.subprocess_env = environment;
        result
    }

    /// Sets a header of the response that goes out with errors too.
    pub fn set_error_header(self, name: &CStr, value: &CStr) {
        // SAFETY: the table is live; it copies both.
        unsafe { ffi::apr_table_set(self.get().err_headers_out, name.as_ptr(), value.as_ptr()) }
    }

    /// The request this one is a subrequest of.
    pub fn main(self) -> Option<Request<'r>> {
        // SAFETY: null or the request that made this one, on a stack that waits for it, here or in its worker.
        NonNull::new(self.get().main).map(|main| unsafe { Request::from_ptr(main.as_ptr()) })
    }

    /// The request this one was internally redirected from.
    pub fn previous(self) -> Option<Request<'r>> {
        // SAFETY: null or a request in the same pool.
        NonNull::new(self.get().prev).map(|prev| unsafe { Request::from_ptr(prev.as_ptr()) })
    }

    /// The request that was internally redirected to from this one.
    pub fn next(self) -> Option<Request<'r>> {
        // SAFETY: null or a request in the same pool.
        NonNull::new(self.get().next).map(|next| unsafe { Request::from_ptr(next.as_ptr()) })
    }

    /// The request that this one comes from, by a redirect or as a subrequest; `None` for the client's.
    pub fn parent(self) -> Option<Request<'r>> {
        self.previous().or(self.main())
    }

    /// The client's request that this one is, or comes from by redirects and subrequests.
    pub fn first(self) -> Request<'r> {
        let mut request = self;
        while let Some(parent) = request.parent() {
            request = parent;
        }
        request
    }

    /// The name of the handler that is to answer.
    pub fn handler(self) -> Option<&'r CStr> {
        // SAFETY: null or a C string in the request's or the configuration's pool.
        unsafe { c_str(self.get().handler) }
    }

    /// The path that the client, or who has redirected it, has asked for.
    pub fn uri(self) -> Option<&'r CStr> {
        // SAFETY: null or a C string in the request's pool.
        unsafe { c_str(self.get().uri) }
    }

    /// Has another handler answer, by its name; with another file, where one is given. Both are in the request's pool, or live
    /// longer.
    pub fn hand_to(mut self, handler: &'r CStr, filename: Option<&'r CStr>) {
        let request = self.get_mut();
        request.handler = handler.as_ptr();
        if let Some(filename) = filename {
            request.filename = filename.as_ptr().cast_mut();
        }
    }

    /// What the request is mapped to.
    pub fn filename(self) -> Option<&'r CStr> {
        // SAFETY: null or a C string in the request's pool.
        unsafe { c_str(self.get().filename) }
    }

    /// Whether it has no URI: it is for a file that was asked for by name (`ap_sub_req_lookup_file`), or has become such a one
    /// (`ap_internal_fast_redirect`), and no `<Location>` applies to it.
    pub fn is_without_uri(self) -> bool {
        // SAFETY: null, or a C string in the request's pool.
        unsafe { c_str(self.get().uri) }.is_none_or(CStr::is_empty)
    }

    /// Whether httpd has parsed an `.htaccess` that is there for the request, or for one that it comes from.
    pub fn has_htaccess(self) -> bool {
        let mut next = self.get().htaccess;
        // SAFETY: null, or a list in the request's pool (`ap_parse_htaccess`).
        while let Some(entry) = unsafe { next.as_ref() } {
            if !entry.htaccess.is_null() {
                return true;
            }
            next = entry.next;
        }
        false
    }

    /// Whether it leads to a file that is there.
    pub fn leads_to_a_file(self) -> bool {
        self.get().finfo.filetype == ffi::apr_filetype_e_APR_REG
    }

    /// The level up to which this module's messages about the request are written.
    pub(super) fn log_level(self) -> c_int {
        // SAFETY: the request is live.
        unsafe { ffi::ap_get_request_module_loglevel(self.as_ptr(), crate::httpd::module_record::index()) }
    }

    /// Answers with a text that is for this client alone. Content filters do not get it: the text has words of
    /// the client's, and this thread is not confined.
    pub fn answer(mut self, text: &str) -> Status {
        let request = self.get_mut();
        request.no_cache = 1;
        request.output_filters = request.proto_output_filters;
        let headers = request.headers_out;
        // SAFETY: the request is live and this thread's; type and header are constants, the text is copied into
        // buckets.
        unsafe {
            ffi::ap_set_content_type(self.as_ptr(), c"text/plain; charset=utf-8".as_ptr());
            ffi::apr_table_setn(headers, c"Cache-Control".as_ptr(), c"no-store".as_ptr());
            ffi::ap_set_content_length(self.as_ptr(), text.len() as _);
        }
        if self.write(text) { Status::OK } else { Status::INTERNAL_SERVER_ERROR }
    }

    /// Adds a text to the response; `false` where it cannot be sent.
    pub fn write(self, text: &str) -> bool {
        // SAFETY: the request is live and this thread's; the text is copied.
        unsafe { ffi::ap_rwrite(text.as_ptr().cast(), text.len() as _, self.as_ptr()) >= 0 }
    }

    /// Starts an internal redirect, and serves it.
    pub fn internal_redirect(self, uri: &CStr) {
        // SAFETY: the request is live; the URI is copied into its pool (`ap_parse_uri`).
        unsafe { ffi::ap_internal_redirect(uri.as_ptr(), self.as_ptr()) }
    }

    /// The query string.
    pub fn arguments(self) -> Option<&'r CStr> {
        // SAFETY: null or a C string in the request's pool.
        unsafe { c_str(self.get().args) }
    }

    /// Sends the end of the response through the request's filters, once.
    pub fn finalize(self) {
        // SAFETY: the request is live and this thread's. Both remember in `eos_sent` that it was done.
        unsafe {
            if self.get().main.is_null() {
                ffi::ap_finalize_request_protocol(self.as_ptr());
            } else {
                ffi::ap_finalize_sub_req_protocol(self.as_ptr());
            }
        }
    }

    /// The socket to the client, which a stream of HTTP/2 shares with its whole connection.
    pub fn client_socket(self) -> Option<BorrowedFd<'r>> {
        // SAFETY: a request has a connection, which outlives it; so does a connection's master, of which a stream is one part.
        let socket = unsafe {
            let connection = (*self.get().connection).master;
            ffi::ap_get_conn_socket(if connection.is_null() { self.get().connection } else { connection })
        };
        let mut number = -1;
        // SAFETY: null is asked for first; APR only reads the number out of its socket.
        let known =
            !socket.is_null() && unsafe { ffi::apr_os_sock_get(&mut number, socket) } == ffi::APR_SUCCESS;
        // SAFETY: httpd closes the socket with the connection, which outlives its requests.
        (known && number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
    }

    /// Does something while the connection says that it runs on this thread. mod_lua keeps interpreters in that thread's pool
    /// (`LuaScope thread`).
    pub fn on_this_thread<T>(self, body: impl FnOnce() -> T) -> T {
        // SAFETY: a request has a connection, which outlives it and belongs to the thread that has its request.
        let _connection = unsafe { Here::new(self.get().connection) };
        body()
    }
}

/// # Safety
///
/// Null, or a C string that lives for `'r`.
unsafe fn c_str<'r>(text: *const c_char) -> Option<&'r CStr> {
    // SAFETY: the caller's word.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}
