//! All of it at once: from what an administrator writes, and who asks, to the decision, put together as the module
//! does it, against the manual's words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::network::tests::address;
use super::rule_list::tests::Arena;
use super::*;

const SERVER: &str = "system_u:system_r:httpd_t:s0-s0:c0.c9";

/// Domains, and the contexts they are for the server; `None`: malformed, or none.
const DOMAINS: [(&str, Option<&str>); 14] = [
    ("a_t", Some("system_u:system_r:a_t:s0-s0:c0.c9")),
    ("a_t:s0:c2,c1", Some("system_u:system_r:a_t:s0:c1,c2")),
    ("*:s0:c3", Some("system_u:system_r:httpd_t:s0:c3")),
    ("b_u:b_r:b_t:s0", Some("b_u:b_r:b_t:s0")),
    ("*", Some(SERVER)),
    ("", None),
    ("a b", None),
    ("0_t", None),
    ("a_t:", None),
    ("a_t:s0:c5.c3", None),
    ("a_t:s0 ", None),
    ("a_t:Unknown", None),
    ("b_u:b_r:b_t", None),
    ("a_t:c1", None),
];
/// The first so many are good.
const GOOD: usize = 5;

/// A directive: a domain is told by its place in `DOMAINS`.
#[derive(Clone, Debug)]
enum Written {
    Val(usize),
    Env(&'static str),
    Map(Vec<(String, usize)>),
    /// A published map that is not what it should be.
    Damaged,
    /// What the provider says: it grants, denies, or fails.
    Provider(Option<bool>, usize),
}

#[derive(Clone, Debug)]
struct Section {
    rules: Vec<Written>,
    unmapped: Option<Unmapped>,
}

#[derive(Clone, Debug)]
struct Request {
    user: Option<String>,
    groups: Vec<String>,
    address: Option<IpAddr>,
    environment: BTreeMap<&'static str, usize>,
}

fn who() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        Just("__anonymous__".to_owned()),
        "[ab]",
        "@[gh]",
        "0\\.0\\.0\\.0/(0|8|30|31)",
        "(0\\.0\\.0\\.[0-3]|0\\.0\\.0\\.0/(0|8|30|31)|::/0|::2)",
    ]
}

fn rule() -> impl Strategy<Value = Written> {
    let lines = proptest::collection::vec((who(), 0..GOOD), 0..5).prop_map(|mut lines| {
        let mut seen = std::collections::HashSet::new();
        lines.retain(|(who, _)| seen.insert(Selector::parse(who).unwrap()));
        Written::Map(lines)
    });
    prop_oneof![
        1 => (0..GOOD).prop_map(Written::Val),
        4 => prop_oneof![Just("ONE"), Just("TWO")].prop_map(Written::Env),
        6 => lines,
        1 => Just(Written::Damaged),
        4 => (prop_oneof![2 => Just(Some(false)), 1 => Just(Some(true)), 1 => Just(None)], 0..GOOD)
            .prop_map(|(answer, domain)| Written::Provider(answer, domain)),
    ]
}

fn section() -> impl Strategy<Value = Section> {
    let unmapped = prop_oneof![Just(Unmapped::Refuse), Just(Unmapped::Server)];
    (proptest::collection::vec(rule(), 0..4), proptest::option::of(unmapped))
        .prop_map(|(rules, unmapped)| Section { rules, unmapped })
}

fn request() -> impl Strategy<Value = Request> {
    let environment = proptest::collection::btree_map(
        prop_oneof![Just("ONE"), Just("TWO")],
        prop_oneof![0..GOOD, 0..DOMAINS.len()],
        0..3,
    );
    let groups = proptest::collection::vec("[ghG]", 0..2);
    let near = (0_u32..4).prop_map(|bits| IpAddr::from(bits.to_be_bytes()));
    let address = proptest::option::of(prop_oneof![near, address()]);
    (proptest::option::of("[abc]|\\*|__anonymous__"), groups, address, environment)
        .prop_map(|(user, groups, address, environment)| Request { user, groups, address, environment })
}

/// The manual's words: the innermost section's rules first, each section's as written; the first that matches decides,
/// and what is malformed, or fails, on the way to it, refuses.
fn reference(
    outermost_first: &[Section],
    request: &Request,
    client: &Client<'_>,
) -> Result<Option<String>, u16> {
    let rules: Vec<_> = outermost_first.iter().rev().flat_map(|section| &section.rules).collect();
    for rule in &rules {
        let domain = match rule {
            Written::Val(domain) | Written::Provider(Some(true), domain) => Some(*domain),
            Written::Env(name) => request.environment.get(name).copied(),
            Written::Map(lines) => deciding(lines, client),
            Written::Provider(Some(false), _) => None,
            Written::Damaged | Written::Provider(None, _) => return Err(500),
        };
        let Some(domain) = domain else { continue };
        return DOMAINS[domain].1.map(|context| Some(context.to_owned())).ok_or(500);
    }
    let unmapped = outermost_first.iter().rev().find_map(|section| section.unmapped);
    if rules.is_empty() || unmapped == Some(Unmapped::Server) { Ok(None) } else { Err(403) }
}

/// The first line that applies; of networks, only the longest does.
fn deciding(lines: &[(String, usize)], client: &Client<'_>) -> Option<usize> {
    let applying = || lines.iter().map(|(who, domain)| (Selector::parse(who).unwrap(), *domain));
    let applying = || applying().filter(|(who, _)| who.matches(client, Case::Counts));
    let prefix =
        |who: &Selector| if let Selector::Net(network) = who { Some(network.prefix()) } else { None };
    let longest = applying().filter_map(|(who, _)| prefix(&who)).max();
    applying().find(|(who, _)| prefix(who).is_none() || prefix(who) == longest).map(|(_, domain)| domain)
}

/// What the module makes of a rule when it starts.
type Prepared = Rule<Context, ResolvedMap<Vec<u8>>, (Option<bool>, Context)>;

fn context(domain: &str, server: &Context) -> Result<Context, SpecError> {
    DomainSpec::parse(domain)?.resolve(server)
}

fn prepare(rule: &Written, server: &Context) -> Prepared {
    let good = |domain: usize| context(DOMAINS[domain].0, server).unwrap();
    let map = |text: &str| {
        let compiled = Map::parse(text.as_bytes()).unwrap().compile().unwrap();
        let resolved = CompiledMap::open(compiled).unwrap().resolved(server, |_| None).unwrap();
        Rule::Map(ResolvedMap::open(resolved).unwrap())
    };
    match rule {
        Written::Val(domain) => Rule::Val(good(*domain)),
        Written::Env(name) => Rule::Env((*name).to_owned()),
        Written::Map(lines) => {
            let lines = lines.iter().map(|(who, domain)| format!("{who}\t{}\n", DOMAINS[*domain].0));
            map(&lines.collect::<String>())
        }
        Written::Damaged => {
            let categories: Vec<_> = (0..742).map(|number| format!("c{}", number * 2)).collect();
            map(&format!("* {}:s0:{}\n", "t".repeat(180), categories.join(",")))
        }
        Written::Provider(answer, domain) => Rule::Provider((*answer, good(*domain))),
    }
}

fn try_rule(
    rule: &Prepared,
    request: &Request,
    client: &Client<'_>,
    server: &Context,
) -> Result<Option<String>, RefusalReason> {
    match rule {
        Rule::Val(context) => Ok(Some(context.to_string())),
        Rule::Env(name) => match request.environment.get(name.as_str()) {
            None => Ok(None),
            Some(domain) => match context(DOMAINS[*domain].0, server) {
                Ok(context) => Ok(Some(context.to_string())),
                Err(error) => Err(RefusalReason::BadValue { variable: name.clone(), error }),
            },
        },
        Rule::Map(map) => Ok(map.find(client).map_err(RefusalReason::BadFile)?.map(|(_, context)| context)),
        Rule::Provider((Some(granted), context)) => Ok(granted.then(|| context.to_string())),
        Rule::Provider((None, _)) => Err(RefusalReason::ProviderFailed("group".to_owned())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn from_the_texts_to_the_decision(
        sections in proptest::collection::vec(section(), 0..4),
        request in request(),
    ) {
        let server = Context::parse(SERVER).unwrap();
        let prepared: Vec<Vec<_>> = sections
            .iter()
            .map(|section| section.rules.iter().map(|rule| prepare(rule, &server)).collect())
            .collect();
        let arena = Arena::new(prepared.iter().map(Vec::len).sum::<usize>() + sections.len());
        // Directive by directive, and then each section into those around it.
        let mut merged = None;
        for rules in &prepared {
            let mut own = None;
            for rule in rules {
                let rule = arena.keep(RuleList::rule(rule));
                own = Some(own.map_or(rule, |before| arena.keep(RuleList::then(before, rule))));
            }
            merged = match (own, merged) {
                (Some(inner), Some(outer)) => Some(arena.keep(RuleList::then(inner, outer))),
                (inner, outer) => inner.or(outer),
            };
        }
        let unmapped = sections.iter().rev().find_map(|section| section.unmapped).unwrap_or_default();
        let groups: Vec<_> = request.groups.iter().map(String::as_bytes).collect();
        let client = Client { user: request.user.as_deref().map(str::as_bytes), groups: &groups, address: request.address };
        let decision = decide(merged, unmapped, |rule| try_rule(rule, &request, &client, &server));
        let told = match decision {
            Decision::Keep => Ok(None),
            Decision::Enter(context) => Ok(Some(context)),
            Decision::Refuse(RefusalReason::Unmapped) => Err(403),
            Decision::Refuse(_) => Err(500),
        };
        prop_assert_eq!(told, reference(&sections, &request, &client));
    }
}

#[test]
fn the_domains_are_as_good_as_they_are_said_to_be() {
    let server = Context::parse(SERVER).unwrap();
    for (index, (domain, expected)) in DOMAINS.into_iter().enumerate() {
        assert_eq!(context(domain, &server).ok().map(|context| context.to_string()).as_deref(), expected);
        assert_eq!(expected.is_some(), index < GOOD);
    }
}
