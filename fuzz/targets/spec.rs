//! Domain specs, contexts, ranges and the first field of a map line: what is taken prints as itself, and leads to a
//! context that the kernel would take.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapping::{Context, DomainSpec, MAX_CONTEXT, Network, Range, Selector};
use mod_selinux_fuzz::{server, translate};

fuzz_target!(|text: &str| {
    if let Ok(range) = Range::parse(text) {
        assert_eq!(Range::parse(&range.to_string()).as_ref(), Ok(&range));
        assert!(Range::looks_raw(text));
        assert_eq!(Range::parse(&range.lowest().to_string()), Ok(range.lowest()));
        for runs in range.categories() {
            assert!(runs.iter().all(|run| run.0 <= run.1));
            assert!(runs.windows(2).all(|pair| u32::from(pair[0].1) + 1 < u32::from(pair[1].0)));
        }
    }
    if let Ok(context) = Context::parse(text) {
        assert_eq!(Context::parse(&context.to_string()).as_ref(), Ok(&context));
        assert!(context.to_string().len() <= MAX_CONTEXT);
    }
    if let Ok(who) = Selector::parse(text) {
        assert_eq!(Selector::parse(&who.to_string()), Ok(who));
    }
    if let Ok(network) = Network::parse(text) {
        assert_eq!(Network::parse(&network.to_string()), Ok(network));
        assert!(network.contains(network.address()));
    }
    let Ok(spec) = DomainSpec::parse(text) else { return };
    assert_eq!(DomainSpec::parse(&spec.to_string()).as_ref(), Ok(&spec));
    let range = spec.translated_range().and_then(translate);
    let raw = range.map_or(spec.clone(), |range| spec.clone().with_raw_range(range));
    assert_eq!(raw == spec, spec.translated_range().is_none());
    for server in [server(), server().with_range(None)] {
        if spec.translated_range().is_some() {
            assert!(spec.resolve(&server).is_err());
        }
        if let Ok(context) = raw.resolve(&server) {
            assert!(context.to_string().len() <= MAX_CONTEXT);
            assert_eq!(Context::parse(&context.to_string()).as_ref(), Ok(&context));
            assert_eq!(context.range().is_some(), server.range().is_some());
        }
    }
});
