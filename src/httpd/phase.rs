//! The phases of a request, each a list of functions of httpd's modules (`server/request.c`, `server/protocol.c`): one
//! function takes the place of a list, and says on which thread the list runs.
//!
//! mod_info lists the functions of each phase by module: the names stay as they are (`hook_struct_t` there, as here).

use crate::ffi;
use crate::httpd::hook::OneThread;
use crate::httpd::panic::catch_panic;
use crate::httpd::request::{Request, Ticket};
use crate::httpd::status::Status;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;

/// Who runs the phases of requests.
pub trait PhaseRunner: 'static {
    /// Called wherever httpd comes to a phase of a request; answers what the phase gives. A panic in it refuses the request.
    fn run(call: PhaseCall<'_>) -> Status;

    /// Called where a phase that has no answer could not be run: the request is not to be served.
    fn lost(request: Request<'_>);
}

/// A phase of a request, in the order in which they come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Phase {
    /// The request is made.
    CreateRequest,
    /// The client's request is read, or an internal redirect is made.
    PostReadRequest,
    /// `ap_hook_pre_translate_name` (httpd 2.4.47).
    PreTranslateName,
    /// The URI is mapped to a file name.
    TranslateName,
    /// The file's `<Directory>` and `<Files>` sections are found, and its `.htaccess`.
    MapToStorage,
    /// The configuration of the request's place is known.
    PostPerdirConfig,
    /// Of requests that are no subrequests.
    HeaderParser,
    /// Access control without a user.
    AccessChecker,
    /// Access control that may do without a user.
    AccessCheckerEx,
    /// Whether a user is wanted all the same.
    ForceAuthn,
    /// Authentication.
    CheckUserId,
    /// Authorization.
    AuthChecker,
    /// Type and handler are found.
    TypeChecker,
    /// The last before the handler.
    Fixups,
    /// The request's content filters are found.
    InsertFilter,
    /// A response without any other phase (mod_cache, `LuaQuickHandler`).
    QuickHandler,
    /// mod_session reads a session.
    SessionLoad,
    /// mod_session keeps a session.
    SessionSave,
}

/// How a list is run (`apr_hooks.h`).
#[derive(Clone, Copy)]
enum Kind {
    /// Until one answers something else than `DECLINED`.
    First,
    /// Until one answers something else than `OK` or `DECLINED`.
    All,
    /// All of them; they answer nothing.
    Void,
}

struct Row {
    phase: Phase,
    kind: Kind,
    /// The function that gives the list; httpd or mod_session exports it where it has such a phase.
    list: &'static CStr,
}

const COUNT: usize = 18;

const ROWS: [Row; COUNT] = [
    Row { phase: Phase::CreateRequest, kind: Kind::All, list: c"ap_hook_get_create_request" },
    Row { phase: Phase::PostReadRequest, kind: Kind::All, list: c"ap_hook_get_post_read_request" },
    Row { phase: Phase::PreTranslateName, kind: Kind::First, list: c"ap_hook_get_pre_translate_name" },
    Row { phase: Phase::TranslateName, kind: Kind::First, list: c"ap_hook_get_translate_name" },
    Row { phase: Phase::MapToStorage, kind: Kind::First, list: c"ap_hook_get_map_to_storage" },
    Row { phase: Phase::PostPerdirConfig, kind: Kind::All, list: c"ap_hook_get_post_perdir_config" },
    Row { phase: Phase::HeaderParser, kind: Kind::All, list: c"ap_hook_get_header_parser" },
    Row { phase: Phase::AccessChecker, kind: Kind::All, list: c"ap_hook_get_access_checker" },
    Row { phase: Phase::AccessCheckerEx, kind: Kind::First, list: c"ap_hook_get_access_checker_ex" },
    Row { phase: Phase::ForceAuthn, kind: Kind::First, list: c"ap_hook_get_force_authn" },
    Row { phase: Phase::CheckUserId, kind: Kind::First, list: c"ap_hook_get_check_user_id" },
    Row { phase: Phase::AuthChecker, kind: Kind::First, list: c"ap_hook_get_auth_checker" },
    Row { phase: Phase::TypeChecker, kind: Kind::First, list: c"ap_hook_get_type_checker" },
    Row { phase: Phase::Fixups, kind: Kind::All, list: c"ap_hook_get_fixups" },
    Row { phase: Phase::InsertFilter, kind: Kind::Void, list: c"ap_hook_get_insert_filter" },
    Row { phase: Phase::QuickHandler, kind: Kind::First, list: c"ap_hook_get_quick_handler" },
    Row { phase: Phase::SessionLoad, kind: Kind::First, list: c"ap_hook_get_session_load" },
    Row { phase: Phase::SessionSave, kind: Kind::First, list: c"ap_hook_get_session_save" },
];

/// Whichever it is that a list has; called with the type of its phase.
pub(super) type Function = unsafe extern "C" fn();
type Hook = unsafe extern "C" fn(*mut ffi::request_rec) -> c_int;
type VoidHook = unsafe extern "C" fn(*mut ffi::request_rec);
type QuickHook = unsafe extern "C" fn(*mut ffi::request_rec, c_int) -> c_int;
type SessionHook = unsafe extern "C" fn(*mut ffi::request_rec, *mut c_void) -> c_int;

/// An element of a list, the same for all of them (`APR_DECLARE_EXTERNAL_HOOK`; `apxs/assert.c`).
#[repr(C)]
pub(super) struct Link {
    pub(super) function: Function,
    /// The source of the module whose function it is (`mod_lua.c`).
    pub(super) module: *const c_char,
    predecessors: *const c_void,
    successors: *const c_void,
    order: c_int,
}

/// What the lists had, by phase; set once, when a child begins.
static FUNCTIONS: OnceLock<[Vec<Function>; COUNT]> = OnceLock::new();

/// A phase that has come for a request.
#[derive(Clone, Copy)]
pub struct PhaseCall<'r> {
    request: Request<'r>,
    call: RawCall,
}

/// What is passed with the request.
///
/// # Invariants
///
/// The session is null, or what mod_session passes with the request, which it belongs to.
#[derive(Clone, Copy)]
struct RawCall {
    phase: Phase,
    session: *mut c_void,
    /// Whether the quick handler is only asked, and sends nothing.
    is_lookup: c_int,
}

// SAFETY: it goes where the request's ticket goes, by the invariant.
unsafe impl Send for RawCall {}

/// A phase that is lent to another thread, with its request.
pub struct PhaseTicket {
    ticket: Ticket,
    call: RawCall,
}

impl PhaseTicket {
    /// The phase, on the thread that has the ticket.
    pub fn redeem(&mut self) -> PhaseCall<'_> {
        PhaseCall { request: self.ticket.redeem(), call: self.call }
    }
}

impl<'r> PhaseCall<'r> {
    /// Which.
    pub fn phase(self) -> Phase {
        self.call.phase
    }

    /// Whose.
    pub fn request(self) -> Request<'r> {
        self.request
    }

    /// Lends it to other threads while `body` runs (`Request::lend`).
    pub fn lend<T>(self, body: impl FnOnce(PhaseTicket) -> T + Send) -> T {
        let call = self.call;
        self.request.lend(move |ticket| body(PhaseTicket { ticket, call }))
    }

    /// Runs the phase's functions, on this thread.
    pub fn run(self) -> Status {
        let PhaseCall { request, call } = self;
        let row = &ROWS[call.phase as usize];
        let functions = FUNCTIONS.get().map_or(&[][..], |all| &all[call.phase as usize]);
        for function in functions {
            // SAFETY: the request is live and this thread's; the function has the type of its phase.
            let status = Status(unsafe {
                match (row.phase, row.kind) {
                    (Phase::SessionLoad | Phase::SessionSave, _) => {
                        std::mem::transmute::<Function, SessionHook>(*function)(
                            request.as_ptr(),
                            call.session,
                        )
                    }
                    (Phase::QuickHandler, _) => std::mem::transmute::<Function, QuickHook>(*function)(
                        request.as_ptr(),
                        call.is_lookup,
                    ),
                    (_, Kind::Void) => {
                        std::mem::transmute::<Function, VoidHook>(*function)(request.as_ptr());
                        ffi::OK
                    }
                    _ => std::mem::transmute::<Function, Hook>(*function)(request.as_ptr()),
                }
            });
            match row.kind {
                Kind::First if status != Status::DECLINED => return status,
                Kind::All if status != Status::OK && status != Status::DECLINED => return status,
                _ => {}
            }
        }
        match row.kind {
            Kind::First => Status::DECLINED,
            Kind::All | Kind::Void => Status::OK,
        }
    }
}

/// From now on `R` runs the phases of requests in this process. To be called when a child begins, after all modules.
///
/// # Errors
/// A list is not what is known here: none has been touched.
pub fn take_over<R: PhaseRunner>(_: &OneThread) -> Result<(), String> {
    let mut lists = Vec::new();
    for row in &ROWS {
        // SAFETY: the process has one thread, and each list is another.
        lists.push(unsafe { links(row.list) }?);
    }
    // Of a process that serves and reads its configuration again (`httpd -X`), only the first time.
    let functions = std::array::from_fn(|index| lists[index].iter().map(|link| link.function).collect());
    if FUNCTIONS.set(functions).is_err() {
        return Ok(());
    }
    let entries = entries::<R>();
    for ((row, list), entry) in ROWS.iter().zip(&mut lists).zip(entries) {
        for (position, link) in list.iter_mut().enumerate() {
            link.function = if position == 0 { entry } else { nothing(row) };
        }
    }
    Ok(())
}

/// The elements of a list of httpd's; none where httpd has no such list, or nobody is in it.
///
/// # Errors
/// Its elements are of another size.
///
/// # Safety
///
/// The name is `ap_hook_get_` and that of a hook. The process has one thread, and the list is borrowed by nobody else.
pub(super) unsafe fn links<'l>(list: &CStr) -> Result<&'l mut [Link], String> {
    // SAFETY: the caller's word; functions of these names take nothing, and give null or an array, which is in the
    // configuration's pool.
    unsafe {
        let get = libc::dlsym(libc::RTLD_DEFAULT, list.as_ptr());
        if get.is_null() {
            return Ok(&mut []);
        }
        let get =
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut ffi::apr_array_header_t>(get);
        let Some(array) = get().as_mut() else { return Ok(&mut []) };
        if array.elt_size as usize != size_of::<Link>() {
            return Err(format!("{list:?} has elements of {} bytes", array.elt_size));
        }
        if array.elts.is_null() || array.nelts == 0 {
            return Ok(&mut []);
        }
        Ok(std::slice::from_raw_parts_mut(array.elts.cast(), array.nelts as usize))
    }
}

/// What comes behind the first of a list, which runs all of them.
fn nothing(row: &Row) -> Function {
    unsafe extern "C" fn declined(_: *mut ffi::request_rec, _: *mut c_void) -> c_int {
        ffi::DECLINED
    }
    unsafe extern "C" fn no_answer(_: *mut ffi::request_rec) {}
    // SAFETY: called with the type of its phase, which has the same parameters, or one less.
    unsafe {
        match row.kind {
            Kind::Void => std::mem::transmute::<VoidHook, Function>(no_answer),
            _ => std::mem::transmute::<SessionHook, Function>(declined),
        }
    }
}

/// The first of each list.
fn entries<R: PhaseRunner>() -> [Function; COUNT] {
    macro_rules! entries {
        ($($index:literal)*) => {
            // SAFETY: each is called with the type of its phase, which it has.
            unsafe { [$(match ROWS[$index].kind {
                Kind::Void => std::mem::transmute::<VoidHook, Function>(enter_void::<R, $index>),
                _ if $index == Phase::QuickHandler as usize => {
                    std::mem::transmute::<QuickHook, Function>(enter_quick::<R, $index>)
                }
                _ if $index >= Phase::SessionLoad as usize => {
                    std::mem::transmute::<SessionHook, Function>(enter_session::<R, $index>)
                }
                _ => std::mem::transmute::<Hook, Function>(enter::<R, $index>),
            }),*] }
        };
    }
    entries!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17)
}

unsafe extern "C" fn enter<R: PhaseRunner, const PHASE: usize>(r: *mut ffi::request_rec) -> c_int {
    // SAFETY: httpd passes a live request, and the thread that comes to its phase is the one that has it.
    unsafe { enter_with::<R, PHASE>(r, null_mut(), 0) }.unwrap_or(ffi::HTTP_INTERNAL_SERVER_ERROR)
}

unsafe extern "C" fn enter_quick<R: PhaseRunner, const PHASE: usize>(
    r: *mut ffi::request_rec,
    is_lookup: c_int,
) -> c_int {
    // SAFETY: httpd passes a live request, and the thread that comes to its phase is the one that has it.
    unsafe { enter_with::<R, PHASE>(r, null_mut(), is_lookup) }.unwrap_or(ffi::HTTP_INTERNAL_SERVER_ERROR)
}

unsafe extern "C" fn enter_void<R: PhaseRunner, const PHASE: usize>(r: *mut ffi::request_rec) {
    // SAFETY: httpd passes a live request, and the thread that comes to its phase is the one that has it.
    unsafe {
        if enter_with::<R, PHASE>(r, null_mut(), 0).is_some_and(|status| status != ffi::OK) {
            lose::<R, PHASE>(r);
        }
    }
}

unsafe extern "C" fn enter_session<R: PhaseRunner, const PHASE: usize>(
    r: *mut ffi::request_rec,
    session: *mut c_void,
) -> c_int {
    // SAFETY: mod_session passes a live request with its session, on the thread that has it.
    unsafe { enter_with::<R, PHASE>(r, session, 0) }.unwrap_or(ffi::APR_EGENERAL)
}

/// Has a phase run; `None` where that has panicked.
///
/// # Safety
///
/// `r` is a live request, which is this thread's; `session` is null or what mod_session passes with it.
unsafe fn enter_with<R: PhaseRunner, const PHASE: usize>(
    r: *mut ffi::request_rec,
    session: *mut c_void,
    is_lookup: c_int,
) -> Option<c_int> {
    let call = RawCall { phase: ROWS[PHASE].phase, session, is_lookup };
    let status = catch_panic(None, || {
        // SAFETY: the caller's word.
        let request = unsafe { Request::from_ptr(r) };
        Some(R::run(PhaseCall { request, call }).0)
    });
    let is_whole = match call.phase {
        // httpd does not look at the answer, and goes on.
        Phase::CreateRequest => status == Some(ffi::OK),
        _ => status.is_some(),
    };
    if !is_whole {
        // SAFETY: the caller's word.
        unsafe { lose::<R, PHASE>(r) };
    }
    status
}

/// Has a request refused, a phase of which could not be run.
///
/// # Safety
///
/// As `enter_with`.
unsafe fn lose<R: PhaseRunner, const PHASE: usize>(r: *mut ffi::request_rec) {
    catch_panic((), || {
        // SAFETY: the caller's word.
        let request = unsafe { Request::from_ptr(r) };
        let phase = ROWS[PHASE].phase;
        // No request can do without what core keeps with it (`core_create_req`).
        if phase == Phase::CreateRequest {
            let call = RawCall { phase, session: null_mut(), is_lookup: 0 };
            PhaseCall { request, call }.run();
        }
        R::lost(request);
    });
}
