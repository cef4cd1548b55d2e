//! Bridges: where a subrequest's filter chains go on in the filters of the request that started it.
//!
//! A subrequest's response passes its own filters and then those of its parent, and a body it reads
//! comes through its parent's. Served on another thread than its parent, it must not take them along:
//! a filter put in between carries each call to the thread that the parent's filters belong to.

use crate::ffi;
use crate::httpd::connection::{Here, go_on};
use crate::httpd::loan::{Lent, lend};
use crate::httpd::panic::catch_panic;
use crate::httpd::request::Request;
use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Carries calls to the parent's thread.
pub trait FilterTransport: Send + 'static {
    /// Makes the call where the parent's filters belong, and waits for its result. It is made or dropped when this returns:
    /// else the process ends.
    fn carry(&self, call: Call) -> c_int;
}

/// A call of a filter, on its way to another thread.
///
/// # Invariants
///
/// The filter, if there is one, the brigade and the connection are live, and the thread that made the call waits until this is
/// dropped.
pub struct Call {
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
    connection: *mut ffi::conn_rec,
    kind: Kind,
    #[expect(dead_code, reason = "its drop ends the loan")]
    lent: Lent,
}

// SAFETY: by the invariant only the thread that runs the call touches these meanwhile.
unsafe impl Send for Call {}

#[derive(Clone, Copy)]
enum Kind {
    Pass,
    Get { mode: ffi::ap_input_mode_t, block: ffi::apr_read_type_e, bytes: ffi::apr_off_t },
}

impl Call {
    /// Makes the call, on this thread; answers an `apr_status_t`.
    pub fn run(self) -> c_int {
        // SAFETY: the invariant. What these filters keep with a thread is not to go with the part's.
        unsafe {
            go_on();
            let _connection = Here::new(self.connection);
            match self.kind {
                Kind::Pass => ffi::ap_pass_brigade(self.filter, self.brigade),
                Kind::Get { mode, block, bytes } => {
                    ffi::ap_get_brigade(self.filter, self.brigade, mode, block, bytes)
                }
            }
        }
    }
}

/// What a call answers that cannot be made.
pub const FAILED: c_int = ffi::APR_EGENERAL;

/// Puts bridges into a subrequest's chains. Other requests' chains end in protocol filters, which
/// may run anywhere: nothing to do.
pub fn bridge<C: FilterTransport>(request: Request<'_>, carrier: impl Fn() -> C) {
    if request.main().is_none() {
        return;
    }
    let r = request.as_ptr();
    // SAFETY: the request is live and this thread's, and so are its filters.
    unsafe {
        insert(
            request,
            &raw mut (*r).output_filters,
            ffi::ap_filter_func { out_func: Some(output::<C>) },
            carrier(),
        );
        insert(
            request,
            &raw mut (*r).input_filters,
            ffi::ap_filter_func { in_func: Some(input::<C>) },
            carrier(),
        );
    }
}

/// Does something when the request's handler has run: nothing is sent or read by it, and afterwards the request's own filters
/// are in its chains no more. Whatever comes of the request then, they are not to run where it comes to be.
pub fn close<T>(request: Request<'_>, body: impl FnOnce() -> T) -> T {
    let r = request.as_ptr();
    // SAFETY: the request is live and this thread's. httpd itself goes on with the protocol's filters where it drops those of a
    // request (`ap_send_error_response`); of a subrequest, its parent's are left, and the bridge to them.
    let (output, input) = unsafe {
        if request.main().is_none() {
            ((*r).proto_output_filters, (*r).proto_input_filters)
        } else {
            (*others(request, &raw mut (*r).output_filters), *others(request, &raw mut (*r).input_filters))
        }
    };
    // SAFETY: the request is live and this thread's. Without filters, nothing is passed on (`ap_pass_brigade`).
    unsafe {
        (*r).output_filters = std::ptr::null_mut();
        (*r).input_filters = std::ptr::null_mut();
    }
    let result = body();
    // SAFETY: the request is live and this thread's, and so is the memory of its filters, whatever has become of their chains.
    unsafe {
        (*r).output_filters = output;
        (*r).input_filters = input;
    }
    result
}

/// Takes from a request's chains the filters of its own that are not named here: those that its place has, by configuration or
/// `.htaccess`. Names are as httpd keeps them, in lower case.
pub fn keep_only(request: Request<'_>, names: &[&CStr]) {
    let r = request.as_ptr();
    // SAFETY: the request is live and this thread's, and none of its filters is at work; a chain ends in null, and its filters
    // and their names live as long as their requests or the connection.
    unsafe {
        for (mut link, end) in [
            (&raw mut (*r).output_filters, (*r).proto_output_filters),
            (&raw mut (*r).input_filters, (*r).proto_input_filters),
        ] {
            while !(*link).is_null() && *link != end {
                let filter = *link;
                let name = CStr::from_ptr((*(*filter).frec).name);
                if (*filter).r == r && !names.contains(&name) {
                    *link = (*filter).next;
                } else {
                    link = &raw mut (*filter).next;
                }
            }
        }
    }
}

/// Whether a filter of the request's own has its code in one of these places.
pub fn any_in(request: Request<'_>, places: &[Range<usize>]) -> bool {
    let r = request.as_ptr();
    // SAFETY: the request is live and this thread's; a chain ends in null. A filter has one function, for output or for input, in the same place (`ap_filter_func`).
    unsafe {
        [(*r).output_filters, (*r).input_filters].into_iter().any(|first| {
            std::iter::successors(first.as_ref(), |filter| filter.next.as_ref())
                .take_while(|filter| filter.r == r)
                .any(|filter| {
                    let function =
                        (*filter.frec).filter_func.out_func.map_or(0, |function| function as usize);
                    places.iter().any(|place| place.contains(&function))
                })
        })
    }
}

/// Tells the filters of an HTTP/2 stream that its response has broken off, where some of it is sent: they have the stream
/// reset. Other connections are closed, which says it all.
///
/// mod_http2 itself looks for a response without an end only when new data wakes it. It may have read all but the `FLUSH`
/// with which httpd ends a request, and take that, and the end behind it, for one event: then nothing wakes it any more,
/// and the client waits until `Timeout`. The longer the time from the last data to the end, the likelier that is, and a
/// worker's way back is part of it. An error bucket comes with the data.
pub fn break_off(request: Request<'_>) {
    let r = request.as_ptr();
    // SAFETY: the request is live and this thread's, and so are its connection and filters. The brigade is empty, and the
    // bucket in no other: the two become a ring of both.
    unsafe {
        let connection = (*r).connection;
        if (*connection).master.is_null() || (*r).sent_bodyct == 0 {
            return;
        }
        let allocator = (*connection).bucket_alloc;
        let brigade = ffi::apr_brigade_create((*r).pool, allocator);
        let status = ffi::HTTP_INTERNAL_SERVER_ERROR;
        let bucket = ffi::ap_bucket_error_create(status, std::ptr::null(), (*r).pool, allocator);
        let sentinel = (&raw mut (*brigade).list).cast::<ffi::apr_bucket>();
        (*bucket).link.next = sentinel;
        (*bucket).link.prev = sentinel;
        (*brigade).list.next = bucket;
        (*brigade).list.prev = bucket;
        // What comes of it does not matter: the response has failed.
        ffi::ap_pass_brigade((*r).output_filters, brigade);
    }
}

/// Where the part of a chain begins that is not the request's own.
///
/// # Safety
///
/// `link` is where a live chain of the request begins.
unsafe fn others(request: Request<'_>, mut link: *mut *mut ffi::ap_filter_t) -> *mut *mut ffi::ap_filter_t {
    // SAFETY: a chain ends in null, and its filters live as long as their requests or the connection.
    unsafe {
        while !(*link).is_null() && (**link).r == request.as_ptr() {
            link = &raw mut (**link).next;
        }
    }
    link
}

/// Inserts a filter behind the last of the chain that is the request's own.
///
/// It is not registered by name, so that no configuration can ask for it.
///
/// # Safety
///
/// `link` is where a live chain of the request begins.
unsafe fn insert<C: FilterTransport>(
    request: Request<'_>,
    link: *mut *mut ffi::ap_filter_t,
    func: ffi::ap_filter_func,
    carrier: C,
) {
    // SAFETY: a chain ends in null, and its filters live as long as their requests or the connection.
    unsafe {
        let link = others(request, link);
        let Some(next) = (*link).as_ref() else { return };
        let pool = request.pool();
        // All-zero is what `register_filter` starts from (`server/util_filter.c`).
        let mut record = MaybeUninit::<ffi::ap_filter_rec_t>::zeroed().assume_init();
        record.name = c"selinux_crossing".as_ptr();
        record.filter_func = func;
        record.ftype = ffi::ap_filter_type_AP_FTYPE_CONTENT_SET;
        *link = std::ptr::from_ref(pool.put(ffi::ap_filter_t {
            frec: std::ptr::from_ref(pool.put(record)).cast_mut(),
            ctx: std::ptr::from_ref(pool.keep(carrier)).cast_mut().cast::<c_void>(),
            next: *link,
            // The parent's, so that an internal redirect of the subrequest, which drops the
            // subrequest's own filters, leaves it in place (`internal_internal_redirect`).
            r: next.r,
            c: next.c,
        }))
        .cast_mut();
    }
}

unsafe extern "C" fn output<C: FilterTransport>(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
) -> c_int {
    let mut brigade = brigade;
    catch_panic(FAILED, || {
        loop {
            // SAFETY: httpd calls the filter that `insert` made, with its own context and a live brigade.
            let (status, rest) = unsafe {
                match read_some(brigade) {
                    Ok(rest) => (carry::<C>(filter, brigade, Kind::Pass), rest),
                    Err(status) => return status,
                }
            };
            match rest {
                Some(rest) if status == ffi::APR_SUCCESS => brigade = rest,
                _ => return status,
            }
        }
    })
}

/// How much of a response is carried at once, in bytes.
const PORTION: usize = 64 * 1024;

/// Reads a portion of the brigade into memory, and splits off the rest, if there is any.
///
/// A bucket that is read later, such as a CGI script's pipe or a file, would be read on the parent's
/// thread, whose context may not; and a pipe has the label of the worker that made it.
///
/// # Safety
///
/// The brigade is live and this thread's.
unsafe fn read_some(
    brigade: *mut ffi::apr_bucket_brigade,
) -> Result<Option<*mut ffi::apr_bucket_brigade>, c_int> {
    // SAFETY: a brigade is a ring of buckets that ends in itself (`APR_BRIGADE_SENTINEL`); reading turns a
    // bucket into one in memory, followed by one for what is left.
    unsafe {
        let sentinel = (&raw mut (*brigade).list).cast::<ffi::apr_bucket>();
        let mut bucket = (*brigade).list.next;
        let mut portion = 0;
        while bucket != sentinel && portion < PORTION {
            if (*(*bucket).type_).is_metadata == ffi::apr_bucket_type_t_APR_BUCKET_DATA {
                let (mut data, mut length) = (std::ptr::null(), 0);
                let read = (*(*bucket).type_).read.ok_or(FAILED)?;
                let status = read(bucket, &mut data, &mut length, ffi::apr_read_type_e_APR_BLOCK_READ);
                if status != ffi::APR_SUCCESS {
                    return Err(status);
                }
                portion += length;
            }
            bucket = (*bucket).link.next;
        }
        Ok((bucket != sentinel).then(|| ffi::apr_brigade_split_ex(brigade, bucket, std::ptr::null_mut())))
    }
}

unsafe extern "C" fn input<C: FilterTransport>(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
    mode: ffi::ap_input_mode_t,
    block: ffi::apr_read_type_e,
    bytes: ffi::apr_off_t,
) -> c_int {
    // SAFETY: httpd calls the filter that `insert` made, with its own context and a live brigade.
    catch_panic(FAILED, || unsafe { carry::<C>(filter, brigade, Kind::Get { mode, block, bytes }) })
}

/// # Safety
///
/// `filter` was made by `insert` for carriers of this type; the brigade is live.
unsafe fn carry<C: FilterTransport>(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
    kind: Kind,
) -> c_int {
    // SAFETY: the caller's word.
    let (carrier, filter, connection) = unsafe { (&*(*filter).ctx.cast::<C>(), (*filter).next, (*filter).c) };
    let result = lend(|lent| carrier.carry(Call { filter, brigade, connection, kind, lent }));
    // SAFETY: the call is over, and the request this thread's again.
    unsafe { go_on() };
    result
}
