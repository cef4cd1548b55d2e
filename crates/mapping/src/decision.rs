//! The decision: what the rules say of one request.
//!
//! Owns the order of things when rules are tried, and that an error is never 'no match'. It must
//! not look anything up itself: the caller tries each rule.

use super::context::Context;
use super::escape::quoted;
use super::file_format::CompiledError;
use super::range::Range;
use super::rule_list::RuleList;
use super::spec::SpecError;

/// A rule of the configuration: where a request's domain comes from. `T` is what a domain has
/// become (a spec, or a context that is ready to enter), `M` what a map file has, `P` what asks a
/// provider, and the domain where it grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rule<T, M, P> {
    /// This domain, for every request.
    Val(T),
    /// The domain in the environment variable of this name; a request without it is not matched.
    Env(String),
    /// The domain of the map's line for whoever asks.
    Map(M),
    /// A domain for requests that a provider of httpd's authorization grants.
    Provider(P),
}

/// What to do where rules stand and none matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unmapped {
    /// Refuse the request.
    #[default]
    Refuse,
    /// Serve it in the server context.
    Server,
}

/// Whether the label of the client's connection has a say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Peer {
    /// No.
    #[default]
    None,
    /// Its range takes the place of the one that the rules give.
    Range,
}

/// What the rules say of one request. `C` is a context in whatever form the caller enters it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision<C> {
    /// Serve it in the server context.
    Keep,
    /// Serve it in this context, and in no other.
    Enter(C),
    /// Do not serve it.
    Refuse(RefusalReason),
}

/// Why a request is refused: text for the log, never for the client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RefusalReason {
    /// No rule matches. The client is not allowed in: 403.
    #[error(
        "no rule matches: add one for whoever asks, or set SELinuxUnmapped server to serve such \
         requests unconfined"
    )]
    Unmapped,
    /// An environment variable has no domain in it. The server is set up wrongly: 500.
    #[error("the environment variable {}: {error}", quoted(variable))]
    BadValue {
        /// The variable's name.
        variable: String,
        /// What is wrong with its value.
        error: SpecError,
    },
    /// A map has lines for groups, and the place no group file: 500.
    #[error("the map has lines for groups (@group), and no AuthGroupFile stands here: add one")]
    NoGroupFile,
    /// What was published of a map or a group file is not what it should be: 500.
    #[error("the published map cannot be used: {0}")]
    BadFile(CompiledError),
    /// A provider does not know. It is never taken for a denial: 500.
    #[error("the provider `{0}` failed: httpd's own message says why")]
    ProviderFailed(String),
    /// The client's connection has no range that could be known. The client is not allowed in: 403.
    #[error(
        "SELinuxDomainPeer range, and {0}: have the client's host label what it sends (NetLabel; \
         `netlabelctl -p map list` tells what this host does), or set SELinuxDomainPeer none here"
    )]
    NoPeer(String),
    /// The context has no folder for temporary files, and none can be made: 500.
    #[error("the context's folder in SELinuxPrivateTmp cannot be used: {0}")]
    NoPrivateTmp(String),
    /// A rule whose context was not made ready when the server started: 500.
    #[error("the rule that matches was not tried when the server started")]
    Unprepared,
}

/// Tries the rules of `chain` in order. `try_rule` gives the context of the rule it is given, or
/// `None` where the rule does not match this request.
///
/// Without rules the answer is [`Decision::Keep`]. The first rule that matches decides, and so
/// does the first that fails, even where a later one would match; `unmapped` decides where no
/// rule matches.
pub fn decide<'c, R, C>(
    chain: Option<&'c RuleList<'_, R>>,
    unmapped: Unmapped,
    mut try_rule: impl FnMut(&'c R) -> Result<Option<C>, RefusalReason>,
) -> Decision<C> {
    let Some(chain) = chain else {
        return Decision::Keep;
    };
    for rule in chain {
        match try_rule(rule) {
            Ok(None) => {}
            Ok(Some(context)) => return Decision::Enter(context),
            Err(why) => return Decision::Refuse(why),
        }
    }
    match unmapped {
        Unmapped::Refuse => Decision::Refuse(RefusalReason::Unmapped),
        Unmapped::Server => Decision::Keep,
    }
}

impl<C> Decision<C> {
    /// What it becomes where the range of the client's connection counts: `peer` is that range, or
    /// why there is none. `server` is the server context, and `context` tells which one a `C` is.
    ///
    /// Nothing is served in the server context itself any more, and what was refused stays so.
    pub fn with_peer_range(
        self,
        peer: Result<Range, String>,
        server: &Context,
        context: impl FnOnce(&C) -> Context,
    ) -> Decision<Context> {
        let whole = match &self {
            Self::Refuse(why) => return Decision::Refuse(why.clone()),
            Self::Keep => server.clone(),
            Self::Enter(target) => context(target),
        };
        match peer {
            Ok(range) => Decision::Enter(whole.with_range(Some(range))),
            Err(reason) => Decision::Refuse(RefusalReason::NoPeer(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rule_list::tests::Arena;
    use super::*;

    type Outcome = Result<Option<u8>, RefusalReason>;

    fn bad_value() -> RefusalReason {
        RefusalReason::BadValue { variable: "DOMAIN".to_owned(), error: SpecError::Empty }
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            4 => Just(Ok(None)),
            1 => any::<u8>().prop_map(|context| Ok(Some(context))),
            1 => Just(Err(bad_value())),
        ]
    }

    fn naive(rules: &[Outcome], unmapped: Unmapped) -> Decision<u8> {
        if rules.is_empty() {
            return Decision::Keep;
        }
        let first = rules.iter().find(|outcome| **outcome != Ok(None)).cloned();
        match (first, unmapped) {
            (Some(Ok(context)), _) => Decision::Enter(context.unwrap()),
            (Some(Err(why)), _) => Decision::Refuse(why),
            (None, Unmapped::Refuse) => Decision::Refuse(RefusalReason::Unmapped),
            (None, Unmapped::Server) => Decision::Keep,
        }
    }

    proptest! {
        #[test]
        fn the_first_match_or_error_decides(
            rules in proptest::collection::vec(outcome(), 0..10),
            splits in proptest::collection::vec(any::<usize>(), 10),
            unmapped in prop_oneof![Just(Unmapped::Refuse), Just(Unmapped::Server)],
        ) {
            let mut splits = splits.into_iter();
            let arena = Arena::new(rules.len());
            let chain = (!rules.is_empty()).then(|| arena.build(&rules, &mut |n| 1 + splits.next().unwrap() % (n - 1)));
            let mut tried = 0;
            let decision = decide(chain, unmapped, |outcome| { tried += 1; outcome.clone() });
            prop_assert_eq!(decision, naive(&rules, unmapped));
            let needed = rules.iter().position(|outcome| *outcome != Ok(None));
            prop_assert_eq!(tried, needed.map_or(rules.len(), |index| index + 1));
        }
    }

    #[test]
    fn refusing_is_the_default() {
        assert_eq!(Unmapped::default(), Unmapped::Refuse);
    }

    #[test]
    fn the_peers_range_replaces_any_other_and_lifts_no_refusal() {
        let server = Context::parse("system_u:system_r:httpd_t:s0").unwrap();
        let mapped = Context::parse("system_u:system_r:user_webapp_t:s0:c1").unwrap();
        let at = |decision: Decision<Context>, peer| decision.with_peer_range(peer, &server, Context::clone);
        let range = || Range::parse("s0:c3").map_err(|_| String::new());
        let none = || Err("it has no label".to_owned());
        for (decision, expected) in [
            (Decision::Enter(mapped), "system_u:system_r:user_webapp_t:s0:c3"),
            (Decision::Keep, "system_u:system_r:httpd_t:s0:c3"),
        ] {
            let expected = Decision::Enter(Context::parse(expected).unwrap());
            assert_eq!(at(decision.clone(), range()), expected);
            assert_eq!(
                at(decision, none()),
                Decision::Refuse(RefusalReason::NoPeer("it has no label".to_owned()))
            );
        }
        assert_eq!(
            at(Decision::Refuse(RefusalReason::Unmapped), range()),
            Decision::Refuse(RefusalReason::Unmapped)
        );
        assert_eq!(
            at(Decision::Refuse(RefusalReason::Unmapped), none()),
            Decision::Refuse(RefusalReason::Unmapped)
        );
        assert_eq!(Peer::default(), Peer::None);
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        assert_eq!(
            bad_value().to_string(),
            "the environment variable `DOMAIN`: the domain is empty: write type or type:range, \
             such as user_webapp_t:s0:c0"
        );
    }
}
