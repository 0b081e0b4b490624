//! The URL of Redis. One grammar for a single server, Sentinel and Redis Cluster:
//!
//! ```text
//! SCHEME://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]]...[/MASTER][/0]
//! ```
//!
//! Only a single server has one host alone, and only Sentinel has a master. No part of a refused URL
//! is shown: with a typo, the password may be in any of them.

mod authority;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use secrecy::SecretString;

pub use authority::RedisHost;

/// More are hardly ever written: one that answers names the others.
pub const MAX_HOSTS: usize = 64;

/// A text of this length holds 64 hosts with long names.
const MAX_LENGTH: usize = 20_000;

const MAX_MASTER_NAME: usize = 100;

/// A valid URL. `Display` and `Debug` hide the password.
pub struct ClusterUrl {
    pub topology: RedisTopology,
    pub tls: bool,
    pub hosts: Vec<RedisHost>,
    pub login: Option<RedisLogin>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RedisTopology {
    Single,
    /// The hosts are Sentinels.
    Sentinel {
        master: Box<str>,
    },
    /// The hosts are some masters or replicas.
    Cluster,
}

/// The user of Redis' access control list. Without a name it is the user `default`.
pub struct RedisLogin {
    pub user: Option<Box<str>>,
    pub password: SecretString,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidClusterUrl {
    #[error(
        "has no scheme that this server knows: write redis://HOST, rediss://HOST (TLS), redis+sentinel://HOST,HOST/MASTER or redis-cluster://HOST,HOST (rediss+sentinel and rediss-cluster with TLS)"
    )]
    Scheme,
    #[error(
        "names NATS, which this server does not use: name a Redis 7 or Valkey, such as redis://HOST"
    )]
    Nats,
    #[error("is longer than 20000 characters")]
    TooLong,
    #[error("contains a blank or a control character: write it as %20, or remove it")]
    Blank,
    #[error(
        "has parameters behind ? or #, and there are none: remove them. In a password write ? as %3F and # as %23"
    )]
    Parameters,
    #[error("has more than one @ in front of a host: write @ in a user or password as %40")]
    SeveralAt,
    #[error(
        "has a user without a password: write redis://USER:PASSWORD@HOST, or leave out the user"
    )]
    NoPassword,
    #[error(
        "has a % in user or password that begins no byte of UTF-8, such as %40 for @: write % itself as %25"
    )]
    Encoding,
    #[error(
        "has a host that is no name and no address: write redis://HOST:PORT, an IPv6 address in brackets, and / in a password as %2F"
    )]
    Host,
    #[error(
        "has a port that is no number from 1 to 65535: write : in a password as %3A and / as %2F"
    )]
    Port,
    #[error("names several hosts, and redis: is for one: write redis+sentinel: or redis-cluster:")]
    SeveralHosts,
    #[error("names more than {MAX_HOSTS} hosts: some are enough, they name the others")]
    TooManyHosts,
    #[error(
        "names no master for Sentinel, or not by letters, digits, '-', '_' and '.': write redis+sentinel://HOST,HOST/MASTER"
    )]
    Master,
    #[error(
        "names a database other than 0: nodes use database 0, which alone exists in Redis Cluster; tell clusters apart by cluster.prefix"
    )]
    Database,
    #[error("has a path, and only Sentinel's name of a master and the database 0 may stand there")]
    Path,
}

/// Scheme, topology and TLS. `tls:` is another name of `rediss:`.
const SCHEMES: [(&str, Family, bool); 7] = [
    ("redis", Family::Single, false),
    ("rediss", Family::Single, true),
    ("tls", Family::Single, true),
    ("redis+sentinel", Family::Sentinel, false),
    ("rediss+sentinel", Family::Sentinel, true),
    ("redis-cluster", Family::Cluster, false),
    ("rediss-cluster", Family::Cluster, true),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Single,
    Sentinel,
    Cluster,
}

impl Family {
    fn default_port(self) -> u16 {
        match self {
            Self::Single | Self::Cluster => 6379,
            Self::Sentinel => 26_379,
        }
    }
}

impl ClusterUrl {
    /// True if one of the hosts accepts a connection in time. Blocks.
    pub fn accepts(&self, timeout: Duration) -> bool {
        self.hosts.iter().any(|host| {
            let addresses = (&*host.host, host.port).to_socket_addrs();
            let accepts = |address| TcpStream::connect_timeout(&address, timeout).is_ok();
            addresses.is_ok_and(|mut addresses| addresses.any(accepts))
        })
    }

    pub fn parse(text: &str) -> Result<Self, InvalidClusterUrl> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidClusterUrl::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidClusterUrl::Blank);
        }
        let (scheme, rest) = text.split_once(':').ok_or(InvalidClusterUrl::Scheme)?;
        let (family, tls) = scheme_of(scheme)?;
        let rest = rest.strip_prefix("//").ok_or(InvalidClusterUrl::Scheme)?;
        if rest.contains(['?', '#']) {
            return Err(InvalidClusterUrl::Parameters);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority::parse(authority, family.default_port())?;
        let topology = topology(family, path)?;
        match (family, hosts.len()) {
            (Family::Single, 2..) => Err(InvalidClusterUrl::SeveralHosts),
            (_, count) if count > MAX_HOSTS => Err(InvalidClusterUrl::TooManyHosts),
            _ => Ok(Self { topology, tls, hosts, login }),
        }
    }
}

fn scheme_of(scheme: &str) -> Result<(Family, bool), InvalidClusterUrl> {
    let scheme = scheme.to_ascii_lowercase();
    if ["nats", "nats+tls", "tls+nats"].contains(&scheme.as_str()) {
        return Err(InvalidClusterUrl::Nats);
    }
    let known = SCHEMES.into_iter().find(|(name, ..)| *name == scheme);
    known.map(|(_, family, tls)| (family, tls)).ok_or(InvalidClusterUrl::Scheme)
}

/// `path` is without its first slash.
fn topology(family: Family, path: &str) -> Result<RedisTopology, InvalidClusterUrl> {
    let (topology, database) = match family {
        Family::Single => (RedisTopology::Single, path),
        Family::Cluster => (RedisTopology::Cluster, path),
        Family::Sentinel => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let fits = (1..=MAX_MASTER_NAME).contains(&master.len());
            if !fits || !master.bytes().all(is_part) {
                return Err(InvalidClusterUrl::Master);
            }
            (RedisTopology::Sentinel { master: master.into() }, database)
        }
    };
    match database {
        "" | "0" => Ok(topology),
        other if other.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(InvalidClusterUrl::Database)
        }
        _ => Err(InvalidClusterUrl::Path),
    }
}

/// The form that is read again, apart from the login.
impl fmt::Display for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.topology {
            RedisTopology::Single => "",
            RedisTopology::Sentinel { .. } => "+sentinel",
            RedisTopology::Cluster => "-cluster",
        };
        write!(f, "redis{}{family}://", if self.tls { "s" } else { "" })?;
        if self.login.is_some() {
            f.write_str("***@")?;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if index == 0 { "" } else { "," })?;
        }
        match &self.topology {
            RedisTopology::Sentinel { master } => write!(f, "/{master}"),
            RedisTopology::Single | RedisTopology::Cluster => Ok(()),
        }
    }
}

impl fmt::Debug for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
