//! Addresses and networks.
//!
//! Owns their grammar and which addresses a network holds. It must not know whose they are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::escape::quoted;

/// Why a text is neither an address nor a network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetworkError {
    /// It is none.
    #[error(
        "{0} is neither an address nor a network: write all of the address, as in 192.0.2.7 or \
         2001:db8::7, and a network as address/prefix length, as in 192.0.2.0/24"
    )]
    Neither(String),
    /// A prefix longer than the address.
    #[error("{0} has a prefix longer than its address: write at most /{1}")]
    Prefix(String, u8),
    /// Bits set behind the prefix.
    #[error("{0} has bits set behind its prefix: write {1} for the network, or leave the prefix out")]
    HostBits(String, Network),
}

/// An address and the number of its leading bits that count; the others are zero. An IPv4-mapped
/// IPv6 network is kept as the IPv4 network it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address/prefix length`, or an address alone.
    ///
    /// # Errors
    /// [`NetworkError`] where the text is neither, the prefix is too long, or bits behind it are set.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError::Neither(quoted(text));
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = width(address);
        let prefix = match prefix {
            None => longest,
            // `u8::from_str` would take "+8" too.
            Some(digits) if !digits.bytes().all(|b| b.is_ascii_digit()) => return Err(wrong()),
            Some(digits) => digits.parse().map_err(|_| wrong())?,
        };
        if prefix > longest {
            return Err(NetworkError::Prefix(quoted(text), longest));
        }
        let masked = masked(address, prefix);
        if masked != address {
            return Err(NetworkError::HostBits(quoted(text), Self { address: masked, prefix }));
        }
        // A client of a dual-stack socket is looked up as the IPv4 client it is, so a rule in the
        // mapped form has to become an IPv4 one or it would match nobody.
        let canonical = address.to_canonical();
        Ok(match prefix.checked_sub(longest - width(canonical)) {
            Some(prefix) => Self { address: canonical, prefix },
            None => Self { address, prefix },
        })
    }

    /// The network that holds `address` and has a prefix this long; `None` where addresses of its
    /// kind are shorter. An IPv4-mapped IPv6 address is the IPv4 address in it.
    #[must_use]
    pub fn around(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = address.to_canonical();
        (prefix <= width(address)).then(|| Self { address: masked(address, prefix), prefix })
    }

    /// The first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` is in this network. An IPv4-mapped IPv6 address is the IPv4 address in
    /// it, and so in no IPv6 network, not even `::/0`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.prefix == width(self.address) { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// How many bits an address of this kind has.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `address` with all but its first `prefix` bits zero; `prefix` is at most its width.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let behind = u32::from(width(address) - prefix);
    // A shift by the whole width, which is what /0 asks for, is none in Rust.
    match address {
        IpAddr::V4(v4) => {
            Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(behind).unwrap_or(0)).into()
        }
        IpAddr::V6(v6) => {
            Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(behind).unwrap_or(0)).into()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Addresses from few enough networks that rules and clients meet.
    pub(in super::super) fn address() -> impl Strategy<Value = IpAddr> {
        let low = || prop_oneof![0_u32..4, any::<u32>()];
        prop_oneof![
            low().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
            low().prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()),
            low().prop_map(|bits| Ipv6Addr::from_bits(bits.into()).into()),
            any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        ]
    }

    /// Texts of networks.
    pub(in super::super) fn network_text() -> impl Strategy<Value = String> {
        (address(), prop_oneof![Just(0_u8), 0_u8..=128]).prop_map(|(address, prefix)| {
            let prefix = prefix.min(width(address));
            format!("{}/{prefix}", masked(address, prefix))
        })
    }

    /// Bit by bit, on text.
    fn naive_contains(network: &Network, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => format!("{:032b}", v4.to_bits()),
            IpAddr::V6(v6) => format!("{:0128b}", v6.to_bits()),
        };
        let (rule, client) = (bits(network.address), bits(address));
        rule.len() == client.len() && client.starts_with(&rule[..usize::from(network.prefix)])
    }

    proptest! {
        #[test]
        fn a_network_holds_the_addresses_that_start_with_it(text in network_text(), from in address()) {
            let network = Network::parse(&text).unwrap();
            prop_assert_eq!(network.contains(from), naive_contains(&network, from));
            prop_assert!(network.contains(network.address));
        }
    }

    #[test]
    fn an_ipv4_client_on_an_ipv6_socket_is_an_ipv4_client() {
        let client: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        for (rule, expected) in [
            ("192.0.2.0/24", true),
            ("192.0.2.7", true),
            ("::ffff:192.0.2.0/120", true),
            ("::ffff:192.0.2.7", true),
            ("0.0.0.0/0", true),
            ("192.0.3.0/24", false),
            ("::/0", false),
            ("::ffff:0.0.0.0/96", true),
        ] {
            let network = Network::parse(rule).unwrap();
            assert_eq!(network.contains(client), expected, "{rule}");
        }
    }

    #[test]
    fn refuses_what_would_hold_another_than_is_written() {
        let message = |text| Network::parse(text).unwrap_err().to_string();
        assert_eq!(
            message("192.0.2.7/24"),
            "`192.0.2.7/24` has bits set behind its prefix: write 192.0.2.0/24 for the network, or \
             leave the prefix out"
        );
        assert_eq!(
            message("192.0.2.0/33"),
            "`192.0.2.0/33` has a prefix longer than its address: write at most /32"
        );
        assert!(matches!(Network::parse("2001:db8::/129"), Err(NetworkError::Prefix(_, 128))));
    }
}
