//! Which line of a compiled map decides, against the rule of order written out.

use proptest::prelude::*;
use std::net::IpAddr;

use super::super::map::Map;
use super::super::map::tests::rules;
use super::super::network::tests::address;
use super::super::selector::Selector;
use super::super::selector::tests::other_bytes;
use super::*;

/// Users that rules are for, users that none is for, and names that mean something in a file.
fn user() -> impl Strategy<Value = Option<Vec<u8>>> {
    let text = "[a-cA-C]{1,2}|\\*|__anonymous__|0\\.0\\.0\\.1|\\p{Greek}{1,3}|[a-c @*.#\"]{1,3}";
    proptest::option::of(prop_oneof![text.prop_map(String::into_bytes), other_bytes()])
}

/// The manual's words: of all lines that apply, of which the networks count as one, that with the
/// longest prefix, the first decides.
fn naive_find<'l>(map: &'l Map, client: &Client<'_>) -> Option<&'l Line> {
    let prefix = |line: &&Line| match &line.who {
        Selector::Net(network) => Some(network.prefix()),
        _ => None,
    };
    let applying = || map.lines().iter().filter(|line| line.who.matches(client, map.case()));
    let longest = applying().filter_map(|line| prefix(&line)).max();
    applying().find(|line| prefix(line).is_none() || prefix(line) == longest)
}

fn compiled(text: &str) -> CompiledMap<Vec<u8>> {
    CompiledMap::open(Map::parse(text.as_bytes()).unwrap().compile().unwrap()).unwrap()
}

fn server() -> Context {
    Context::parse("system_u:system_r:httpd_t:s0-s0:c0.c9").unwrap()
}

/// A translation of the names that `spec_text` makes, none of which is a range.
fn translate(name: &str) -> Option<Range> {
    (name != "Unknown").then(|| Range::parse("s0:c77").unwrap())
}

proptest! {
    #[test]
    fn the_first_of_the_lines_that_apply_decides(
        rules in rules(),
        user in user(),
        groups in proptest::collection::vec(prop_oneof!["[a-cA-C]{1,2}".prop_map(String::into_bytes), other_bytes()], 0..3),
        address in proptest::option::of(address()),
        case in prop_oneof![Just(""), Just("ignore-case\n")],
    ) {
        let text: String = rules.iter().map(|(who, domain)| format!("{who} {domain}\n")).collect();
        let text = format!("{case}{text}");
        // Names may be the same where case is ignored.
        let Ok(map) = Map::parse(text.as_bytes()) else {
            prop_assert!(!case.is_empty());
            return Ok(());
        };
        let groups: Vec<_> = groups.iter().map(Vec::as_slice).collect();
        let client = Client { user: user.as_deref(), groups: &groups, address };
        let expected = naive_find(&map, &client);
        let compiled = compiled(&text);
        let found = compiled.find(&client);
        prop_assert_eq!(
            found,
            expected.map(|line| Found { line: line.number, spec: line.spec.clone() })
        );
        // The context is what the spec leads to, wherever it leads to one.
        let resolved = ResolvedMap::open(compiled.resolved(&server(), translate).unwrap()).unwrap();
        let context = resolved.find(&client).unwrap();
        prop_assert_eq!(context.as_ref().map(|found| found.0), expected.map(|line| line.number));
        if let Some((line, (_, context))) = expected.zip(context) {
            let range = line.spec.translated_range().and_then(translate);
            let spec = range.map_or(line.spec.clone(), |range| line.spec.clone().with_raw_range(range));
            if let Ok(expected) = spec.resolve(&server()) {
                prop_assert_eq!(context, expected.to_string());
            }
        }
    }

    #[test]
    fn compiling_loses_nothing(rules in rules()) {
        let text: String = rules.iter().map(|(who, domain)| format!("{who} {domain}\n")).collect();
        let map = Map::parse(text.as_bytes()).unwrap();
        let compiled = compiled(&text);
        let mut lines: Vec<_> = compiled.lines().collect();
        lines.sort_by_key(|line| line.number);
        prop_assert_eq!(&lines, map.lines());
        prop_assert_eq!(compiled.len(), lines.len());
        // Few lines are all tried.
        let tried: std::collections::HashSet<_> = compiled.trials().map(|found| found.spec).collect();
        let all: std::collections::HashSet<_> = lines.into_iter().map(|line| line.spec).collect();
        prop_assert_eq!(tried, all);
    }

    #[test]
    fn damage_is_noticed_or_harmless(at in any::<prop::sample::Index>(), bits in 1_u8.., cut in any::<bool>()) {
        let map = Map::parse(b"foo a_t:s0:c1\nbar b_t\n192.0.2.0/24 c_t\n@staff d_t:s0\n").unwrap();
        let mut file = map.compile().unwrap();
        let at = at.index(file.len());
        if cut { file.truncate(at) } else { file[at] ^= bits }
        prop_assert!(CompiledMap::open(file).is_err());
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(CompiledMap::open(bytes.clone()).is_err());
        prop_assert!(ResolvedMap::open(bytes).is_err());
    }
}

#[test]
fn file_order_decides_between_kinds_and_the_longest_prefix_between_networks() {
    let map = compiled(
        "foo a_t\n192.0.2.0/24 b_t\nbar c_t\n@staff d_t\n192.0.2.8/29 e_t\n__anonymous__ f_t\n* g_t\nbaz h_t\n",
    );
    let near: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
    let nearer: Option<IpAddr> = Some("192.0.2.9".parse().unwrap());
    for (user, groups, address, line) in [
        (Some("foo"), &[][..], near, 1),
        (Some("bar"), &[], near, 2),
        // The network of the longest prefix stands behind the user's own line.
        (Some("bar"), &[], nearer, 3),
        (Some("qux"), &["STAFF"], nearer, 4),
        (Some("qux"), &["staffer"], nearer, 5),
        // Nobody in particular is in no group.
        (None, &["staff"], None, 6),
        (Some("baz"), &[], None, 7),
        (Some("__anonymous__"), &[], None, 7),
        (Some("*"), &[], None, 7),
    ] {
        let groups: Vec<_> = groups.iter().map(|name: &&str| name.as_bytes()).collect();
        let found = map
            .find(&Client { user: user.map(str::as_bytes), groups: &groups, address })
            .map(|found| found.line);
        assert_eq!(found, Some(line), "{user:?} {groups:?} {address:?}");
    }
}

#[test]
fn of_many_ranges_the_tried_ones_are_spread_and_have_the_highest_category() {
    let text: String = (0..2000).map(|n| format!("u{n} a_t:s0:c{}\n", n % 1500)).collect();
    let tried: Vec<_> = compiled(&format!("{text}x b_t\ny b_t:Name\n")).trials().collect();
    let of = |type_: &str| tried.iter().filter(|found| found.spec.to_string().starts_with(type_)).count();
    assert_eq!((of("a_t"), of("b_t")), (TRIALS, 2));
    assert!(tried.iter().any(|found| found.spec.to_string() == "a_t:s0:c1499" && found.line == 1500));
}

#[test]
fn an_unknown_name_of_a_range_is_an_error() {
    let map = compiled("foo a_t:Unknown\n");
    assert!(matches!(map.resolved(&server(), translate), Err(SpecError::Untranslated(_))));
}

#[test]
fn a_context_too_long_for_the_kernel_is_an_error() {
    let categories: Vec<_> = (0..742).map(|n| format!("c{}", n * 2)).collect();
    let map = compiled(&format!("* {}:s0:{}\n", "t".repeat(180), categories.join(",")));
    let resolved = ResolvedMap::open(map.resolved(&server(), translate).unwrap()).unwrap();
    let client = Client { user: None, groups: &[], address: None };
    assert_eq!(resolved.find(&client), Err(CompiledError::Damaged));
}

#[test]
fn a_list_that_claims_more_texts_than_it_has_is_damage_whatever_the_checksum() {
    let file = Map::parse(b"foo a_t:s0:c1\nbar b_t\n").unwrap().compile().unwrap();
    for list in [BASES, RANGES] {
        let mut file = file.clone();
        let at = file_format::read(Kind::Map, &file).unwrap()[list].start;
        file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let sum = crc32fast::hash(&file[12..]).to_le_bytes();
        file[8..12].copy_from_slice(&sum);
        assert_eq!(CompiledMap::open(file).err(), Some(CompiledError::Damaged));
    }
}
