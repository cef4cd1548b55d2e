//! Faults that tests plant (`tests/e2e/lifecycle/panics.rs`, `memory.rs`): a panic where a callback is entered, an allocation that fails.
//!
//! It stands in for `crates/boundary`, in no build for use: only the package `tests/faults` has it. Which fault is on says a
//! file that the test writes and httpd has mapped from the module's loading on: a worker could not open it.

#[allow(missing_docs, clippy::new_without_default, reason = "they are as in std::sync")]
pub mod sync;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CStr;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const FILE: &CStr = c"/run/httpd-test/faults";

/// What the file has in it.
#[repr(C)]
struct Page {
    /// The allocation of the module's that fails, counted from now; 0: none does.
    failing: AtomicU32,
    /// Words that all are in the name of the callback that panics, up to a NUL; none: no callback does.
    words: [u8; 252],
}

/// The file in memory, once `strike` has been called.
static PAGE: OnceLock<Option<Mapped>> = OnceLock::new();

struct Mapped(NonNull<Page>);

// SAFETY: never unmapped; a number that is atomic, and bytes that are copied before they are looked at.
unsafe impl Send for Mapped {}
// SAFETY: nobody but the test writes to it, and that is what is read.
unsafe impl Sync for Mapped {}

fn map() -> Option<Mapped> {
    // SAFETY: a C string; the mapping is the file's first page, which stays.
    let place = unsafe {
        let file = libc::open(FILE.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let place =
            libc::mmap(null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file, 0);
        libc::close(file);
        place
    };
    if place == libc::MAP_FAILED { None } else { NonNull::new(place.cast()).map(Mapped) }
}

/// As in `crates/boundary`. Each has a symbol of its own, by which the tests know all that C calls.
#[inline(never)]
pub fn enter<T, F: FnOnce() -> T>(body: F) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(|| {
        strike(std::any::type_name::<F>());
        body()
    }))
}

/// Panics where the test says so of a callback with this name.
fn strike(name: &str) {
    let Some(page) = PAGE.get_or_init(map) else { return };
    // SAFETY: the mapping is the file's first page, which stays.
    let words = unsafe { (&raw const (*page.0.as_ptr()).words).read_volatile() };
    let words = CStr::from_bytes_until_nul(&words).ok().and_then(|words| words.to_str().ok()).unwrap_or("");
    if words == "misbehave" {
        misbehave();
    } else if !words.is_empty() && words.split(' ').all(|word| name.contains(word)) {
        panic!("planted in {name}");
    }
}

/// What memory checkers must find (`checks/valgrind`): reads what is free, writes what other threads write, and forgets
/// what it has.
fn misbehave() {
    static SHARED: AtomicU32 = AtomicU32::new(0);
    // SAFETY: there is none, which is what is to be found; the system's allocator leaves the page mapped.
    let read = unsafe {
        let place = libc::malloc(64).cast::<u32>();
        libc::free(place.cast());
        place.read_volatile()
    };
    // What helgrind takes for a plain write.
    black_box(&SHARED).store(read, Ordering::Relaxed);
    std::mem::forget(black_box(Box::new([read; 25])));
}

/// The module's memory, as if the system had no more of it.
struct Scarce;

#[global_allocator]
static SCARCE: Scarce = Scarce;

// SAFETY: the system's, but that an allocation may fail.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(Some(page)) = PAGE.get() {
            // SAFETY: the mapping is the file's first page, which stays.
            let failing = unsafe { &(*page.0.as_ptr()).failing };
            let next = |count: u32| count.checked_sub(1);
            if failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) == Ok(1) {
                return null_mut();
            }
        }
        // SAFETY: the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's word.
        unsafe { System.dealloc(place, layout) }
    }
}
