//! Preloaded into httpd by tests (`tests/e2e/injected.rs`): gives the kernel's answers about contexts otherwise than
//! the kernel does, for what a test cannot provoke in a kernel.
//!
//! Which fault is on says the first byte of a file that the test writes and httpd has mapped: a worker could not open
//! it. Nothing here may use what locks or allocates: it runs in place of the system calls that these make.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

const FILE: *const c_char = c"/run/httpd-test/fault".as_ptr();
/// Only what has this in its environment is meant: a preloaded library comes to every program.
const MARK: *const c_char = c"SELINUX_SHIM".as_ptr();

const LSM_GET_SELF_ATTR: c_long = 459;
const LSM_SET_SELF_ATTR: c_long = 460;

/// The fault that is on; 0 where none is.
fn fault() -> u8 {
    static PLACE: AtomicPtr<u8> = AtomicPtr::new(null_mut());
    static NOTHING: u8 = 0;
    let mut place = PLACE.load(Ordering::Acquire);
    if place.is_null() {
        place = map().unwrap_or(std::ptr::from_ref(&NOTHING).cast_mut());
        PLACE.store(place, Ordering::Release);
    }
    // SAFETY: one readable byte, for as long as the process lives.
    unsafe { place.read_volatile() }
}

fn map() -> Option<*mut u8> {
    // SAFETY: C strings; the mapping is the file's first page, which stays.
    unsafe {
        if libc::getenv(MARK).is_null() {
            return None;
        }
        let file = libc::open(FILE, libc::O_RDONLY);
        let place = libc::mmap(null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, file, 0);
        (place != libc::MAP_FAILED).then_some(place.cast())
    }
}

fn fails(errno: c_int) -> c_long {
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// The function of this name that this library stands before.
fn next(name: *const c_char) -> *mut c_void {
    // SAFETY: a C string.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name) }
}

/// # Safety
///
/// As libc's; the arguments that a call does not have are whatever the registers hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    type Syscall = unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    let mut place = NEXT.load(Ordering::Acquire);
    if place.is_null() {
        place = next(c"syscall".as_ptr());
        NEXT.store(place, Ordering::Release);
    }
    // SAFETY: libc's function, which takes up to seven words.
    let real = || unsafe { std::mem::transmute::<*mut c_void, Syscall>(place)(number, a, b, c, d, e, f) };
    if number != LSM_GET_SELF_ATTR && number != LSM_SET_SELF_ATTR {
        return real();
    }
    match (number, fault()) {
        (LSM_SET_SELF_ATTR, b'1') => fails(libc::EPERM),
        (LSM_SET_SELF_ATTR, b'2') => fails(libc::ENOMEM),
        // As if it had been done.
        (LSM_SET_SELF_ATTR, b'3') => 0,
        (LSM_GET_SELF_ATTR, b'4') => fails(libc::EIO),
        (LSM_GET_SELF_ATTR, b'5') => {
            let result = real();
            // The context's first letter is another, behind the four words of `struct lsm_ctx`.
            // SAFETY: the caller's buffer, which has more than that.
            unsafe { *(b as *mut u8).add(32) = b'x' };
            result
        }
        // As before Linux 6.8.
        (_, b'6' | b'7' | b'8') => fails(libc::ENOSYS),
        _ => real(),
    }
}

/// # Safety
///
/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockopt(
    socket: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    length: *mut libc::socklen_t,
) -> c_int {
    type Getsockopt = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void, *mut libc::socklen_t) -> c_int;
    // SAFETY: libc's function, with its caller's arguments.
    let result = unsafe {
        std::mem::transmute::<*mut c_void, Getsockopt>(next(c"getsockopt".as_ptr()))(
            socket, level, name, value, length,
        )
    };
    if (level, name) != (libc::SOL_SOCKET, libc::SO_PEERSEC) {
        return result;
    }
    match fault() {
        b'7' => fails(libc::EACCES) as c_int,
        b'8' if result == 0 => {
            // SAFETY: the caller's buffer, with a context in it.
            unsafe { *value.cast::<u8>() = b'x' };
            0
        }
        _ => result,
    }
}
