//! The part of the URL with login and hosts.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{InvalidClusterUrl, RedisLogin};

const MAX_HOST_NAME: usize = 253;

/// A host and its port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RedisHost {
    /// A name or an address; without brackets.
    pub host: Box<str>,
    pub port: u16,
}

impl RedisHost {
    /// As another server names it. `None` for what is no name, no address and no port.
    pub fn parse(host: &str, port: &str) -> Option<Self> {
        let is_host = host.parse::<Ipv6Addr>().is_ok() || is_name_or_ipv4(host);
        let port = parse_port(port).ok().filter(|_| is_host)?;
        Some(Self { host: host.into(), port })
    }
}

impl fmt::Display for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

pub(super) fn parse(
    authority: &str,
    default_port: u16,
) -> Result<(Option<RedisLogin>, Vec<RedisHost>), InvalidClusterUrl> {
    let (given, hosts) = match authority.split_once('@') {
        Some((_, hosts)) if hosts.contains('@') => return Err(InvalidClusterUrl::SeveralAt),
        Some((given, hosts)) => (Some(given), hosts),
        None => (None, authority),
    };
    let hosts = hosts.split(',').map(|text| host(text, default_port)).collect::<Result<_, _>>()?;
    Ok((given.map(login).transpose()?, hosts))
}

fn login(text: &str) -> Result<RedisLogin, InvalidClusterUrl> {
    let (user, password) = text.split_once(':').ok_or(InvalidClusterUrl::NoPassword)?;
    let (user, password) = (decoded(user)?, decoded(password)?);
    if password.is_empty() {
        return Err(InvalidClusterUrl::NoPassword);
    }
    Ok(RedisLogin {
        user: (!user.is_empty()).then(|| user.as_str().into()),
        password: SecretString::from(password.as_str().to_owned()),
    })
}

/// Wiped on drop, since it may be the password.
fn decoded(text: &str) -> Result<Zeroizing<String>, InvalidClusterUrl> {
    if !has_whole_escapes(text.as_bytes()) {
        return Err(InvalidClusterUrl::Encoding);
    }
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| InvalidClusterUrl::Encoding)?;
    Ok(Zeroizing::new(decoded.into_owned()))
}

/// The decoder takes a % that begins no byte as it is.
fn has_whole_escapes(text: &[u8]) -> bool {
    let mut escapes = text.split(|byte| *byte == b'%');
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
    // What is in front of the first %.
    escapes.next();
    escapes.all(|rest| rest.get(..2).is_some_and(|digits| digits.iter().all(is_digit)))
}

fn host(text: &str, default_port: u16) -> Result<RedisHost, InvalidClusterUrl> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or(InvalidClusterUrl::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| InvalidClusterUrl::Host)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(InvalidClusterUrl::Host),
            };
            (address, port)
        }
        None => {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            if !is_name_or_ipv4(name) {
                return Err(InvalidClusterUrl::Host);
            }
            (name, port)
        }
    };
    let port = port.map_or(Ok(default_port), parse_port)?;
    Ok(RedisHost { host: host.into(), port })
}

/// `u16::from_str` also takes "+1".
fn parse_port(text: &str) -> Result<u16, InvalidClusterUrl> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or(InvalidClusterUrl::Port)
}

/// A name whose last label is a number would be an address to other parsers.
fn is_name_or_ipv4(text: &str) -> bool {
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= MAX_HOST_NAME && name.split('.').all(is_label)
}
