//! A thread of the system that httpd's handlers can run on.
//!
//! Not `std::thread`: a handler may end its thread (`pthread_exit`), which unwinds the stack by force,
//! and `std` aborts the process when that reaches its own frames.

use super::boundary::guard;
use super::signals::{Quiet, swap_mask};
use super::stack::Stack;
use std::ffi::{CStr, c_long, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, OnceLock};

/// What a thread does.
pub trait Task: Send + Sync + 'static {
    /// Called first: keeps the task where the thread's own code finds it.
    fn adopt(self: Arc<Self>);
    /// Waits for work; `false` where there will be none, and the thread ends.
    fn wait(&self) -> bool;
    /// The work. Nothing with a destructor may be on the stack while httpd's handlers run.
    fn run(&self);
    /// Called last, however the thread comes to its end: after all that runs on it but the C library's own end of
    /// it. Not called where the process ends first.
    fn end(&self);
}

/// Names the calling thread, as `ps` and the kernel's audit records (`comm=`) have it: at most 15 bytes.
pub fn name_this(name: &CStr) {
    // SAFETY: the kernel copies the text.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// A thread under way. It is joined before this value is gone.
pub struct Thread {
    id: libc::pthread_t,
    stack: Option<Stack>,
}

impl Thread {
    /// Starts a thread on this stack. While it waits it has the signal mask of the caller's, and for its work the one
    /// that the caller had before `quiet`.
    pub fn start<T: Task>(task: Arc<T>, mut stack: Stack, quiet: &Quiet) -> io::Result<Thread> {
        stack.trim();
        let (base, size) = stack.extent();
        let start = Box::into_raw(Box::new(Start { task, mask: quiet.before }));
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised before use and destroyed once; the stack is as large as it says, and
        // stays until the thread is joined; `enter` takes the box back, or, where no thread came to be, the next
        // block does.
        let error = unsafe {
            let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
            let mut error = libc::pthread_attr_init(attributes.as_mut_ptr());
            if error == 0 {
                error = libc::pthread_attr_setstack(attributes.as_mut_ptr(), base, size);
                if error == 0 {
                    error = libc::pthread_create(
                        thread.as_mut_ptr(),
                        attributes.as_ptr(),
                        std::mem::transmute::<Enter, extern "C" fn(*mut c_void) -> *mut c_void>(enter::<T>),
                        start.cast(),
                    );
                }
                libc::pthread_attr_destroy(attributes.as_mut_ptr());
            }
            error
        };
        if error == 0 {
            // SAFETY: `pthread_create` wrote it.
            Ok(Thread { id: unsafe { thread.assume_init() }, stack: Some(stack) })
        } else {
            // SAFETY: no thread has taken the box.
            drop(unsafe { Box::from_raw(start) });
            Err(io::Error::from_raw_os_error(error))
        }
    }

    /// Waits for the thread's end, and gives its stack back.
    pub fn join(mut self) -> Stack {
        self.stack.take().inspect(|_| self.wait()).expect("a thread has its stack until it is joined")
    }

    fn wait(&self) {
        // SAFETY: a joinable thread, joined once: whoever calls this takes the stack.
        unsafe { libc::pthread_join(self.id, std::ptr::null_mut()) };
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            self.wait();
            drop(stack);
        }
    }
}

struct Start<T> {
    task: Arc<T>,
    /// The mask for the work, where it is not that for waiting.
    mask: Option<libc::sigset_t>,
}

type Enter = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

extern "C-unwind" fn enter<T: Task>(start: *mut c_void) -> *mut c_void {
    let (task, mask) = begin::<T>(start);
    // SAFETY: the thread's own value keeps the task until `last`, after this function.
    while unsafe { (*task).wait() } {
        let waiting = mask.as_ref().map(swap_mask);
        // SAFETY: as above.
        unsafe { (*task).run() };
        waiting.as_ref().map(swap_mask);
    }
    std::ptr::null_mut()
}

fn begin<T: Task>(start: *mut c_void) -> (*const T, Option<libc::sigset_t>) {
    // SAFETY: `Thread::start` made it from a box of this type, for this thread alone.
    let Start { task, mask } = *unsafe { Box::from_raw(start.cast::<Start<T>>()) };
    let kept = Arc::as_ptr(&task);
    End::keep(Arc::<T>::clone(&task));
    task.adopt();
    (kept, mask)
}

/// What is called when the thread ends: a value of the thread's whose destructor has itself called until the last
/// round, so that it runs after all others (glibc `nptl/nptl_deallocate_tsd.c`), and not where the process ends
/// (`exit` runs C++'s and Rust's thread-local destructors, and not these).
struct End {
    task: Arc<dyn Task>,
    rounds: c_long,
}

impl End {
    fn key() -> libc::pthread_key_t {
        static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
        *KEY.get_or_init(|| {
            let mut key = 0;
            // SAFETY: a place to write to, and a function that stays: children do not unload modules.
            let error = unsafe { libc::pthread_key_create(&mut key, Some(last)) };
            assert_eq!(error, 0, "there are thread-specific values left");
            key
        })
    }

    fn keep(task: Arc<dyn Task>) {
        // SAFETY: has no preconditions.
        let rounds = unsafe { libc::sysconf(libc::_SC_THREAD_DESTRUCTOR_ITERATIONS) };
        End::set(Box::into_raw(Box::new(End { task, rounds })));
    }

    fn set(end: *mut End) {
        // SAFETY: the key is this file's own, for values of this type.
        unsafe { libc::pthread_setspecific(End::key(), end.cast()) };
    }
}

extern "C" fn last(end: *mut c_void) {
    let end = end.cast::<End>();
    let is_over = guard(true, || {
        // SAFETY: what `keep` put there, this thread's own.
        let rounds = unsafe { &mut (*end).rounds };
        *rounds -= 1;
        if *rounds > 0 {
            End::set(end);
        }
        *rounds <= 0
    });
    if is_over {
        // Whatever happened: somebody waits for this. A lock and a wake-up do not panic.
        // SAFETY: as above; nobody calls with it again.
        unsafe { Box::from_raw(end) }.task.end();
    }
}
