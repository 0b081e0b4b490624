//! Where a listener is: an address of the network, or a file of this machine.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The kernel has room for so many bytes, and a zero behind them.
pub const LONGEST_PATH: usize = 107;

/// None of them repeats what was written: it might be something else in the wrong place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    #[error(
        "an address to listen on is ADDRESS:PORT, such as \"0.0.0.0:6001\" or \"[::]:6001\", or \"unix:/path/to.sock\""
    )]
    Neither,
    #[error(
        "the path behind \"unix:\" must begin with a slash, such as \"unix:/run/sealcast.sock\""
    )]
    Relative,
    #[error(
        "the path of a Unix socket is {0} bytes long, and the system takes {LONGEST_PATH}: choose a shorter one"
    )]
    TooLong(usize),
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let Some(path) = text.strip_prefix("unix:") else {
            return text.parse().map(Self::Tcp).map_err(|_| InvalidAddress::Neither);
        };
        if !path.starts_with('/') {
            return Err(InvalidAddress::Relative);
        }
        if path.len() > LONGEST_PATH {
            return Err(InvalidAddress::TooLong(path.len()));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl Address {
    /// Whether nobody else's machine can get there.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Whether both cannot be listened on. Port 0 is another one each time, and `0.0.0.0` is every
    /// address of its family.
    pub fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => {
                let any = one.ip().is_unspecified() || other.ip().is_unspecified();
                let covered = any && one.is_ipv4() == other.is_ipv4();
                let same_port = one.port() == other.port() && one.port() != 0;
                same_port && (one.ip() == other.ip() || covered)
            }
            (one, other) => one == other,
        }
    }

    /// As a URL begins that reaches it, where there can be one.
    pub fn url(&self, tls: bool) -> String {
        match self {
            Self::Tcp(address) => format!("{}://{address}", if tls { "https" } else { "http" }),
            Self::Unix(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
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
    fn an_address_is_a_port_or_a_path() {
        for text in ["127.0.0.1:6001", "[::]:0", "unix:/run/sealcast/public.sock"] {
            assert_eq!(text.parse::<Address>().map(|a| a.to_string()), Ok(text.to_owned()));
        }
        let longest = format!("unix:/{}", "a".repeat(LONGEST_PATH - 1));
        assert!(longest.parse::<Address>().is_ok());
        for (text, expected) in [
            ("", InvalidAddress::Neither),
            ("6001", InvalidAddress::Neither),
            ("localhost:6001", InvalidAddress::Neither),
            ("/run/sealcast.sock", InvalidAddress::Neither),
            ("unix:", InvalidAddress::Relative),
            ("unix:sealcast.sock", InvalidAddress::Relative),
            (&format!("{longest}a"), InvalidAddress::TooLong(LONGEST_PATH + 1)),
        ] {
            assert_eq!(text.parse::<Address>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn two_listeners_need_two_addresses() {
        let of = |text: &str| text.parse::<Address>().expect("an address");
        assert!(of("127.0.0.1:1").clashes(&of("127.0.0.1:1")));
        assert!(of("127.0.0.1:1").clashes(&of("0.0.0.0:1")));
        assert!(of("[::]:1").clashes(&of("[::1]:1")));
        assert!(!of("[::]:1").clashes(&of("127.0.0.1:1")));
        assert!(!of("0.0.0.0:0").clashes(&of("127.0.0.1:0")));
        assert!(of("unix:/a").clashes(&of("unix:/a")));
        assert!(!of("127.0.0.1:0").clashes(&of("127.0.0.1:0")));
        assert!(!of("127.0.0.1:1").clashes(&of("127.0.0.1:2")));
        assert!(!of("unix:/a").clashes(&of("unix:/b")));
    }
}
