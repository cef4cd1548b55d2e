//! What the targets share: who asks, for which server, and what may be asked of a file that is not what it
//! should be.

use mapping::{Case, Client, CompiledMap, Context, GroupFile, Range, ResolvedMap, Selector};
use std::net::IpAddr;
use std::panic;
use std::sync::Once;

/// How many of a map's lines are asked for: time must not grow with the square of the input.
pub const SOME: usize = 64;

/// The context of a server whose policy has ranges.
///
/// # Panics
/// Never.
#[must_use]
pub fn server() -> Context {
    Context::parse("system_u:system_r:httpd_t:s0").expect("a good context")
}

/// What every name of a range stands for.
#[must_use]
pub fn translate(_: &str) -> Option<Range> {
    Range::parse("s0:c77").ok()
}

/// Asks as somebody for whom a line for `who` is, and in a group of that name.
pub fn ask_as(who: &Selector, ask: &mut dyn FnMut(&Client<'_>)) {
    let address: Option<IpAddr> = match who {
        Selector::Net(network) => Some(network.address()),
        _ => None,
    };
    let (user, groups) = match who {
        Selector::User(name) => (Some(name.as_slice()), [name.as_slice()]),
        Selector::Group(name) => (Some(&b"somebody"[..]), [name.as_slice()]),
        _ => (None, [&b"staff"[..]]),
    };
    ask(&Client { user, groups: &groups, address });
    // In capitals, and with a byte more that is no character.
    let upper = groups[0].to_ascii_uppercase();
    ask(&Client { user: user.map(|_| upper.as_slice()), groups: &[&upper], address });
    let other = [groups[0], b"\xfc"].concat();
    ask(&Client { user: user.map(|_| other.as_slice()), groups: &[&other], address });
    ask(&Client { user: Some(b"foo"), groups: &[], address });
}

/// People and places of each kind that a map can have lines for.
pub fn ask_as_everybody(ask: &mut dyn FnMut(&Client<'_>)) {
    for user in [None, Some(&b"foo"[..]), Some(b"a"), Some(b"A\xfc")] {
        for address in ["192.0.2.7", "2001:db8::7", "::ffff:10.0.0.1"] {
            ask(&Client { user, groups: &[b"staff", b"a", b"\xfc"], address: address.parse().ok() });
        }
    }
}

/// Does all that the module and its tool do with published and compiled files; each may say that the file is no
/// such file, and panic, which the module turns into a refusal, but must come to an end.
pub fn use_files(file: &[u8]) {
    quiet();
    let _ = panic::catch_unwind(|| {
        let Ok(map) = CompiledMap::open(file) else { return };
        ask_as_everybody(&mut |client| drop(map.find(client)));
        let _ = (map.len(), map.is_empty(), map.has_groups(), map.case(), map.trials().count());
        if let Ok(resolved) = map.resolved(&server(), translate) {
            use_resolved(&resolved);
        }
    });
    let _ = panic::catch_unwind(|| {
        let Ok(map) = CompiledMap::open(file) else { return };
        // A made-up transducer may have more keys than there is time for; all are the tool's alone.
        let _ = map.lines().take(SOME).count();
    });
    let _ = panic::catch_unwind(|| use_resolved(file));
    let _ = panic::catch_unwind(|| {
        let Ok(groups) = GroupFile::open(file) else { return };
        for user in [&b""[..], b"a", b"foo", b"b r", b"A\xfc"] {
            for case in [Case::Counts, Case::Ignored] {
                let _ = groups.groups(user, case).map(|groups| groups.len());
            }
        }
    });
}

fn use_resolved(file: &[u8]) {
    let Ok(map) = ResolvedMap::open(file) else { return };
    let _ = map.has_groups();
    ask_as_everybody(&mut |client| {
        if let Ok(Some((_, context))) = map.find(client) {
            assert!(context.len() <= mapping::MAX_CONTEXT);
        }
    });
}

/// Panics that are caught are not told, and do not end the process, as libFuzzer's would.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| panic::set_hook(Box::new(|_| ())));
}
