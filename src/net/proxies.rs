//! Who may say for whom he speaks: the proxies in front of the web's ports.
//!
//! A proxy names its client in `X-Forwarded-For`, each behind those that earlier ones named.
//! Anybody can send that field, so it counts only from addresses that the office has named, and
//! only up to the first address, from the right, that is no proxy of ours: what stands left of
//! it is what a stranger claims.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// The networks whose word is taken; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Arc<[Network]>);

/// An address, or a network in the form ADDRESS/BITS (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// What is expected where a network stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as 127.0.0.1 is expected, or a network such as 10.1.0.0/16")
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u32 = bits.unwrap_or(most);
        if bits > most {
            return Err(NotANetwork);
        }
        // ::ffff:192.0.2.0/120 is 192.0.2.0/24; peers are compared in that form.
        let canonical = address.to_canonical();
        match bits.checked_sub(96) {
            Some(bits) if address.is_ipv6() && canonical.is_ipv4() => {
                Ok(Self { address: canonical, bits })
            }
            _ => Ok(Self { address, bits }),
        }
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        // A shift by the whole width, for a network of everybody, leaves nothing to compare.
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromIterator<Network> for Proxies {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl Proxies {
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.holds(address))
    }

    /// The client of a request that came from `peer` with these values of `X-Forwarded-For`, in
    /// their order: the last one named who is no proxy of ours.
    pub fn client<'v, I>(&self, peer: IpAddr, forwarded_for: I) -> IpAddr
    where
        I: IntoIterator<Item = &'v str>,
        I::IntoIter: DoubleEndedIterator,
    {
        let mut client = peer;
        let values = forwarded_for.into_iter().rev();
        for hop in values.flat_map(|value| value.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            // "unknown", or nonsense: the proxy that wrote it is as far as we know.
            let Some(address) = address_of(hop.trim()) else { break };
            client = address;
        }
        client
    }
}

/// An address, which some proxies write with its port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = match bare.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => hop.parse::<std::net::SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &str) -> Proxies {
        networks.split(' ').map(|network| network.parse::<Network>().unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_what_their_bits_say() {
        for (network, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
            // Host bits are of no account.
            ("10.1.2.3/16", "::ffff:10.1.9.9", "::ffff:10.0.9.9"),
            ("::1", "::1", "127.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::ffff:192.0.2.0/120", "192.0.2.7", "192.0.3.7"),
            ("0.0.0.0/0", "192.0.2.7", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.7"),
        ] {
            let proxies = proxies(network);
            assert!(proxies.trusts(ip(inside)), "{network} {inside}");
            assert!(!proxies.trusts(ip(outside)), "{network} {outside}");
        }
        for wrong in ["", "relay", "10.1", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong}");
        }
    }

    #[test]
    fn the_client_is_the_last_one_named_who_is_no_proxy_of_ours() {
        let trusted = proxies("127.0.0.1 10.0.0.0/8");
        for (peer, values, client) in [
            ("127.0.0.1", &["203.0.113.9"][..], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            // What a client claims stands to the left, in a field of its own or in the same.
            ("127.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
            // Two proxies of ours, one behind the other.
            ("127.0.0.1", &["198.51.100.1, 203.0.113.9, 10.0.0.5"], "203.0.113.9"),
            ("127.0.0.1", &["10.0.0.7, 10.0.0.5"], "10.0.0.7"),
            // From anybody else the field says nothing.
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("127.0.0.2", &["198.51.100.1"], "127.0.0.2"),
            ("127.0.0.1", &["198.51.100.1, unknown"], "127.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9:50123"], "203.0.113.9"),
            ("127.0.0.1", &["[2001:db8::1]:50123"], "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(
                trusted.client(ip(peer), values.iter().copied()),
                ip(client),
                "{peer} {values:?}"
            );
        }
        let nobody = Proxies::default();
        assert_eq!(nobody.client(ip("127.0.0.1"), ["203.0.113.9"]), ip("127.0.0.1"));
    }
}
