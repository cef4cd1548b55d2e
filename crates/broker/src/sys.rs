//! Starting a program, and what signals and inherited descriptors take: all of the crate's unsafe code.
//!
//! `std::process::Command` cannot tell a program its own number, which `sd_listen_fds(3)` compares.
#![allow(unsafe_code)]

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::{CString, c_char, c_int};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// A program about to be started.
pub(crate) struct Program<'p> {
    /// Its whole path, and its arguments.
    pub arguments: &'p [CString],
    /// Its environment, `NAME=value` each.
    pub environment: &'p [CString],
    /// Its listening socket, and as which descriptor it takes that: 0 or 3.
    pub listener: (BorrowedFd<'p>, RawFd),
    /// How much address space it may have, in bytes.
    pub memory: Option<u64>,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Process {
    pub id: Pid,
    /// Readable when it has ended.
    pub descriptor: OwnedFd,
}

/// `LISTEN_PID=`, with room for the digits of any number.
const LISTEN_PID: [u8; 22] = *b"LISTEN_PID=0000000000\0";

/// Starts a program as the leader of a session of its own, with its listener, `/dev/null` and the broker's standard error for
/// descriptors, and no other. It is in the context that `setexeccon` has chosen for this thread.
///
/// # Errors
/// It cannot be started: those of fork(2), of execve(2), and of what is done between.
///
/// # Panics
/// This process has another thread: what that holds, memory included, would be held in the new process for ever.
pub(crate) fn start(program: &Program<'_>) -> io::Result<Process> {
    assert_eq!(std::fs::read_dir("/proc/self/task")?.count(), 1, "the broker has one thread");
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let (result, report) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut listen_pid = LISTEN_PID;
    let arguments = pointers(program.arguments);
    let mut environment = pointers(program.environment);
    if program.listener.1 == 3 {
        // Before the NULL at the end.
        environment.insert(environment.len() - 1, listen_pid.as_mut_ptr().cast());
    }
    // SAFETY: this process has one thread. The child allocates nothing, and ends or becomes the program.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: this is the child; what is passed was made before, and is there until the program is.
            let error = unsafe { become_program(program, &null, &arguments, &environment, &mut listen_pid) };
            // SAFETY: a pipe that is open, and four bytes. Then the child ends, without what the parent would do at its end.
            unsafe {
                libc::write(report.as_raw_fd(), ptr::from_ref(&error).cast(), size_of_val(&error));
                libc::_exit(127)
            }
        }
        id => {
            drop(report);
            let id = Pid::from_raw(id).ok_or(io::ErrorKind::InvalidData)?;
            let descriptor = pidfd_open(id, PidfdFlags::empty())?;
            let mut error = Vec::new();
            File::from(result).read_to_end(&mut error)?;
            match error.try_into().map(i32::from_ne_bytes) {
                // The pipe was closed by execve.
                Err(_) => Ok(Process { id, descriptor }),
                Ok(error) => {
                    let _ = rustix::process::waitid(
                        rustix::process::WaitId::Pid(id),
                        rustix::process::WaitIdOptions::EXITED,
                    );
                    Err(io::Error::from_raw_os_error(error))
                }
            }
        }
    }
}

/// Has the signals that end a daemon (SIGTERM, SIGINT) wait to be read, instead of ending this process: readable when one is there.
///
/// # Errors
/// Those of sigprocmask(2) and signalfd(2).
pub(crate) fn ending_signals() -> io::Result<OwnedFd> {
    // SAFETY: a set of signals of this frame, which is made empty before it is used; the descriptor is new, and nobody else's.
    unsafe {
        let mut signals = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut signals);
        libc::sigaddset(&raw mut signals, libc::SIGTERM);
        libc::sigaddset(&raw mut signals, libc::SIGINT);
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const signals, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}

/// The descriptors from 3 on that a supervisor has left open for this process.
///
/// # Panics
/// They have been asked for before.
pub(crate) fn inherited(count: u32) -> Vec<OwnedFd> {
    static ASKED: AtomicBool = AtomicBool::new(false);
    assert!(!ASKED.swap(true, Ordering::Relaxed), "descriptors have one owner");
    // SAFETY: a number that is no descriptor's is refused.
    let is_open = |number: &RawFd| unsafe { libc::fcntl(*number, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    let own = |number| {
        // SAFETY: it is open, and nobody else is its owner: this is the first time that it is asked for, and the environment
        // says that it is for this process.
        unsafe { OwnedFd::from_raw_fd(number) }
    };
    (3..).take(count as usize).filter(is_open).map(own).collect()
}

/// Pointers to these texts, and NULL.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// Becomes the program; gives `errno` where that fails.
///
/// # Safety
/// This is the child of a process that had one thread. `arguments` and `environment` are pointers to texts, and end with NULL;
/// one of `environment` may be to `listen_pid`.
unsafe fn become_program(
    program: &Program<'_>,
    null: &File,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    listen_pid: &mut [u8; 22],
) -> c_int {
    let errno = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    let (listener, place) = (program.listener.0.as_raw_fd(), program.listener.1);
    let null = null.as_raw_fd();
    // SAFETY: all are system calls with descriptors that are open, and memory of the length given; `getpid` cannot fail.
    unsafe {
        if let Some(bytes) = program.memory {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            if libc::setrlimit(libc::RLIMIT_AS, &raw const limit) != 0 {
                return errno();
            }
        }
        // Neither may be where the other goes: both are beyond 3.
        let listener = libc::fcntl(listener, libc::F_DUPFD_CLOEXEC, 4);
        let null = libc::fcntl(null, libc::F_DUPFD_CLOEXEC, 4);
        if listener < 0 || null < 0 || libc::setsid() < 0 {
            return errno();
        }
        for standard in [0, 1].into_iter().filter(|standard| *standard != place) {
            if libc::dup2(null, standard) < 0 {
                return errno();
            }
        }
        // What was there is closed by dup2, what comes there is open after execve.
        if libc::dup2(listener, place) < 0 {
            return errno();
        }
        let beyond = if place == 3 { 4 } else { 3 };
        if libc::syscall(libc::SYS_close_range, beyond, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) != 0 {
            return errno();
        }
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut none);
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) != 0
            || libc::signal(libc::SIGPIPE, libc::SIG_DFL) == libc::SIG_ERR
        {
            return errno();
        }
        write_number(libc::getpid().unsigned_abs(), listen_pid);
        libc::execve(arguments[0], arguments.as_ptr(), environment.as_ptr());
    }
    errno()
}

/// Writes a number behind the variable's name, without zeros before it, which some take for octal.
fn write_number(number: u32, variable: &mut [u8; 22]) {
    let length = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut rest = number;
    for digit in variable["LISTEN_PID=".len()..][..length].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    variable["LISTEN_PID=".len() + length] = 0;
}

#[cfg(test)]
mod tests {
    use super::{LISTEN_PID, Program, start, write_number};
    use std::ffi::CString;
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_number_is_written_as_it_is_read() {
        for (number, text) in [(0, "0"), (7, "7"), (4_194_304, "4194304"), (u32::MAX, "4294967295")] {
            let mut variable = LISTEN_PID;
            write_number(number, &mut variable);
            let written = variable.split(|byte| *byte == 0).next().unwrap();
            assert_eq!(written, format!("LISTEN_PID={text}").as_bytes());
        }
    }

    // The broker has one thread, and a test has not: what is started, end-to-end tests show.
    #[test]
    #[should_panic(expected = "one thread")]
    fn nothing_is_started_beside_another_thread() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let none: [CString; 0] = [];
        assert!(fs::exists("/proc/self/task").unwrap());
        let _ = start(&Program {
            arguments: &none,
            environment: &none,
            listener: (listener.as_fd(), 0),
            memory: None,
        });
    }
}
