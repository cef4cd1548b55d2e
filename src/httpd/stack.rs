//! Stacks for threads, used again: making one costs system calls, page faults and other processors' time.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Memory for a thread's stack, with a guard below it; used by one thread after the other.
pub struct Stack {
    base: NonNull<c_void>,
    size: usize,
    /// How many threads it had.
    uses: u32,
}

// SAFETY: nobody but the thread that runs on it uses what it points to.
unsafe impl Send for Stack {}

/// A stack keeps this much memory at its top when it is trimmed.
const KEPT: usize = 64 << 10;

/// After so many threads the stack is trimmed: one of them may have gone deep.
const USES: u32 = 64;

impl Stack {
    /// Makes one of so many bytes, else of the system's default size.
    pub fn new(size: Option<usize>) -> io::Result<Stack> {
        // SAFETY: has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let size = size.unwrap_or_else(default_size).max(libc::PTHREAD_STACK_MIN).next_multiple_of(page);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: new memory, anywhere.
        let guard = unsafe { libc::mmap(std::ptr::null_mut(), page + size, protection, flags, -1, 0) };
        if guard == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: within the memory just made.
        let base = unsafe { guard.byte_add(page) };
        let stack = Stack { base: NonNull::new(base).expect("a mapping is not at null"), size, uses: 0 };
        // SAFETY: the lowest page of the memory just made.
        if unsafe { libc::mprotect(guard, page, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the rest of it. A huge page would be made resident whole; where there are none, nothing is lost.
        unsafe { libc::madvise(base, size, libc::MADV_NOHUGEPAGE) };
        Ok(stack)
    }

    /// Its lowest address, and how many bytes it has from there.
    pub(super) fn extent(&self) -> (*mut c_void, usize) {
        (self.base.as_ptr(), self.size)
    }

    /// Called before each thread that is to run on it: gives memory back now and then.
    pub(super) fn trim(&mut self) {
        self.uses += 1;
        if self.uses.is_multiple_of(USES) && self.size > KEPT {
            // SAFETY: memory of this stack's, which no thread runs on.
            unsafe { libc::madvise(self.base.as_ptr(), self.size - KEPT, libc::MADV_DONTNEED) };
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        // SAFETY: the memory that `new` made, with its guard; no thread runs on it.
        unsafe { libc::munmap(self.base.as_ptr().byte_sub(page), page + self.size) };
    }
}

/// What `pthread_create` would give a thread.
fn default_size() -> usize {
    let mut size = 0;
    // SAFETY: the attributes are initialised before use and destroyed once.
    unsafe {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        if libc::pthread_attr_init(attributes.as_mut_ptr()) == 0 {
            libc::pthread_attr_getstacksize(attributes.as_ptr(), &mut size);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
    }
    size
}
