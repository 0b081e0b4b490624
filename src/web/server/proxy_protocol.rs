//! The PROXY protocol, versions 1 and 2: the client's address, sent by a load balancer before the
//! connection. No byte after the header is read, since TLS or HTTP begins there.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The content of a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    Client(IpAddr),
    /// The load balancer's own connection, such as a health check, or one of unknown origin.
    Unspecified,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("it begins with no PROXY header")]
    Missing,
    #[error("the PROXY header is too long")]
    TooLong,
    #[error("the PROXY header has an unknown version")]
    Version,
    #[error("the PROXY header cannot be read")]
    Unreadable,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it ended within the PROXY header")]
    Ended(#[from] io::Error),
}

/// The state of a header after some of its bytes.
#[derive(Debug, PartialEq, Eq)]
enum HeaderProgress {
    /// At least this many bytes of the header are missing.
    Read(usize),
    Whole(ProxyHeader),
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_PREFIX: &[u8] = b"PROXY ";
/// A line with two IPv6 addresses, including its end.
const V1_MAX_BYTES: usize = 107;
const V2_HEADER_BYTES: usize = SIGNATURE.len() + 4;
/// After the fixed part: addresses and extensions, with room beyond any known load balancer.
const V2_MAX_BYTES: usize = 2048;

pub async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<ProxyHeader, ReadError> {
    let mut header = Vec::new();
    loop {
        match progress(&header)? {
            HeaderProgress::Whole(content) => return Ok(content),
            HeaderProgress::Read(count) => {
                let known = header.len();
                header.resize(known + count, 0);
                io.read_exact(&mut header[known..]).await?;
            }
        }
    }
}

fn progress(header: &[u8]) -> Result<HeaderProgress, Malformed> {
    if header.len() < SIGNATURE.len() {
        // The shortest header of either version is longer.
        Ok(HeaderProgress::Read(SIGNATURE.len() - header.len()))
    } else if header.starts_with(SIGNATURE) {
        parse_v2(header)
    } else if header.starts_with(V1_PREFIX) {
        parse_v1(header)
    } else {
        Err(Malformed::Missing)
    }
}

/// Version 1: one line of text.
fn parse_v1(header: &[u8]) -> Result<HeaderProgress, Malformed> {
    if let Some(line) = header.strip_suffix(b"\r\n") {
        return parse_v1_line(line).map(HeaderProgress::Whole);
    }
    let ended = header.strip_suffix(b"\r").unwrap_or(header);
    if ended.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(Malformed::Unreadable);
    }
    let least = if ended.len() < header.len() { 1 } else { min_remaining(header) };
    if header.len() + least > V1_MAX_BYTES {
        return Err(Malformed::TooLong);
    }
    Ok(HeaderProgress::Read(least))
}

/// For a line without its end: the missing words, one byte each, and the end.
fn min_remaining(line: &[u8]) -> usize {
    if !line.starts_with(b"PROXY TCP") {
        return 2;
    }
    let spaces = line.iter().filter(|byte| **byte == b' ').count();
    let begun = usize::from(line.ends_with(b" "));
    5usize.saturating_sub(spaces) * 2 + begun + 2
}

fn parse_v1_line(line: &[u8]) -> Result<ProxyHeader, Malformed> {
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Unreadable)?;
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(ProxyHeader::Unspecified),
        ["PROXY", "TCP4", from, to, from_port, to_port] => {
            client::<Ipv4Addr>([from, to], [from_port, to_port])
        }
        ["PROXY", "TCP6", from, to, from_port, to_port] => {
            client::<Ipv6Addr>([from, to], [from_port, to_port])
        }
        _ => Err(Malformed::Unreadable),
    }
}

fn client<A: std::str::FromStr + Into<IpAddr>>(
    addresses: [&str; 2],
    ports: [&str; 2],
) -> Result<ProxyHeader, Malformed> {
    let [Ok(from), Ok(_)] = addresses.map(str::parse::<A>) else {
        return Err(Malformed::Unreadable);
    };
    if ports.iter().any(|port| port.parse::<u16>().is_err()) {
        return Err(Malformed::Unreadable);
    }
    Ok(ProxyHeader::Client(from.into().to_canonical()))
}

fn parse_v2(header: &[u8]) -> Result<HeaderProgress, Malformed> {
    let Some(fixed) = header.first_chunk::<V2_HEADER_BYTES>() else {
        return Ok(HeaderProgress::Read(V2_HEADER_BYTES - header.len()));
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 {
        return Err(Malformed::Version);
    }
    if length > V2_MAX_BYTES {
        return Err(Malformed::TooLong);
    }
    let body = &header[V2_HEADER_BYTES..];
    if body.len() < length {
        return Ok(HeaderProgress::Read(length - body.len()));
    }
    let local = match command & 0xf {
        0 => true,
        1 => false,
        _ => return Err(Malformed::Unreadable),
    };
    if local { Ok(HeaderProgress::Whole(ProxyHeader::Unspecified)) } else { address(family, body) }
}

/// Addresses and ports come first, then extensions.
fn address(family: u8, body: &[u8]) -> Result<HeaderProgress, Malformed> {
    let client = |address: Option<IpAddr>| match address {
        Some(address) => Ok(HeaderProgress::Whole(ProxyHeader::Client(address.to_canonical()))),
        None => Err(Malformed::Unreadable),
    };
    match family {
        // TCP over IPv4 or IPv6.
        0x11 => client(body.first_chunk::<12>().map(|body| v4(body).into())),
        0x21 => client(body.first_chunk::<36>().map(|body| v6(body).into())),
        // A Unix socket, or an unspecified address family.
        0x31 if body.len() < 216 => Err(Malformed::Unreadable),
        0x31 | 0x00 => Ok(HeaderProgress::Whole(ProxyHeader::Unspecified)),
        _ => Err(Malformed::Unreadable),
    }
}

fn v4([a, b, c, d, ..]: &[u8; 12]) -> Ipv4Addr {
    Ipv4Addr::new(*a, *b, *c, *d)
}

fn v6(body: &[u8; 36]) -> Ipv6Addr {
    body.first_chunk::<16>().map(|address| Ipv6Addr::from(*address)).expect("36 are more than 16")
}

#[cfg(test)]
mod tests;

/// The result for these bytes, and the number of bytes read.
#[cfg(fuzzing)]
pub fn read_all(bytes: &[u8]) -> (Result<ProxyHeader, String>, usize) {
    let mut rest = bytes;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let content = runtime.block_on(read(&mut rest)).map_err(|error| error.to_string());
    (content, bytes.len() - rest.len())
}
