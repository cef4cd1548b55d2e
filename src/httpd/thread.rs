//! A thread of the system that httpd's handlers can run on.
//!
//! Not `std::thread`: a handler may end its thread (`pthread_exit`), which unwinds the stack by force,
//! and `std` aborts the process when that reaches its own frames.

use super::connection::Guest;
use super::filter;
use super::handler::run_unwinding;
use super::panic::catch_panic;
use super::request::Ticket;
use super::signals::{BlockedSignals, swap_mask};
use super::stack::Stack;
use super::status::Status;
use crate::ffi;
use std::any::Any;
use std::ffi::{CStr, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What a thread does.
pub trait Task: Any + Send + Sync {
    /// Waits for work; `false` where there will be none, and the thread ends.
    fn wait(&self) -> bool;
    /// The request whose handler is to run on this thread, which is ready for it; `None`: nothing is to run.
    fn begin(&self) -> Option<Ticket>;
    /// Called when the request is about to leave the thread, with what its handler has answered; `None` where that has ended
    /// the thread, or could not be run.
    fn leave(&self, status: Option<Status>);
    /// Called last, however the thread comes to its end: after all that runs on it but the C library's own end of
    /// it. Not called where the process ends first.
    fn end(&self);
}

/// What `body` makes of the calling thread's task; `None` on a thread that has no such task.
pub fn with_task<T: Task, R>(body: impl FnOnce(&T) -> R) -> Option<R> {
    // SAFETY: the key is this file's own, for values of this type, of which each is there as long as its thread.
    let own = unsafe { libc::pthread_getspecific(Own::key()).cast::<Own>().as_ref() }?;
    let task: &dyn Any = &*own.task;
    task.downcast_ref().map(body)
}

/// A name for a thread, as `ps` and the kernel's audit records (`comm=`) have it.
pub struct ThreadName([u8; 16]);

impl ThreadName {
    /// The first 15 bytes of a text.
    pub fn new(text: &CStr) -> ThreadName {
        let mut name = [0; 16];
        name.iter_mut().zip(text.to_bytes().iter().take(15)).for_each(|(to, from)| *to = *from);
        ThreadName(name)
    }

    /// Names the calling thread.
    pub fn give(&self) {
        // SAFETY: the text ends with a NUL, and the kernel copies it.
        unsafe { libc::prctl(libc::PR_SET_NAME, self.0.as_ptr()) };
    }
}

/// A thread under way. It is joined before this value is gone.
pub struct Thread {
    id: libc::pthread_t,
    stack: Option<Stack>,
    /// The thread has a pointer to it.
    own: Arc<Own>,
}

impl Thread {
    /// Starts a thread on this stack. While it waits it has the signal mask of the caller's, and for its work the one
    /// that the caller had before `signals`.
    pub fn start(task: Arc<dyn Task>, mut stack: Stack, signals: &BlockedSignals) -> io::Result<Thread> {
        stack.trim();
        let (base, size) = stack.extent();
        let own =
            Arc::new(Own { task, mask: signals.before, rounds: AtomicI64::new(0), visit: Mutex::new(None) });
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised before use and destroyed once; the stack is as large as it says, and
        // stays until the thread is joined, as what `enter` is given does.
        let error = unsafe {
            let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
            let mut error = libc::pthread_attr_init(attributes.as_mut_ptr());
            if error == 0 {
                error = libc::pthread_attr_setstack(attributes.as_mut_ptr(), base, size);
                if error == 0 {
                    error = libc::pthread_create(
                        thread.as_mut_ptr(),
                        attributes.as_ptr(),
                        std::mem::transmute::<Enter, extern "C" fn(*mut c_void) -> *mut c_void>(enter),
                        Arc::as_ptr(&own).cast_mut().cast(),
                    );
                }
                libc::pthread_attr_destroy(attributes.as_mut_ptr());
            }
            error
        };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        // SAFETY: `pthread_create` wrote it.
        Ok(Thread { id: unsafe { thread.assume_init() }, stack: Some(stack), own })
    }

    /// Waits for the thread's end, and gives its stack back.
    ///
    /// # Panics
    /// It is the calling thread.
    pub fn join(mut self) -> Stack {
        self.wait().expect("no thread waits for its own end")
    }

    /// Waits for the thread's end; `None` where that is not to be had, or was before.
    fn wait(&mut self) -> Option<Stack> {
        let stack = self.stack.take()?;
        // SAFETY: a joinable thread, joined once: who comes here takes the stack.
        if unsafe { libc::pthread_join(self.id, std::ptr::null_mut()) } != 0 {
            // The calling thread runs on it, and goes on.
            std::mem::forget((stack, Arc::clone(&self.own)));
            return None;
        }
        Some(stack)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.wait();
    }
}

type Enter = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

/// # Safety
///
/// `own` is what `Thread::start` has made for this thread.
unsafe extern "C-unwind" fn enter(own: *mut c_void) -> *mut c_void {
    let own: *const Own = own.cast_const().cast();
    // SAFETY: `Thread` has it until this thread is joined. No reference to it is on the stack while handlers run.
    if !unsafe { &*own }.keep() {
        // Nothing may run where nobody could tell what it runs on.
        // SAFETY: `Thread` has it until this thread is joined.
        unsafe { &*own }.task.end();
        return std::ptr::null_mut();
    }
    // SAFETY: `Thread` has it until this thread is joined. The request is lent to this thread from `begin` to `leave`; and all
    // that is on the stack in between, here and in what `run_unwinding` is called by, is plain numbers and pointers.
    unsafe {
        while (*own).task.wait() {
            let waiting = (*own).mask.as_ref().map(swap_mask);
            if let Some(request) = (*own).begin() {
                let status = run_unwinding(request);
                (*own).leave(Some(status));
            }
            waiting.as_ref().map(swap_mask);
        }
    }
    std::ptr::null_mut()
}

/// What a thread is made with. It keeps it as a value of its own (`pthread_setspecific`), and not in a thread-local: for
/// that, and for its destructor, libc takes memory, and first makes the new thread a cache of it.
///
/// The value's destructor has itself called until the last round, so that it runs after all others (glibc
/// `nptl/nptl_deallocate_tsd.c`), and not where the process ends (`exit` runs C++'s and Rust's thread-local destructors,
/// and not these).
struct Own {
    task: Arc<dyn Task>,
    /// The mask for the work, where it is not that for waiting.
    mask: Option<libc::sigset_t>,
    /// How often the destructor was called.
    rounds: AtomicI64,
    /// The request whose handler runs on the thread; the thread's own.
    visit: Mutex<Option<Visit>>,
}

/// A request's stay on a thread.
struct Visit {
    ticket: Ticket,
    guest: Guest,
}

impl Own {
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

    /// Takes a request in, if one is to be; the pointer is good until it leaves.
    fn begin(&self) -> Option<*mut ffi::request_rec> {
        let mut ticket = self.task.begin()?;
        let request = ticket.redeem();
        let r = request.as_ptr();
        // SAFETY: the request is lent to this thread, and `leave` drops the value before it is back.
        let guest = catch_panic(None, || Some(unsafe { Guest::new((*r).connection, request.pool()) }));
        if let Some(guest) = guest {
            *self.visit() = Some(Visit { ticket, guest });
            return Some(r);
        }
        self.task.leave(None);
        None
    }

    /// Lets the request go, if there is one. What its handler has left on the thread is closed here, and not where the request
    /// goes on.
    fn leave(&self, status: Option<Status>) {
        let Some(Visit { mut ticket, guest }) = self.visit().take() else { return };
        catch_panic((), || filter::close(ticket.redeem(), || drop(guest)));
        self.task.leave(status);
    }

    fn visit(&self) -> MutexGuard<'_, Option<Visit>> {
        self.visit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it the calling thread's; `false` where there is no memory for that.
    fn keep(&self) -> bool {
        // SAFETY: the key is this file's own, for values of this type.
        unsafe { libc::pthread_setspecific(Own::key(), std::ptr::from_ref(self).cast()) == 0 }
    }
}

/// # Safety
///
/// `own` is what `keep` has kept.
unsafe extern "C" fn last(own: *mut c_void) {
    // SAFETY: what `keep` put there; `Thread` has it until this thread is joined.
    let own = unsafe { &*own.cast_const().cast::<Own>() };
    let is_over = catch_panic(true, || {
        // In the last round too: what else is destroyed in it may ask for the task.
        own.keep();
        // SAFETY: has no preconditions.
        let rounds = unsafe { libc::sysconf(libc::_SC_THREAD_DESTRUCTOR_ITERATIONS) };
        own.rounds.fetch_add(1, Ordering::Relaxed) + 1 >= rounds
    });
    if is_over {
        // Whatever happened: somebody waits for this. A lock and a wake-up do not panic.
        own.leave(None);
        own.task.end();
    }
}
