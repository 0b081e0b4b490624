//! Origins of web pages, with `*` for labels of the host and for the port.

use std::str::FromStr;

use super::InvalidOrigin;

/// One origin, or a family that differs in the leftmost labels of the host and in the port.
#[derive(Debug, PartialEq, Eq)]
pub struct WebOrigin {
    scheme: Scheme,
    /// Number of labels before the host, each of any value.
    stars: usize,
    /// Literal, in lower case, as browsers send it.
    host: String,
    port: Port,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Port {
    /// The scheme's default port; browsers leave it out.
    Usual,
    Number(u16),
    Any,
}

/// Suffixes under which names cannot be registered.
const PRIVATE_SUFFIXES: [&str; 4] = ["localhost", "test", "local", "internal"];

impl WebOrigin {
    pub fn matches(&self, origin: &str) -> bool {
        let Some((scheme, host, port)) = parts(origin) else { return false };
        scheme == self.scheme && self.matches_host(host) && self.port.matches(scheme, port)
    }

    fn matches_host(&self, host: &str) -> bool {
        let mut rest = host;
        for _ in 0..self.stars {
            match rest.split_once('.') {
                Some((label, after)) if is_label(label) => rest = after,
                _ => return false,
            }
        }
        rest == self.host
    }

    pub fn is_exact(&self) -> bool {
        self.stars == 0 && self.port != Port::Any
    }

    /// TLS, host and port, if the pattern stands for a single address.
    pub fn tls_host_port(&self) -> Option<(bool, &str, Option<u16>)> {
        let port = match self.port {
            Port::Usual => None,
            Port::Number(port) => Some(port),
            Port::Any => return None,
        };
        (self.stars == 0).then_some((self.scheme == Scheme::Https, &self.host, port))
    }
}

impl Port {
    fn matches(&self, scheme: Scheme, port: Option<&str>) -> bool {
        match (self, port) {
            (Self::Any, None) | (Self::Usual, None) => true,
            (Self::Any, Some(port)) => number(port).is_some(),
            (Self::Number(wanted), Some(port)) => number(port) == Some(*wanted),
            // React Native, which is no browser, writes the default port out.
            (Self::Usual, Some(port)) => number(port) == Some(scheme.usual_port()),
            (Self::Number(_), None) => false,
        }
    }
}

/// The form of browsers: no sign, no leading zero.
fn number(port: &str) -> Option<u16> {
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    port.parse().ok().filter(|_| plain)
}

/// Scheme, host and port of an origin. The port follows the bracket of an IPv6 address.
fn parts(origin: &str) -> Option<(Scheme, &str, Option<&str>)> {
    let (scheme, rest) = [("https://", Scheme::Https), ("http://", Scheme::Http)]
        .into_iter()
        .find_map(|(text, scheme)| Some((scheme, origin.strip_prefix(text)?)))?;
    let end_of_address = rest.find(']').map_or(0, |at| at + 1);
    match rest[end_of_address..].find(':') {
        Some(at) => {
            let (host, port) = rest.split_at(end_of_address + at);
            Some((scheme, host, Some(&port[1..])))
        }
        None => Some((scheme, rest, None)),
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn is_address(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok())
}

impl FromStr for WebOrigin {
    type Err = InvalidOrigin;

    /// Takes ASCII in lower case.
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, host, port) = parts(text).ok_or(InvalidOrigin::Shape)?;
        let port = match port {
            None => Port::Usual,
            Some("*") => Port::Any,
            Some(port) => match number(port).ok_or(InvalidOrigin::Shape)? {
                port if port == scheme.usual_port() => Port::Usual,
                port => Port::Number(port),
            },
        };
        let mut stars = 0;
        let mut literal = host;
        while let Some(rest) = literal.strip_prefix("*.") {
            (stars, literal) = (stars + 1, rest);
        }
        if literal.contains('*') {
            let anywhere = literal == "*" && stars == 0;
            return Err(if anywhere { InvalidOrigin::TooWide } else { InvalidOrigin::Star });
        }
        if !(is_address(literal) && stars == 0 || literal.split('.').all(is_label)) {
            return Err(InvalidOrigin::Shape);
        }
        if stars > 0 {
            refuse_wide(literal)?;
        }
        Ok(Self { scheme, stars, host: literal.to_owned(), port })
    }
}

fn refuse_wide(literal: &str) -> Result<(), InvalidOrigin> {
    let last = literal.rsplit('.').next().unwrap_or_default();
    // The last label of an IPv4 address is a number; a part of an address belongs to no one.
    let numeric = last.bytes().all(|b| b.is_ascii_digit());
    let single = last == literal && !PRIVATE_SUFFIXES.contains(&literal);
    if numeric || single { Err(InvalidOrigin::TooWide) } else { Ok(()) }
}

pub fn is_loopback(origin: &str) -> bool {
    parts(origin).is_some_and(|(_, host, port)| {
        ["localhost", "127.0.0.1", "[::1]"].contains(&host)
            && port.is_none_or(|port| number(port).is_some())
    })
}
