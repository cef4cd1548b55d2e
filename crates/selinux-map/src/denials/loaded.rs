//! The policy that this machine's kernel has.

use std::ffi::CString;

use mapping::Context;
use selinux::{SecurityClass, SecurityContext};

/// Whether it lets `source` do all of this to `target`; `None` where it does not tell: without SELinux, without root's
/// privileges, or where it does not know a name.
pub fn allows(source: &Context, target: &Context, class: &str, permissions: &[String]) -> Option<bool> {
    let (source, target) = (CString::new(source.to_string()).ok()?, CString::new(target.to_string()).ok()?);
    let (source, target) =
        (SecurityContext::from_c_str(&source, true), SecurityContext::from_c_str(&target, true));
    if source.check() != Some(true) || target.check() != Some(true) {
        return None;
    }
    let class = SecurityClass::from_name(class).ok()?;
    let bits = permissions.iter().map(|permission| class.access_vector_bit(permission).ok());
    let bits = bits.into_iter().try_fold(0, |all, bit| Some(all | bit?))?;
    let decision = source.query_access_decision(&target, class, bits).ok()?;
    Some(decision.allowed & bits == bits)
}
