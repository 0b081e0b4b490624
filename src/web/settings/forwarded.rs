//! The client's address behind proxies: a header is believed as far as its authors are trusted.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::web::http::remote::Remote;

/// Only one header is read: a proxy passes on the other one unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// The list of addresses that most proxies write.
    #[default]
    XForwardedFor,
    /// The header of RFC 7239.
    Forwarded,
}

impl ForwardedHeader {
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// The address of the previous hop in one element; `None` if it is hidden or invalid.
    fn address(self, element: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => address(element.trim()),
            Self::Forwarded => element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                let value = value.trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case("for").then(|| address(value))?
            }),
        }
    }
}

/// With or without a port; IPv6 with a port is in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// Configured proxies in front of the server.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    pub trusted: Vec<IpNet>,
    pub header: ForwardedHeader,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardingPeer {
    /// `None` for a Unix socket.
    pub address: Option<IpAddr>,
    /// True if what it says of its client is believed.
    pub is_trusted: bool,
}

impl Proxies {
    pub fn peer(&self, remote: Remote) -> ForwardingPeer {
        let (address, is_trusted) = match remote {
            Remote::Address(peer) => (Some(peer), self.trust(peer)),
            Remote::Local => (None, true),
            Remote::Balancer(balancer) => (balancer, true),
        };
        ForwardingPeer { address, is_trusted }
    }

    pub fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// The client's address, if known.
    pub fn client(&self, remote: Remote, headers: &HeaderMap) -> Option<IpAddr> {
        match remote {
            Remote::Address(peer) if self.trust(peer) => self.forwarded(Some(peer), headers),
            Remote::Address(peer) => Some(peer),
            Remote::Local => self.forwarded(None, headers),
            Remote::Balancer(balancer) => balancer,
        }
    }

    /// Reads from the right, since each hop appends: the first untrusted address is the client. An
    /// unreadable element counts as the trusted hop that wrote it.
    fn forwarded(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut known = peer;
        let lines: Vec<&str> =
            headers.get_all(self.header.name()).filter_map(|line| line.to_str().ok()).collect();
        for element in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(address) = self.header.address(element) else { break };
            known = Some(address);
            if !self.trust(address) {
                break;
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn proxies(header: ForwardedHeader) -> Proxies {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a net"));
        Proxies { trusted: trusted.into(), header }
    }

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = HeaderName::from_static(header.name());
            headers.append(name, HeaderValue::from_str(line).expect("a value"));
        }
        let remote = match peer {
            "unix" => Remote::Local,
            "balancer" => Remote::Balancer(Some(IpAddr::from([10, 0, 0, 9]))),
            address => Remote::Address(address.parse().expect("an address")),
        };
        let client = proxies(header).client(remote, &headers);
        client.map_or_else(|| "nobody".into(), |address| address.to_string())
    }

    #[test]
    fn addresses_are_read_from_the_right_through_trusted_hops() {
        for (peer, lines, expected) in [
            ("10.0.0.1", &["203.0.113.7"][..], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1, rubbish"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            ("unix", &["203.0.113.7"], "203.0.113.7"),
            ("unix", &["198.51.100.1, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            ("unix", &[], "nobody"),
            // Clients can send any header, and a load balancer passes it on.
            ("balancer", &["198.51.100.1"], "10.0.0.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
        ] {
            assert_eq!(client(ForwardedHeader::XForwardedFor, peer, lines), expected, "{lines:?}");
        }
        for (line, expected) in [
            ("for=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
            ("for=198.51.100.1, Proto=https; For=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
            ("for=198.51.100.1, for=_hidden", "10.0.0.1"),
            ("for=198.51.100.1, proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &[line]), expected, "{line}");
        }
    }

    #[test]
    fn peers_are_told_with_the_trust_in_them() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (remote, address, is_trusted) in [
            (Remote::Address(ip("10.0.0.4")), Some("10.0.0.4"), true),
            (Remote::Address(ip("192.0.2.4")), Some("192.0.2.4"), false),
            (Remote::Local, None, true),
            (Remote::Balancer(Some(ip("10.0.0.9"))), Some("10.0.0.9"), true),
            (Remote::Balancer(None), None, true),
        ] {
            let wanted = ForwardingPeer { address: address.map(ip), is_trusted };
            assert_eq!(proxies(ForwardedHeader::default()).peer(remote), wanted);
        }
    }

    proptest! {
        /// Elements to the left of our proxy's own change nothing.
        #[test]
        fn headers_of_clients_are_not_believed(sent in "[ -~]{0,60}", header in prop::bool::ANY) {
            let (header, wrote) = match header {
                true => (ForwardedHeader::XForwardedFor, "203.0.113.7"),
                false => (ForwardedHeader::Forwarded, "for=203.0.113.7"),
            };
            let line = format!("{sent}, {wrote}");
            prop_assert_eq!(client(header, "10.0.0.1", &[&line]), "203.0.113.7");
            prop_assert_eq!(client(header, "10.0.0.1", &[&sent, wrote]), "203.0.113.7");
            prop_assert_eq!(client(header, "203.0.113.9", &[&sent]), "203.0.113.9");
        }
    }
}
