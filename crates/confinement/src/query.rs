//! Questions to the loaded policy and to mcstransd, at start: for a translated name, for what an
//! administrator's `httpd -t` cannot try, and for the rule that is missing where the kernel refused.

use super::{EncodedContext, EnterError, parse};
use mapping::{Context, Range};
use selinux::{SecurityClass, SecurityContext};
use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The raw range of a translated name such as `SystemLow`, as libselinux and mcstransd tell it; `None`
/// where the name stands for nothing.
pub fn translate_range(server: &Context, name: &str) -> Option<Range> {
    let text = format!("{}:{}:{}:{name}", server.user(), server.role(), server.type_());
    let text = CString::new(text).ok()?;
    let raw = SecurityContext::from_c_str(&text, false).to_raw_format().ok()?;
    parse(raw.as_bytes())?.range().cloned()
}

/// The context that httpd gets when the system starts it: what the policy makes of init executing
/// this program. `None` where that cannot be told.
pub fn httpd_context() -> Option<Context> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let init = SecurityContext::of_process(1, true).ok()?;
    let program = SecurityContext::of_path("/proc/self/exe", true, true).ok()??;
    let class = SecurityClass::from_name("process").ok()?;
    let context = init.of_labeling_decision(&program, class, "").ok()?;
    parse(context.as_bytes())
}

/// The type of a file, as the kernel has it.
pub fn type_of(path: &Path) -> Option<String> {
    Some(label_of(path)?.type_().to_owned())
}

/// The label of a file, as the kernel has it; of a link, what it leads to.
pub fn label_of(path: &Path) -> Option<Context> {
    parse(SecurityContext::of_path(path, true, true).ok()??.as_bytes())
}

/// The range that the policy gives to what a process in the context `maker` makes in a folder of a type and range; `None`
/// where it does not tell, or has no such type.
pub fn range_of_new(maker: &Context, folder: &str, range: &Range, class: &str) -> Option<Range> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let maker_text = CString::new(maker.to_string()).ok()?;
    let folder = CString::new(format!("{}:object_r:{folder}:{range}", maker.user())).ok()?;
    let class = SecurityClass::from_name(class).ok()?;
    let folder = SecurityContext::from_c_str(&folder, true);
    let made =
        SecurityContext::from_c_str(&maker_text, true).of_labeling_decision(&folder, class, "").ok()?;
    parse(made.as_bytes())?.range().cloned()
}

/// libselinux remembers what it has found of classes, without a lock.
static TURN: Mutex<()> = Mutex::new(());

/// Whether the policy lets a thread in this context change to another, or does not tell.
pub fn may_leave(target: &EncodedContext) -> bool {
    target.context().is_none_or(|context| allows(&context, &context, "setcurrent") != Some(false))
}

/// Whether the policy lets `subject` do this to `object`, of class `process`; `None` where it does not tell.
fn allows(subject: &Context, object: &Context, permission: &str) -> Option<bool> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let subject = CString::new(subject.to_string()).ok()?;
    let object = CString::new(object.to_string()).ok()?;
    let class = SecurityClass::from_name("process").ok()?;
    let bit = class.access_vector_bit(permission).ok()?;
    let decision = SecurityContext::from_c_str(&subject, true)
        .query_access_decision(&SecurityContext::from_c_str(&object, true), class, bit)
        .ok()?;
    Some(decision.allowed & bit == bit)
}

/// What gives a file its content, or its place: with its label, as another cannot have it.
const CHANGES: [&str; 6] = ["append", "create", "link", "relabelto", "rename", "write"];

/// Whether the policy lets one of `subjects` (each a user, role and type), at a file's own range, write to the file, or put
/// one with its type in its place; `None` where it does not tell.
pub fn may_change<'s>(subjects: impl Iterator<Item = &'s str>, file: BorrowedFd<'_>) -> Option<bool> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let object = SecurityContext::of_file(&file, true).ok()??;
    let range = parse(object.as_bytes())?.range()?.clone();
    let class = SecurityClass::from_name("file").ok()?;
    let bits = CHANGES.map(|permission| class.access_vector_bit(permission).ok());
    let bits = bits.into_iter().try_fold(0, |all, bit| Some(all | bit?))?;
    for subject in subjects {
        let subject = CString::new(format!("{subject}:{range}")).ok()?;
        let subject = SecurityContext::from_c_str(&subject, true);
        let decision = subject.query_access_decision(&object, class, bits).ok()?;
        if decision.allowed & bits != 0 {
            return Some(true);
        }
    }
    Some(false)
}

/// Why a server in the context `server` could not enter `target`, as far as the policy tells without
/// trying; `None` where nothing speaks against it.
pub fn objection(server: &Context, target: &Context) -> Option<String> {
    if !is_known(target) {
        return Some(UNKNOWN.to_owned());
    }
    if allows(server, server, "setcurrent") == Some(false) {
        return Some(setcurrent(server));
    }
    if allows(server, target, "dyntransition") == Some(false) {
        return Some(dyntransition(server, target));
    }
    None
}

/// Whether the loaded policy has a context, as far as it tells: its type, user and role go together, and its range is
/// one that the user may have.
pub fn is_known(context: &Context) -> bool {
    let text = CString::new(context.to_string()).unwrap_or_default();
    SecurityContext::from_c_str(&text, true).check() != Some(false)
}

/// What is wrong with one that it has not.
pub const UNKNOWN: &str = "the loaded policy has no such context: is the type spelled right, is its module loaded, may its role and user have it, and do its categories exist?";

fn setcurrent(server: &Context) -> String {
    format!("the policy lacks `(allow {} self (process (setcurrent)))`", server.type_())
}

fn dyntransition(server: &Context, target: &Context) -> String {
    format!(
        "the policy lacks `(allow {} {} (process (dyntransition)))`, or its constraints keep a server at this range, user and role from that one",
        server.type_(),
        target.type_()
    )
}

/// What the policy lacks where the kernel refused that `server` enters `target`, in words for the log.
///
/// The errors are those of `selinux_lsm_setattr` (`security/selinux/hooks.c`).
pub fn missing_rule(server: &Context, target: &Context, error: &EnterError) -> String {
    let EnterError::Refused(cause) = error else {
        return format!(
            "the policy lacks `(allow {} self (unix_stream_socket (create getopt)))`, by which a thread proves where it is",
            target.type_()
        );
    };
    match cause.kind() {
        io::ErrorKind::InvalidInput => UNKNOWN.to_owned(),
        // `security_bounded_transition`: a thread may only go to a type bounded by its own.
        _ if cause.raw_os_error() == Some(1) => {
            format!("the policy lacks `(typebounds {} {})`", server.type_(), target.type_())
        }
        io::ErrorKind::PermissionDenied if allows(server, server, "setcurrent") == Some(false) => {
            setcurrent(server)
        }
        io::ErrorKind::PermissionDenied => dyntransition(server, target),
        _ => "the kernel's log may tell more".to_owned(),
    }
}
