//! Just enough of HTTP/1.1 to read the responses of a trigger API.

use anyhow::{Context, Result, bail};
use memchr::memmem;

/// The relevant parts of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Bytes of head and body together.
    pub len: usize,
    /// The server will close the connection, and a new one is needed.
    pub close: bool,
}

/// Reads one response from the front of `buf`, or returns `None` if it is not
/// all there yet.
pub fn parse_response(buf: &[u8]) -> Result<Option<Response>> {
    let Some(head_end) = memmem::find(buf, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buf[..head_end]).context("HTTP head is not UTF-8")?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3))
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("bad HTTP status line in {head:?}"))?;
    let body = head_end + 4;
    let mut end = Some(body);
    let mut close = false;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            bail!("bad HTTP header line {line:?}");
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            end = Some(body + value.parse::<usize>().context("bad Content-Length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            end = chunked_end(buf, body)?;
        } else if name.eq_ignore_ascii_case("connection") {
            close = value.eq_ignore_ascii_case("close");
        }
    }
    Ok(end.filter(|end| *end <= buf.len()).map(|len| Response { status, len, close }))
}

/// The end of a chunked body that starts at `at`, if it is all there.
fn chunked_end(buf: &[u8], mut at: usize) -> Result<Option<usize>> {
    loop {
        let Some(line) = memmem::find(&buf[at.min(buf.len())..], b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&buf[at..at + line])?;
        let size = usize::from_str_radix(size.trim(), 16).context("bad chunk size")?;
        at += line + 2 + size + 2;
        if size == 0 {
            return Ok((buf.len() >= at).then_some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_response_with_a_length() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1";
        for cut in 0..39 {
            assert_eq!(parse_response(&bytes[..cut]).unwrap(), None, "cut at {cut}");
        }
        assert_eq!(
            parse_response(bytes).unwrap(),
            Some(Response { status: 200, len: 40, close: false })
        );
    }

    #[test]
    fn reads_a_chunked_response() {
        let bytes =
            b"HTTP/1.1 413 Too Big\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(parse_response(&bytes[..cut]).unwrap(), None, "cut at {cut}");
        }
        assert_eq!(
            parse_response(bytes).unwrap(),
            Some(Response { status: 413, len: bytes.len(), close: false })
        );
    }

    #[test]
    fn notices_that_the_server_will_close() {
        let bytes = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert!(parse_response(bytes).unwrap().unwrap().close);
    }

    #[test]
    fn refuses_garbage() {
        assert!(parse_response(b"SSH-2.0\r\n\r\n").is_err());
    }
}
