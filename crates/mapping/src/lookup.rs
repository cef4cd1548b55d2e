//! Which line of a map decides for whom, by keys in a finite state transducer.
//!
//! Owns the keys, the order between the lines that could apply, and what is kept for each line. It must
//! not know how the transducer got into memory.

use super::name::Case;
use super::network::Network;
use super::selector::{Client, Selector};
use fst::raw::Fst;
use std::net::IpAddr;

/// The key of who a line is for: a letter for the kind, and the name or the network's bits.
pub(super) fn key(who: &Selector) -> Vec<u8> {
    match who {
        Selector::User(name) => named(b'u', name),
        Selector::Group(name) => named(b'g', name),
        Selector::Anonymous => vec![b'a'],
        Selector::Anyone => vec![b'*'],
        Selector::Net(network) => network_key(network),
    }
}

/// What [`key`] made a key of; `None` where it made it of nothing.
pub(super) fn who(key: &[u8]) -> Option<Selector> {
    let (kind, rest) = key.split_first()?;
    Some(match kind {
        b'u' => Selector::User(rest.to_vec()),
        b'g' => Selector::Group(rest.to_vec()),
        b'a' => Selector::Anonymous,
        b'*' => Selector::Anyone,
        b'4' | b'6' => {
            let (prefix, bytes) = rest.split_first()?;
            let address = match bytes.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
            };
            Selector::Net(Network::around(address, *prefix)?)
        }
        _ => return None,
    })
}

fn named(kind: u8, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(kind);
    key.extend_from_slice(name);
    key
}

fn network_key(network: &Network) -> Vec<u8> {
    let mut key = vec![b'4', network.prefix()];
    match network.address() {
        IpAddr::V4(v4) => key.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => {
            key[0] = b'6';
            key.extend_from_slice(&v6.octets());
        }
    }
    key
}

/// What is kept of a line: its number, and which type and which range of the map's tables it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Value {
    /// The line's number. It comes first: the least of several is the one that stands first.
    pub line: usize,
    /// Index of the spec's part before the range.
    pub base: usize,
    /// Index of the range; 0 where none is written.
    pub range: usize,
}

const BASE_BITS: u32 = 12;
const RANGE_BITS: u32 = 24;

impl Value {
    /// The highest line number.
    pub(super) const MAX_LINE: usize = (1 << (64 - BASE_BITS - RANGE_BITS)) - 1;
    /// How many bases there can be.
    pub(super) const BASES: usize = 1 << BASE_BITS;
    /// How many ranges there can be.
    pub(super) const RANGES: usize = 1 << RANGE_BITS;

    pub(super) fn to_u64(self) -> u64 {
        (self.line as u64) << (BASE_BITS + RANGE_BITS) | (self.base as u64) << RANGE_BITS | self.range as u64
    }

    pub(super) fn from_u64(value: u64) -> Self {
        Self {
            line: (value >> (BASE_BITS + RANGE_BITS)) as usize,
            base: (value >> RANGE_BITS) as usize & (Self::BASES - 1),
            range: value as usize & (Self::RANGES - 1),
        }
    }
}

/// Which kinds of lines a map has, so that nothing is looked up that cannot be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Kinds {
    /// Whether there are lines for groups.
    pub groups: bool,
    /// A bit for each prefix length of IPv4 networks.
    pub v4: u128,
    /// A bit for each prefix length of IPv6 networks; that of /128 is in `hosts`.
    pub v6: u128,
    /// Whether there are IPv6 networks of /128.
    pub v6_hosts: bool,
}

impl Kinds {
    pub(super) fn add(&mut self, who: &Selector) {
        match who {
            Selector::Group(_) => self.groups = true,
            Selector::Net(network) if network.address().is_ipv4() => self.v4 |= 1 << network.prefix(),
            Selector::Net(network) if network.prefix() == 128 => self.v6_hosts = true,
            Selector::Net(network) => self.v6 |= 1 << network.prefix(),
            Selector::User(_) | Selector::Anonymous | Selector::Anyone => {}
        }
    }

    /// The prefix lengths of networks that `address` could be in, longest first.
    fn prefixes(self, address: IpAddr) -> impl Iterator<Item = u8> {
        let is_v4 = address.to_canonical().is_ipv4();
        let mut bits = if is_v4 { self.v4 } else { self.v6 };
        let hosts = (!is_v4 && self.v6_hosts).then_some(128);
        let others = std::iter::from_fn(move || {
            let highest = bits.checked_ilog2()?;
            bits &= !(1 << highest);
            Some(highest as u8)
        });
        hosts.into_iter().chain(others)
    }
}

/// The line that decides for `client`: of the user's own line, the lines of their groups, the one of the
/// network with the longest prefix, `__anonymous__` and `*`, the one that stands first in the file.
pub(super) fn find<D: AsRef<[u8]>>(
    fst: &Fst<D>,
    kinds: Kinds,
    case: Case,
    client: &Client<'_>,
) -> Option<Value> {
    let get = |key: &[u8]| fst.get(key).map(|output| output.value());
    let own = match client.user {
        Some(name) => get(&named(b'u', &case.user(name))),
        None => get(b"a"),
    };
    let groups = client.groups.iter().filter(|_| kinds.groups && client.user.is_some());
    let groups = groups.filter_map(|name| get(&named(b'g', &case.group(name))));
    let network = client.address.and_then(|address| {
        let networks = kinds.prefixes(address).filter_map(|prefix| Network::around(address, prefix));
        networks.filter_map(|network| get(&network_key(&network))).next()
    });
    // A value's line is in its highest bits.
    groups.chain(own).chain(network).chain(get(b"*")).min().map(Value::from_u64)
}
