//! Who gets which context: domain specs, contexts, rules, map files and the decision.
//!
//! Owns every text format an administrator writes and the order in which rules are tried. It must
//! not do I/O, call libselinux or httpd, or know whether the loaded policy has a type: what is
//! right here is right on every machine, and the caller checks the rest.

#![forbid(unsafe_code)]

mod compiled;
mod context;
mod decision;
mod escape;
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
mod trust;

pub use compiled::{CompileError, CompiledMap, Found, ResolvedMap};
pub use context::{Context, ContextError, MAX_CONTEXT};
pub use decision::{Decision, Peer, RefusalReason, Rule, Unmapped, decide};
pub use escape::Escaped;
pub use file_format::CompiledError;
pub use groups::{GroupError, GroupFault, GroupFile, Groups};
pub use map::{Fault, Line, Map, MapError};
pub use name::{Case, Quoted, Shown, fold};
pub use network::{Network, NetworkError};
pub use range::{Range, RangeError};
pub use rule_list::{Iter, RuleList};
pub use selector::{Client, Selector, SelectorError};
pub use spec::{DomainSpec, SpecError};
pub use tag::{is_tag, tag};
pub use trust::{Distrust, distrust, first_untrusted};
