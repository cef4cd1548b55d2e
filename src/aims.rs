//! The contexts that rules lead to: worked out, and entered for trial, before a request comes or a changed
//! map is taken up.

use crate::config::Target;
use crate::lsm::{self, EnterError, Prepared};
use crate::policy::{Context, DomainSpec, SpecError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// How many contexts of one type are entered for trial; each takes the kernel memory for good.
const TRIALS_A_TYPE: usize = 256;

/// What is wrong: one text for each thing.
pub type Faults = Vec<String>;

/// A domain spec, with where it is written and where the context it leads to is kept, if it is.
pub type Written<'s> = (String, DomainSpec, Option<&'s OnceLock<Target>>);

/// A context that rules lead to.
pub struct Aim {
    /// The place that names it first.
    pub location: String,
    /// The context.
    pub context: Context,
    target: Target,
}

/// The distinct contexts that rules lead to, by their text.
pub struct Aims(BTreeMap<String, Aim>);

impl Aims {
    /// Works out the contexts of these specs for a server in the context `server`, and puts each where it is kept.
    ///
    /// # Errors
    /// SEL0023 for each spec that leads to none.
    pub fn of<'s>(specs: impl Iterator<Item = Written<'s>>, server: &Context) -> Result<Aims, Faults> {
        let mut aims = BTreeMap::new();
        let mut by_spec = HashMap::new();
        let mut faults = Faults::new();
        for (location, spec, place) in specs {
            let target = by_spec.entry(spec).or_insert_with_key(|spec| match resolve(spec.clone(), server) {
                Ok(context) => {
                    let text = context.to_string();
                    let aim = aims.entry(text.clone()).or_insert_with(|| Aim {
                        location,
                        context,
                        target: Arc::new(Prepared::new(text)),
                    });
                    Some(Arc::clone(&aim.target))
                }
                Err(error) => {
                    faults.push(format!("SEL0023: {location}: {spec}: {error}"));
                    None
                }
            });
            if let (Some(target), Some(place)) = (target, place) {
                let _ = place.set(Arc::clone(target));
            }
        }
        if faults.is_empty() { Ok(Aims(aims)) } else { Err(faults) }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Aim> {
        self.0.values()
    }

    /// Enters each context on a thread that then ends; of each type, so many. The calling process is where the
    /// server is.
    ///
    /// # Errors
    /// SEL0024 for each that cannot be entered, with the policy rule that is missing.
    pub fn probe(&self, server: &Context) -> Result<(), Faults> {
        let mut trials: HashMap<&str, usize> = HashMap::new();
        self.faults(server, |aim| {
            let trials = trials.entry(aim.context.type_()).or_default();
            *trials += 1;
            if *trials > TRIALS_A_TYPE {
                return None;
            }
            let error: EnterError = lsm::probe(&aim.target).err()?;
            let missing = lsm::missing_rule(server, &aim.context, &error);
            Some(format!("{error}; {missing}"))
        })
    }

    /// Asks the policy what can be asked without being the server.
    ///
    /// # Errors
    /// SEL0024 for each context that something speaks against.
    pub fn ask_policy(&self, server: &Context) -> Result<(), Faults> {
        self.faults(server, |aim| lsm::objection(server, &aim.context))
    }

    fn faults<'a>(
        &'a self,
        server: &Context,
        mut objection: impl FnMut(&'a Aim) -> Option<String>,
    ) -> Result<(), Faults> {
        let faults = self.iter().filter_map(|aim| {
            let (why, Aim { location, context, .. }) = (objection(aim)?, aim);
            Some(format!("SEL0024: {location}: {context} cannot be entered from {server}: {why}"))
        });
        let faults: Faults = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The first of them that is not at the server's own range, and confined by it.
    pub fn below(&self, server: &Context) -> Option<&Aim> {
        self.iter().find(|aim| aim.context.type_() != server.type_() && aim.context.range() != server.range())
    }
}

/// The whole context of a domain spec for a server in the context `server`, with translated ranges looked up.
pub fn resolve(spec: DomainSpec, server: &Context) -> Result<Context, SpecError> {
    let range = spec.translated_range().and_then(|name| lsm::translate_range(server, name));
    let spec = match range {
        Some(range) => spec.with_raw_range(range),
        None => spec,
    };
    spec.resolve(server)
}
