//! The address of a listener: a network address, or the path of a Unix socket.

use std::{
    borrow::Cow,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    Tcp(SocketAddr),
    /// All addresses of the name.
    Name(HostName),
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// Lower case.
    host: String,
    port: u16,
}

/// The kernel has room for this many bytes and a final zero.
pub const MAX_UNIX_PATH_BYTES: usize = 107;

/// No variant repeats the text: it might be a secret in the wrong place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    #[error(
        "an address to listen on is ADDRESS:PORT or NAME:PORT, such as \"0.0.0.0:6001\", \"[::]:6001\" or \"localhost:6001\", or \"unix:/path/to.sock\""
    )]
    Neither,
    #[error(
        "the path behind \"unix:\" must begin with a slash, such as \"unix:/run/sealcast.sock\""
    )]
    Relative,
    #[error(
        "the path of a Unix socket is {0} bytes long, and the system takes {MAX_UNIX_PATH_BYTES}: choose a shorter one"
    )]
    TooLong(usize),
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let Some(path) = text.strip_prefix("unix:") else {
            let address = text.parse().map(Self::Tcp).ok();
            return address
                .or_else(|| HostName::parse(text).map(Self::Name))
                .ok_or(InvalidAddress::Neither);
        };
        if !path.starts_with('/') {
            return Err(InvalidAddress::Relative);
        }
        if path.len() > MAX_UNIX_PATH_BYTES {
            return Err(InvalidAddress::TooLong(path.len()));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl HostName {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.split_once(':')?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        // Digits and dots alone are an address that does not parse, not a name.
        let is_name = host.bytes().all(is_part) && host.bytes().any(|b| b.is_ascii_alphabetic());
        let port = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())??;
        is_name.then(|| Self { host: host.to_ascii_lowercase(), port })
    }

    /// Each address once, in the order of the system's resolver.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn is_local(&self) -> bool {
        self.host == "localhost"
    }

    fn clashes(&self, address: &SocketAddr) -> bool {
        let ip = address.ip();
        let covered = ip.is_unspecified() || ip.is_loopback() && self.is_local();
        self.port != 0 && self.port == address.port() && covered
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl Address {
    /// True if no other machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Name(name) => name.is_local(),
            Self::Unix(_) => true,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// True if the two cannot be bound together. Each use of port 0 gets another port, and
    /// `0.0.0.0` covers every address of its family.
    pub fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => {
                let any = one.ip().is_unspecified() || other.ip().is_unspecified();
                let covered = any && one.is_ipv4() == other.is_ipv4();
                let same_port = one.port() == other.port() && one.port() != 0;
                same_port && (one.ip() == other.ip() || covered)
            }
            (Self::Tcp(address), Self::Name(name)) | (Self::Name(name), Self::Tcp(address)) => {
                name.clashes(address)
            }
            (Self::Name(one), Self::Name(other)) => one == other && one.port != 0,
            (one, other) => one == other,
        }
    }

    /// For a URL: a loopback address in the place of an unspecified one.
    pub fn reachable(&self) -> Self {
        match self {
            Self::Tcp(address) if address.ip().is_unspecified() => {
                let ip = match address {
                    SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
                };
                Self::Tcp(SocketAddr::new(ip, address.port()))
            }
            Self::Tcp(_) | Self::Name(_) | Self::Unix(_) => self.clone(),
        }
    }

    /// The beginning of a URL for this address; a Unix socket has none and is printed as it is.
    pub fn url(&self, tls: bool) -> String {
        match self {
            Self::Tcp(_) | Self::Name(_) => {
                format!("{}://{self}", if tls { "https" } else { "http" })
            }
            Self::Unix(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "listen-address" })
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port_or_a_path() {
        for text in
            ["127.0.0.1:6001", "[::]:0", "localhost:6001", "web-1.a:0", "unix:/run/sealcast/p.sock"]
        {
            assert_eq!(text.parse::<Address>().map(|a| a.to_string()), Ok(text.to_owned()));
        }
        let longest = format!("unix:/{}", "a".repeat(MAX_UNIX_PATH_BYTES - 1));
        assert!(longest.parse::<Address>().is_ok());
        for (text, expected) in [
            ("", InvalidAddress::Neither),
            ("6001", InvalidAddress::Neither),
            ("localhost", InvalidAddress::Neither),
            ("localhost:", InvalidAddress::Neither),
            ("localhost:+1", InvalidAddress::Neither),
            ("localhost:65536", InvalidAddress::Neither),
            (":6001", InvalidAddress::Neither),
            ("::1:6001", InvalidAddress::Neither),
            ("127.1:6001", InvalidAddress::Neither),
            ("http://localhost:6001", InvalidAddress::Neither),
            ("/run/sealcast.sock", InvalidAddress::Neither),
            ("unix:", InvalidAddress::Relative),
            ("unix:sealcast.sock", InvalidAddress::Relative),
            (&format!("{longest}a"), InvalidAddress::TooLong(MAX_UNIX_PATH_BYTES + 1)),
        ] {
            assert_eq!(text.parse::<Address>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn f23_a_name_resolves_to_all_its_addresses() {
        let Ok(Address::Name(name)) = "LocalHost:7".parse() else { panic!("a name") };
        let addresses = name.resolve().expect("every system knows localhost");
        assert!(!addresses.is_empty(), "{addresses:?}");
        assert!(addresses.iter().all(|a| a.ip().is_loopback() && a.port() == 7), "{addresses:?}");
        assert!(Address::Name(name).is_local());
    }

    #[test]
    fn clashing_listen_addresses_are_detected() {
        let of = |text: &str| text.parse::<Address>().expect("an address");
        assert!(of("127.0.0.1:1").clashes(&of("127.0.0.1:1")));
        assert!(of("127.0.0.1:1").clashes(&of("0.0.0.0:1")));
        assert!(of("[::]:1").clashes(&of("[::1]:1")));
        assert!(!of("[::]:1").clashes(&of("127.0.0.1:1")));
        assert!(!of("0.0.0.0:0").clashes(&of("127.0.0.1:0")));
        assert!(of("localhost:1").clashes(&of("LOCALHOST:1")));
        assert!(of("localhost:1").clashes(&of("[::1]:1")) && of("0.0.0.0:1").clashes(&of("a:1")));
        assert!(!of("localhost:0").clashes(&of("localhost:0")));
        assert!(!of("localhost:1").clashes(&of("127.0.0.1:2")));
        assert!(!of("web-1:1").clashes(&of("127.0.0.1:1")));
        assert!(of("unix:/a").clashes(&of("unix:/a")));
        assert!(!of("127.0.0.1:0").clashes(&of("127.0.0.1:0")));
        assert!(!of("127.0.0.1:1").clashes(&of("127.0.0.1:2")));
        assert!(!of("unix:/a").clashes(&of("unix:/b")));
    }
}
