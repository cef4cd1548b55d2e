//! The contexts that rules lead to: worked out, and entered for trial, before a request comes or a changed
//! map is taken up.

use crate::selinux::{self, EncodedContext, EnterError, SharedContext, query};
use mapping::{Context, DomainSpec, Range, SpecError};
use messages::{Code, Message};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// How many contexts of one type are entered for trial. Whether a type can be entered does not hang on the range but
/// for the policy's constraints; each new context costs the kernel milliseconds, and memory for good.
const TRIALS: usize = 4;

/// For how many contexts of one type the kernel is asked whether the policy has them.
const CHECKS: usize = 256;

/// What is wrong: one message for each thing.
pub type Faults = Vec<Message>;

/// A domain spec, with where it is written and where the context it leads to is kept, if it is.
pub type LocatedSpec<'s> = (String, DomainSpec, Option<&'s OnceLock<SharedContext>>);

/// A context that rules lead to.
pub struct ReachableContext {
    /// The place that names it first.
    pub location: String,
    /// The context.
    pub context: Context,
    target: SharedContext,
}

impl ReachableContext {
    fn fault(&self, server: &Context, why: &str) -> Message {
        let ReachableContext { location, context, .. } = self;
        Code::ContextRefused.message(format!("{location}: {context} cannot be entered from {server}: {why}"))
    }
}

/// So many of them, evenly spread, with the first and the last.
fn sample<'a>(
    reachable: &[&'a ReachableContext],
    count: usize,
) -> impl Iterator<Item = &'a ReachableContext> {
    let (count, last) = (reachable.len().min(count), reachable.len() - 1);
    (0..count).map(move |pick| reachable[if count == 1 { last } else { pick * last / (count - 1) }])
}

/// The distinct contexts that rules lead to, by their text.
pub struct ContextSet(BTreeMap<String, ReachableContext>);

impl ContextSet {
    /// Works out the contexts of these specs for a server in the context `server`, and puts each where it is kept.
    ///
    /// # Errors
    /// [`Code::BadSpec`] for each spec that leads to none.
    pub fn of<'s>(
        specs: impl Iterator<Item = LocatedSpec<'s>>,
        server: &Context,
    ) -> Result<ContextSet, Faults> {
        let mut reachable = BTreeMap::new();
        let mut by_spec = HashMap::new();
        let mut faults = Faults::new();
        for (location, spec, place) in specs {
            let target = by_spec.entry(spec).or_insert_with_key(|spec| match resolve(spec, server) {
                Ok(context) => {
                    let text = context.to_string();
                    let reached = reachable.entry(text.clone()).or_insert_with(|| ReachableContext {
                        location,
                        context,
                        target: Arc::new(EncodedContext::new(text)),
                    });
                    Some(Arc::clone(&reached.target))
                }
                Err(error) => {
                    faults.push(Code::BadSpec.message(format!("{location}: {spec}: {error}")));
                    None
                }
            });
            if let (Some(target), Some(place)) = (target, place) {
                let _ = place.set(Arc::clone(target));
            }
        }
        if faults.is_empty() { Ok(ContextSet(reachable)) } else { Err(faults) }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ReachableContext> {
        self.0.values()
    }

    /// User, role and type of the contexts, with colons between them: each once.
    pub fn bases(&self) -> Vec<String> {
        let base = |reached: &ReachableContext| {
            format!("{}:{}:{}", reached.context.user(), reached.context.role(), reached.context.type_())
        };
        self.iter().map(base).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Has the kernel check the contexts, and enters some of each type on threads that then end: an even sample by
    /// range, with the highest. The calling process is where the server is.
    ///
    /// # Errors
    /// [`Code::ContextRefused`] for each that cannot be entered, with the policy rule that is missing.
    pub fn probe(&self, server: &Context) -> Result<(), Faults> {
        let mut by_type: BTreeMap<&str, Vec<&ReachableContext>> = BTreeMap::new();
        for reached in self.iter() {
            by_type.entry(reached.context.type_()).or_default().push(reached);
        }
        let mut faults = Faults::new();
        for reachable in by_type.values_mut() {
            reachable.sort_by_key(|reached| reached.context.range().map(Range::highest));
            let unknown = sample(reachable, CHECKS).filter(|reached| !query::is_known(&reached.context));
            let unknown: Faults = unknown.map(|reached| reached.fault(server, query::UNKNOWN)).collect();
            if !unknown.is_empty() {
                faults.extend(unknown);
                continue;
            }
            faults.extend(sample(reachable, TRIALS).filter_map(|reached| {
                let error: EnterError = selinux::probe(&reached.target).err()?;
                let missing = query::missing_rule(server, &reached.context, &error);
                Some(reached.fault(server, &format!("{error}; {missing}")))
            }));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Asks the policy what can be asked without being the server.
    ///
    /// # Errors
    /// [`Code::ContextRefused`] for each context that something speaks against.
    pub fn ask_policy(&self, server: &Context) -> Result<(), Faults> {
        let faults = self.iter().filter_map(|reached| {
            let why = query::objection(server, &reached.context)?;
            Some(reached.fault(server, &why))
        });
        let faults: Faults = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The first of them that is not at the server's own range, and confined by it.
    pub fn below(&self, server: &Context) -> Option<&ReachableContext> {
        self.iter().find(|reached| {
            reached.context.type_() != server.type_() && reached.context.range() != server.range()
        })
    }
}

/// The whole context of a domain spec for a server in the context `server`, with translated ranges looked up.
pub fn resolve(spec: &DomainSpec, server: &Context) -> Result<Context, SpecError> {
    match spec.translated_range().and_then(|name| query::translate_range(server, name)) {
        Some(range) => spec.clone().with_raw_range(range).resolve(server),
        None => spec.resolve(server),
    }
}
