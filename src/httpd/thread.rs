//! A thread of the system that httpd's handlers can run on, and the signals of one that waits.
//!
//! Not `std::thread`: a handler may end its thread (`pthread_exit`), which unwinds the stack by force,
//! and `std` aborts the process when that reaches its own frames.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// What a thread does.
pub trait Task: Send + Sync + 'static {
    /// Called first: keeps the task in a thread-local, whose destructor tells that the thread ends,
    /// however it ends.
    fn adopt(self: Arc<Self>);
    /// The work. Nothing with a destructor may be on the stack while httpd's handlers run.
    fn run(&self);
}

/// Names the calling thread, as `ps` and the kernel's audit records (`comm=`) have it: at most 15 bytes.
pub fn name_this(name: &CStr) {
    // SAFETY: the kernel copies the text.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// A thread under way. It is joined before this value is gone.
pub struct Thread(libc::pthread_t);

impl Thread {
    /// Starts a thread with the signal mask that the caller had before `quiet`.
    ///
    /// `stack` is its size in bytes, else the system's default.
    pub fn start<T: Task>(task: Arc<T>, stack: Option<usize>, quiet: &Quiet) -> io::Result<Thread> {
        let start = Box::new(Start { task, mask: quiet.before });
        let start = Box::into_raw(start);
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised before use and destroyed once; `enter` takes the box
        // back, or, where no thread came to be, the next block does.
        let error = unsafe {
            let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
            let mut error = libc::pthread_attr_init(attributes.as_mut_ptr());
            if error == 0 {
                if let Some(bytes) = stack {
                    error = libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), bytes);
                }
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
            Ok(Thread(unsafe { thread.assume_init() }))
        } else {
            // SAFETY: no thread has taken the box.
            drop(unsafe { Box::from_raw(start) });
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: a joinable thread, joined once.
        unsafe { libc::pthread_join(self.0, std::ptr::null_mut()) };
    }
}

struct Start<T> {
    task: Arc<T>,
    mask: libc::sigset_t,
}

type Enter = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

extern "C-unwind" fn enter<T: Task>(start: *mut c_void) -> *mut c_void {
    let task = begin::<T>(start);
    // SAFETY: `adopt` keeps the task until the thread's thread-locals end, after this function.
    unsafe { (*task).run() };
    std::ptr::null_mut()
}

fn begin<T: Task>(start: *mut c_void) -> *const T {
    // SAFETY: `Thread::start` made it from a box of this type, for this thread alone.
    let Start { task, mask } = *unsafe { Box::from_raw(start.cast::<Start<T>>()) };
    let kept = Arc::as_ptr(&task);
    task.adopt();
    // SAFETY: a valid set, read only.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut()) };
    kept
}

/// Keeps httpd's own signals from a thread while it waits for another that runs a handler.
///
/// Under prefork they would run `just_die` (`server/mpm/prefork`) on the waiting thread, which destroys
/// the child's pools under the running handler. The running one has the mask it would have without
/// the module, and so have the processes it forks.
pub struct Quiet {
    before: libc::sigset_t,
}

impl Quiet {
    /// Blocks the signals until the value is gone.
    pub fn new() -> Quiet {
        Quiet {
            before: change_mask(
                libc::SIG_BLOCK,
                &[libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGWINCH],
            ),
        }
    }

    /// Runs something with the mask of before: this thread is the running one meanwhile.
    pub fn lifted<T>(&self, body: impl FnOnce() -> T) -> T {
        let blocked = Quiet { before: swap_mask(&self.before) };
        let result = body();
        drop(blocked);
        result
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        swap_mask(&self.before);
    }
}

/// Blocks or unblocks (`how`) signals on this thread; gives the mask of before. A signal's handler may call it.
pub(super) fn change_mask(how: c_int, signals: &[c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: the sets are initialised by the calls, which take no pointers that outlive them.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        libc::pthread_sigmask(how, set.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

/// Gives this thread a mask; gives that of before.
pub(super) fn swap_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    let mut before = MaybeUninit::uninit();
    // SAFETY: a valid set; the call fills `before`, and fails only for a bad first argument.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, before.as_mut_ptr());
        before.assume_init()
    }
}
