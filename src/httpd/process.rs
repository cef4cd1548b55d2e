//! A process beside httpd's children, made by the parent and kept alive by it, as mod_cgid's daemon is.

use crate::ffi;
use crate::httpd::hook::Server;
use crate::httpd::is_stopping;
use crate::httpd::log;
use crate::httpd::panic::catch_panic;
use crate::httpd::pool::Pool;
use crate::httpd::shm;
use messages::Code;
use std::ffi::{CStr, CString, c_int, c_void};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What such a process does, until it has reason to end.
pub trait Service {
    /// The process's name, as `ps` and `top` have it: at most 15 bytes.
    const NAME: &'static CStr;

    /// `is_first`: no other process has done this for this configuration before. `is_orphan`: whether httpd
    /// is gone.
    fn run(&self, is_first: bool, is_orphan: impl Fn() -> bool);
}

/// A service and its process, which the parent's list of other children points to.
struct Running<S> {
    service: S,
    configuration: *mut ffi::apr_pool_t,
    process: std::cell::UnsafeCell<ffi::apr_proc_t>,
    /// The process whose child it is.
    parent: u32,
    has_run: AtomicBool,
}

// SAFETY: the service is; the rest is looked at by the parent's one thread, and has no destructor.
unsafe impl<S: Send> Send for Running<S> {}

/// Starts a process for the service, and another whenever one has died, until the configuration goes.
pub fn start<S: Service + Send + 'static>(
    _: &Server<'_>,
    configuration: Pool<'_>,
    service: S,
) -> io::Result<()> {
    // SAFETY: all members are plain numbers and pointers, for which zero is 'nothing'.
    let process = unsafe { std::mem::zeroed() };
    let running = configuration.keep(Running {
        service,
        configuration: configuration.as_ptr(),
        process: std::cell::UnsafeCell::new(process),
        parent: std::process::id(),
        has_run: AtomicBool::new(false),
    });
    start_process(running)
}

fn start_process<S: Service>(running: &Running<S>) -> io::Result<()> {
    let is_first = !running.has_run.swap(true, Ordering::Relaxed);
    // SAFETY: the parent has one thread that runs Rust or holds a lock of this module: the one that starts the
    // server, or looks after its children.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            catch_panic((), || serve(running, is_first));
            // Not `exit`: the parent's memory is not this process's to tidy up.
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) }
        }
        pid => {
            let data = std::ptr::from_ref(running).cast_mut().cast::<c_void>();
            // SAFETY: `running` lives as long as the pool, and only the parent's one thread comes here.
            unsafe {
                (*running.process.get()).pid = pid;
                ffi::apr_proc_other_child_register(
                    running.process.get(),
                    Some(maintain::<S>),
                    data,
                    std::ptr::null_mut(),
                    running.configuration,
                );
            }
            Ok(())
        }
    }
}

fn serve<S: Service>(running: &Running<S>, is_first: bool) {
    // SAFETY: plain calls on this process alone, which has one thread: signals do what they do to any process
    // (httpd's handlers would act on httpd's children), it ends with its parent, and holds no port open.
    unsafe {
        for signal in
            [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGWINCH, libc::SIGINT, libc::SIGCHLD]
        {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::prctl(libc::PR_SET_NAME, S::NAME.as_ptr());
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        ffi::ap_close_listeners();
    }
    let is_orphan = || std::os::unix::process::parent_id() != running.parent;
    running.service.run(is_first, is_orphan);
}

/// What APR calls for what becomes of the process (`apr_proc_other_child_register`).
unsafe extern "C" fn maintain<S: Service>(reason: c_int, data: *mut c_void, _status: c_int) {
    catch_panic((), || {
        // SAFETY: registered with this, which lives as long as the configuration's pool.
        let running = unsafe { &*data.cast::<Running<S>>() };
        match reason {
            ffi::APR_OC_REASON_DEATH | ffi::APR_OC_REASON_LOST => {
                // SAFETY: registered, once; only the parent's one thread comes here. APR calls this function
                // again, for the process that is no more.
                unsafe {
                    (*running.process.get()).pid = 0;
                    ffi::apr_proc_other_child_unregister(data);
                }
                if is_stopping() {
                    return;
                }
                let text = "the process that takes up changed maps has died: another is made";
                log::server(&Code::WatcherDied.message(text));
                if let Err(error) = start_process(running) {
                    let text = format!("changed maps cannot be taken up: {error}");
                    log::server(&Code::FilesNotPublished.message(text));
                }
            }
            // SAFETY: registered, once; only the parent's one thread comes here.
            ffi::APR_OC_REASON_RESTART => unsafe { ffi::apr_proc_other_child_unregister(data) },
            ffi::APR_OC_REASON_UNREGISTER => {
                // SAFETY: only the parent's one thread comes here.
                let pid = unsafe { (*running.process.get()).pid };
                // Children of httpd that end let go of the configuration as well.
                if pid > 0 && std::process::id() == running.parent {
                    // SAFETY: a child of this process, not waited for yet. Under `httpd -X`, this process has become
                    // another user and may not kill it: it ends by itself, as an orphan.
                    unsafe {
                        if libc::kill(pid, libc::SIGKILL) == 0 {
                            libc::waitpid(pid, std::ptr::null_mut(), 0);
                        }
                    }
                }
            }
            _ => {}
        }
    });
}

/// So many words that this process keeps under a name from httpd's first start to its end, however often the
/// configuration is read again and the module loaded, and shares with the processes it forks; at first all 0.
///
/// To be called at a start.
pub fn lasting(main: &Server<'_>, name: &str, words: usize) -> io::Result<&'static [AtomicU64]> {
    // As many are found as were put there.
    let name = CString::new(format!("{name}, {words} words"))?;
    let mut found = std::ptr::null_mut::<c_void>();
    // SAFETY: every server has the process it is in, whose pool is there to the end; the start has one thread.
    let pool = unsafe {
        let pool = (*(*main.as_ptr()).process).pool;
        ffi::apr_pool_userdata_get(&mut found, name.as_ptr(), pool);
        pool
    };
    if !found.is_null() {
        // SAFETY: what the lines below put there, of this module as it was loaded before: so many words, never unmapped.
        return Ok(unsafe { std::slice::from_raw_parts(found.cast(), words) });
    }
    let kept = shm::lasting(words)?;
    // SAFETY: the process's pool, on the start's one thread; APR copies the name, which goes with the module.
    unsafe { ffi::apr_pool_userdata_set(kept.as_ptr().cast(), name.as_ptr(), None, pool) };
    Ok(kept)
}

/// Keeps this process from writing core files, for as long as it lives, and gives what keeps it from that.
///
/// A core file has the label of the thread that crashed, so a confined page could read in it what all of httpd has in memory.
/// Where the kernel hands cores to a program instead (`|` and `@` of core(5)), none is written here.
pub fn forbid_core_files() -> io::Result<()> {
    let pattern = std::fs::read("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if matches!(pattern.first(), Some(b'|' | b'@')) {
        return Ok(());
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads the limits, and takes them for the whole process.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // Then there is no core of any kind.
    // SAFETY: plain numbers.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } == 0 { Ok(()) } else { Err(error) }
}

/// The user this process acts as.
pub fn user() -> u32 {
    // SAFETY: has no preconditions.
    unsafe { libc::geteuid() }
}

/// The group that children run as (`Group`), where they run as another than this process.
pub fn children_group() -> Option<u32> {
    if user() != 0 {
        return None;
    }
    // SAFETY: mod_unixd fills it while the configuration is read, on this thread.
    Some(unsafe { ffi::ap_unixd_config.group_id })
}

/// `DefaultRuntimeDir`.
pub fn runtime_folder(configuration: Pool<'_>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    // SAFETY: a live pool, and a C string; the answer is null or a text in the pool.
    let path = unsafe {
        let path = ffi::ap_runtime_dir_relative(configuration.as_ptr(), c"".as_ptr());
        (!path.is_null()).then(|| CStr::from_ptr(path))
    }?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(path.to_bytes())))
}
