//! Who is at the other end of a connection: the peer itself, or the client that a trusted proxy
//! names. A forwarding header from anybody else is never believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName};

/// Most hops of `X-Forwarded-For` that are looked at, from the right. Real chains have two or three.
const MAX_HOPS: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that say a request came through something else, beside all that begin with `x-forwarded`.
const FORWARDING_HEADERS: [HeaderName; 7] = [
    http::header::FORWARDED,
    http::header::VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
];

/// The proxies whose `X-Forwarded-*` and `X-Request-Id` are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Loopback only: the reverse proxy on the same machine. The default.
    pub fn loopback() -> Self {
        Self(vec![
            Network {
                address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
                prefix_bits: 8,
            },
            Network {
                address: IpAddr::V6(Ipv6Addr::LOCALHOST),
                prefix_bits: 128,
            },
        ])
    }

    /// Nobody: the peer of the connection is the client.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Comma-separated addresses or networks (`10.0.0.7`, `10.1.0.0/16`, `fd00::/8`).
    ///
    /// # Errors
    /// What is wrong with the first entry that is neither, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        text.split(',')
            .map(|entry| Network::parse(entry.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client's address: the rightmost hop of `X-Forwarded-For` that is not a trusted proxy,
    /// when the peer itself is one; otherwise the peer.
    ///
    /// Hops to the left of the first untrusted one are the client's own words and are not read.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        if !self.contains(nearest) {
            return nearest;
        }
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops.take(MAX_HOPS) {
            let Some(address) = parse_hop(hop) else { break };
            nearest = address;
            if !self.contains(address) {
                break;
            }
        }
        nearest
    }

    /// Whether a trusted proxy says that the client came over https.
    pub fn came_over_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        self.forwarded_proto(peer, headers) == ForwardedProto::Https
    }

    /// What a trusted proxy says of how the client came.
    pub(crate) fn forwarded_proto(&self, peer: IpAddr, headers: &HeaderMap) -> ForwardedProto {
        if !self.contains(peer) {
            return ForwardedProto::Unsaid;
        }
        let mut values = headers.get_all(X_FORWARDED_PROTO).iter();
        match (values.next(), values.next()) {
            (None, _) => ForwardedProto::Unsaid,
            (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"https") => {
                ForwardedProto::Https
            }
            _ => ForwardedProto::Other,
        }
    }
}

/// How the client reached the outermost trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardedProto {
    Https,
    /// Plain http, or words that cannot be relied on.
    Other,
    /// No trusted proxy says anything.
    Unsaid,
}

/// The client's address as the request's layers worked it out ([`TrustedProxies::client_address`]).
///
/// In the extensions of every request that passed a [`Stack`](crate::Stack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The peer of the request's connection, when the accept loop has put it there.
pub fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| *address)
}

/// Whether a request comes straight from this machine: a loopback peer, and no header that a
/// proxy on this machine would have added for somebody else.
pub fn is_direct_loopback(extensions: &Extensions, headers: &HeaderMap) -> bool {
    peer(extensions).is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && !headers.keys().any(is_forwarding)
}

fn is_forwarding(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded") || FORWARDING_HEADERS.contains(name)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        let (address, prefix) = match entry.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (entry, None),
        };
        let address: IpAddr = address.parse().map_err(
            |_| "an entry is not an IP address or network (like 10.0.0.7 or 10.1.0.0/16)",
        )?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => longest,
            Some(digits) => digits
                .parse::<u8>()
                .ok()
                .filter(|bits| *bits <= longest && !digits.starts_with('+'))
                .ok_or(
                    "the length after the slash of a network is not 0-32 (IPv4) or 0-128 (IPv6)",
                )?,
        };
        if prefix_bits == 0 {
            return Err(
                "a network of length 0 is everybody: nobody's headers could be told from a proxy's",
            );
        }
        let network = Self {
            address,
            prefix_bits,
        };
        if network.masked(address) != Self::bits(address) {
            return Err("a network has bits set after its length (10.1.0.7/16 is 10.1.0.0/16)");
        }
        Ok(network)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && self.masked(address) == Self::bits(self.address)
    }

    /// The address as the upper bits of 128.
    fn bits(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => u128::from(v6),
        }
    }

    fn masked(&self, address: IpAddr) -> u128 {
        Self::bits(address) & (u128::MAX << (128 - u32::from(self.prefix_bits)))
    }
}

/// One hop: an address, with a port where the proxy adds one (`203.0.113.7:4711`, `[2001:db8::1]:80`).
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = match (text.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
        (Ok(address), _) => address,
        (_, Ok(with_port)) => with_port.ip(),
        _ => return None,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = TrustedProxies::parse(trusted).unwrap();
        trusted
            .client_address(peer.parse().unwrap(), &headers)
            .to_string()
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        for (trusted, peer, lines, expected) in [
            ("127.0.0.1", "127.0.0.1", &[][..], "127.0.0.1"),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["203.0.113.7"][..],
                "203.0.113.7",
            ),
            // What the client itself wrote stands further left.
            (
                "127.0.0.1",
                "127.0.0.1",
                &["10.9.9.9, 203.0.113.7"],
                "203.0.113.7",
            ),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["10.9.9.9", "203.0.113.7"],
                "203.0.113.7",
            ),
            (
                "127.0.0.1,10.0.0.0/8",
                "127.0.0.1",
                &["198.51.100.4,203.0.113.7,10.1.2.3"],
                "203.0.113.7",
            ),
            // An untrusted peer's header counts for nothing.
            ("127.0.0.1", "203.0.113.9", &["198.51.100.4"], "203.0.113.9"),
            // Nonsense ends the chain at the hop that vouched for it.
            (
                "127.0.0.1,10.0.0.0/8",
                "127.0.0.1",
                &["198.51.100.4, unknown, 10.1.2.3"],
                "10.1.2.3",
            ),
            ("127.0.0.1", "127.0.0.1", &["evil"], "127.0.0.1"),
            (
                "127.0.0.1",
                "::ffff:127.0.0.1",
                &["::ffff:203.0.113.7"],
                "203.0.113.7",
            ),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["203.0.113.7:4711"],
                "203.0.113.7",
            ),
            ("::1", "::1", &["[2001:db8::1]:80"], "2001:db8::1"),
        ] {
            assert_eq!(
                client(trusted, peer, lines),
                expected,
                "{trusted} {peer} {lines:?}"
            );
        }
    }

    #[test]
    fn networks_are_exact() {
        let trusted = TrustedProxies::parse("10.1.0.0/16, fd00::/8").unwrap();
        for (address, inside) in [
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("fdff::1", true),
            ("fe00::1", false),
            ("::ffff:10.1.2.3", true),
        ] {
            assert_eq!(
                trusted.contains(address.parse().unwrap()),
                inside,
                "{address}"
            );
        }
        for refused in [
            "",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "10.1.0.7/16",
            "nginx",
            "10.0.0.1/+8",
            "10.0.0.1,,",
        ] {
            assert!(TrustedProxies::parse(refused).is_err(), "{refused}");
        }
    }
}
