//! HTTP/1.1 for commands: one request per connection.

use std::{
    io::{Read, Write},
    net::{SocketAddr, ToSocketAddrs},
};

use zeroize::Zeroizing;

use super::CliResult;
use crate::platform::http::USER_AGENT_NAME;

pub struct CliRequest<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub host: &'a str,
    pub token: Option<&'a str>,
    /// JSON
    pub body: &'a str,
}

pub struct CliResponse {
    pub status: u16,
    pub body: String,
}

/// More than any response has.
const MAX_RESPONSE_BYTES: u64 = 1024 * 1024;

pub const NOT_HTTP: &str =
    "the answer is not HTTP; is it TLS that is spoken there, and not plain HTTP?";

impl CliRequest<'_> {
    /// A GET without token and body.
    pub fn get<'a>(path: &'a str, host: &'a str) -> CliRequest<'a> {
        CliRequest { method: "GET", path, host, token: None, body: "" }
    }

    pub fn send(&self, mut stream: impl Read + Write) -> CliResult<CliResponse> {
        stream.write_all(self.text().as_bytes())?;
        stream.flush()?;
        let mut answer = String::new();
        stream.take(MAX_RESPONSE_BYTES).read_to_string(&mut answer)?;
        parse(&answer).ok_or_else(|| NOT_HTTP.into())
    }

    /// Wiped on drop: the text may contain a token and a master key.
    fn text(&self) -> Zeroizing<String> {
        let Self { method, path, host, token, body } = self;
        let token = token.map_or_else(Zeroizing::default, |token| {
            Zeroizing::new(format!("Authorization: Bearer {token}\r\n"))
        });
        Zeroizing::new(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT_NAME}\r\nConnection: close\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            *token,
            body.len()
        ))
    }
}

/// The server closes the connection after the response, so the body is everything after the head.
fn parse(answer: &str) -> Option<CliResponse> {
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(CliResponse { status, body: body.to_owned() })
}

/// A complete response and the length of its head, or `None` while bytes are missing. The body has
/// the announced length, since the connection stays open after it.
pub fn parse_partial(read: &[u8]) -> Option<(CliResponse, usize)> {
    let text = std::str::from_utf8(read)
        .unwrap_or_else(|e| std::str::from_utf8(&read[..e.valid_up_to()]).unwrap_or_default());
    let (head, _) = text.split_once("\r\n\r\n")?;
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let end = head.len() + 4;
    let whole = text.get(..end + length.unwrap_or(0))?;
    Some((parse(whole)?, end))
}

/// `HOST:PORT`, optionally followed by a path.
pub fn addresses(rest: &str) -> CliResult<(Vec<SocketAddr>, &str)> {
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let addresses =
        host.to_socket_addrs().map_err(|e| format!("{host:?} is no host and port: {e}"))?;
    Ok((addresses.collect(), path.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_parsed() {
        let answer = parse("HTTP/1.1 409 Conflict\r\nA: b\r\n\r\n{\"x\":1}").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (409, "{\"x\":1}"));
        for text in ["", "HTTP/1.1 200", "HTTP/1.1 2\r\n\r\n", "\u{15}\u{3}\u{3}", "HTTP/1.1 20é"]
        {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn addresses_need_a_port() {
        let (addresses, path) = addresses("127.0.0.1:80/a/").unwrap();
        assert_eq!((addresses.len(), path), (1, "/a"));
        assert!(super::addresses("127.0.0.1").is_err());
    }
}
