//! Who is said to change context, and who does.

use mapping::{Client, CompiledMap, DomainSpec, Map};
use proptest::prelude::*;

use super::*;
use crate::explain::tests::{facts, map_text};

fn changes(old: &str, new: &str) -> Differences {
    let parse = |text: &str| Map::parse(text.as_bytes()).unwrap();
    let (old, new) = (parse(old), parse(new));
    compare((old.lines(), old.case()), (new.lines(), new.case()))
}

fn text(old: &str, new: &str) -> String {
    changes(old, new).to_string()
}

/// Any two maps, or one and its lines in another order.
fn two_maps() -> impl Strategy<Value = (String, String)> {
    let reordered = map_text().prop_flat_map(|text| {
        let lines: Vec<_> = text.lines().map(|line| format!("{line}\n")).collect();
        (Just(text), Just(lines).prop_shuffle().prop_map(|lines| lines.concat()))
    });
    prop_oneof![(map_text(), map_text()), reordered]
}

/// The domain of whoever asks.
fn domain(map: &str, client: &Client<'_>) -> Option<DomainSpec> {
    let compiled = Map::parse(map.as_bytes()).unwrap().compile().unwrap();
    CompiledMap::open(&compiled[..]).unwrap().find(client).map(|found| found.spec)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn who_changes_context_is_told((old, new) in two_maps(), (user, groups, address) in facts()) {
        let changes = changes(&old, &new);
        let client = Client { user: user.as_deref(), groups: &groups, address };
        if domain(&old, &client) != domain(&new, &client) {
            let who = user.clone().map_or(Selector::Anonymous, Selector::User);
            let is_listed = |map: &str| Side::new(Map::parse(map.as_bytes()).unwrap().lines(), Case::Counts).own.contains_key(&who);
            // One that is about what leads this asker there.
            let told = |change: &Change| match change.kind {
                Kind::User | Kind::Anonymous => change.who == who.to_string(),
                Kind::Group | Kind::Network => Selector::parse(&change.who).unwrap().matches(&client, Case::Counts),
                Kind::Anyone => !is_listed(&old) && !is_listed(&new),
            };
            prop_assert!(changes.changes.iter().any(told), "{}\n{}\n{}", old, new, changes);
        }
    }

    #[test]
    fn where_only_users_and_anyone_are_named_nothing_else_is_told(
        old in map_text(), new in map_text(), user in "[a-d]",
    ) {
        let simple = |text: &str| -> String {
            text.lines().filter(|line| !line.contains(['@', '/', '.'])).map(|line| format!("{line}\n")).collect()
        };
        let (old, new) = (simple(&old), simple(&new));
        let client = Client { user: Some(user.as_bytes()), groups: &[], address: None };
        let changes = changes(&old, &new);
        let told = changes.changes.iter().any(|change| change.who == user);
        let listed = |text: &str| {
            // Lines behind `*` are not the user's: it decides for them as for all others.
            text.lines().take_while(|line| !line.starts_with('*')).any(|line| line.split(' ').next() == Some(&user))
        };
        let changed = domain(&old, &client) != domain(&new, &client);
        prop_assert_eq!(told, changed && (listed(&old) || listed(&new)), "{}", changes);
    }

    #[test]
    fn a_map_is_the_same_as_itself(map in map_text()) {
        prop_assert!(changes(&map, &map).same);
    }
}

#[test]
fn each_kind_of_change_is_told_apart() {
    let old = "foo a_t\nbar a_t\nbaz a_t\n@staff b_t\n192.0.2.0/24 c_t\n* d_t\n";
    let new = "bar a_t\n@staff b_t\nbaz a_t\nfoo b_t\nnew a_t\n192.0.2.0/24 d_t\n__anonymous__ a_t\n* d_t\n";
    assert_eq!(
        text(old, new),
        "~ baz  a_t (line 3), other lines come first\n    now behind @staff\n\
         ~ foo  a_t (line 1) -> b_t (line 4)\n\
         + new  d_t (line 6, *) -> a_t (line 5)\n    no longer behind 192.0.2.0/24\n\
         ~ 192.0.2.0/24  c_t (line 5) -> d_t (line 6)\n\
         + __anonymous__  d_t (line 6, *) -> a_t (line 7)\n\
         5 changes, 3 users among them\n"
    );
}

#[test]
fn what_moves_without_effect_is_no_change() {
    for (old, new) in [
        ("foo a_t\nbar b_t\n* c_t\n", "# new\n\nbar b_t\nfoo a_t\n*\tc_t\n"),
        ("foo a_t\n@g a_t\n", "@g a_t\nfoo a_t\n"),
        ("* a_t\n", "* a_t\nfoo b_t\n10.0.0.0/8 c_t\n"),
        ("10.0.0.0/8 a_t\n10.1.0.0/16 b_t\n", "10.1.0.0/16 b_t\n10.0.0.0/8 a_t\n"),
        ("* a_t\n", "foo a_t\n* a_t\n"),
    ] {
        assert_eq!(text(old, new), "nobody changes context\n", "{old} {new}");
    }
    // Behind `*` it decides nothing, but the wider network no longer decides for it.
    assert!(!changes("10.0.0.0/8 a_t\n* b_t\n", "10.0.0.0/8 a_t\n* b_t\n10.1.0.0/16 c_t\n").same);
}
