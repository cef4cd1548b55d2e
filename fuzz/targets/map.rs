//! Map files: any text is read or refused with places, and what is read decides as its lines say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapping::{Case, Client, CompiledMap, DomainSpec, Fault, Line, Map, ResolvedMap, Selector};
use mod_selinux_fuzz::{SOME, ask_as, ask_as_everybody, server, translate};

/// The manual's words: the first line that applies decides; of networks, only the longest applies.
fn decides<'l>(lines: &'l [Line], case: Case, client: &Client<'_>) -> Option<&'l Line> {
    let prefix = |line: &&Line| match &line.who {
        Selector::Net(network) => Some(network.prefix()),
        _ => None,
    };
    let applying = || lines.iter().filter(|line| line.who.matches(client, case));
    let longest = applying().filter_map(|line| prefix(&line)).max();
    applying().find(|line| prefix(line).is_none() || prefix(line) == longest)
}

fuzz_target!(|text: &[u8]| {
    let map = match Map::parse(text) {
        Ok(map) => map,
        Err(errors) => {
            let count = text.split(|&b| b == b'\n').count();
            assert!((1..=101).contains(&errors.len()));
            for error in &errors {
                assert!((1..=count).contains(&error.line) && error.column >= 1);
                assert!(!error.to_string().contains(char::is_control));
                assert_eq!(error.fault == Fault::More, error.to_string().contains("more errors follow"));
            }
            return;
        }
    };
    // What is printed is the same map.
    let first = if map.case() == Case::Ignored { "ignore-case\n" } else { "" };
    let printed = map.lines().iter().map(|line| format!("{} {}\n", line.who, line.spec)).collect::<String>();
    let printed = format!("{first}{printed}");
    let again = Map::parse(printed.as_bytes()).expect("what is printed can be read");
    let rules = |map: &Map| map.lines().iter().map(|line| (line.who.clone(), line.spec.clone())).collect();
    let (rules, again): (Vec<(Selector, DomainSpec)>, Vec<_>) = (rules(&map), rules(&again));
    assert_eq!(rules, again);

    let compiled = CompiledMap::open(map.compile().expect("so few fit")).expect("what is made opens");
    let mut lines: Vec<_> = compiled.lines().collect();
    lines.sort_by_key(|line| line.number);
    assert_eq!((lines.as_slice(), compiled.case()), (map.lines(), map.case()));
    let resolved = compiled.resolved(&server(), translate).expect("all names mean something");
    let resolved = ResolvedMap::open(resolved).expect("what is made opens");
    let mut check = |client: &Client<'_>| {
        let expected = decides(&lines, map.case(), client);
        let found = compiled.find(client).map(|found| (found.line, found.spec));
        assert_eq!(found, expected.map(|line| (line.number, line.spec.clone())));
        let Some(line) = expected else { return assert_eq!(resolved.find(client), Ok(None)) };
        let range = line.spec.translated_range().and_then(translate);
        let spec = range.map_or(line.spec.clone(), |range| line.spec.clone().with_raw_range(range));
        if let Ok(context) = spec.resolve(&server()) {
            assert_eq!(resolved.find(client), Ok(Some((line.number, context.to_string()))));
        }
    };
    ask_as_everybody(&mut check);
    for line in lines.iter().take(SOME) {
        ask_as(&line.who, &mut check);
    }
});
