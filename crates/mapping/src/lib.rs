//! Who gets which context: domain specs, contexts, rules, map files and the decision.
//!
//! Owns every text format an administrator writes and the order in which rules are tried. It must
//! not do I/O, call libselinux or httpd, or know whether the loaded policy has a type: what is
//! right here is right on every machine, and the caller checks the rest.

#![forbid(unsafe_code)]

mod compiled;
mod context;
mod decision;
mod file_format;
mod groups;
mod lookup;
mod map;
#[cfg(test)]
mod model_tests;
mod name;
mod network;
mod range;
mod rule_list;
mod selector;
mod spec;
mod tag;

pub use compiled::{CompileError, CompiledError, CompiledMap, Found, ResolvedMap};
pub use context::{Context, ContextError};
pub use decision::{Decision, Peer, Rule, Unmapped, Why, decide};
pub use groups::{GroupError, GroupFault, GroupFile, Groups};
pub use map::{Fault, Line, Map, MapError};
pub use name::{Case, Quoted, Shown, fold};
pub use network::{Network, NetworkError};
pub use range::{Range, RangeError};
pub use rule_list::{Chain, Iter};
pub use selector::{Asker, Who, WhoError};
pub use spec::{DomainSpec, SpecError};
pub use tag::{is_tag, tag};

/// The longest context, in bytes, that the kernel takes: `lsm_set_self_attr` allows a page for its
/// 32-byte header, the text and the NUL after it; `attr/current` a little more.
pub const MAX_CONTEXT: usize = 4096 - 32 - 1;

/// How much of an offending text an error message repeats.
const SHOWN: usize = 80;

/// `text` between backquotes, fit for a log line: control characters are escaped, so that text
/// from outside cannot forge a line of its own, and a long text is cut short.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let rest = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
    format!("`{shown}{rest}`")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn text_from_outside_cannot_forge_a_log_line() {
        assert_eq!(quoted("a\nb\u{202e}"), r"`a\nb\u{202e}`");
        assert_eq!(quoted(&"x".repeat(5000)).len(), 80 + 5);
    }
}
