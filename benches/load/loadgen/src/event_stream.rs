//! The text of an event stream: what comes between two empty lines.

use memchr::{memchr, memmem};

const END: &[u8] = b"\n\n";

/// One event or comment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block<'a> {
    /// Empty in a comment.
    pub data: &'a [u8],
    pub id: Option<&'a [u8]>,
}

/// Reads one block from the front of `buf`. Returns it and the bytes it took, or `None` if it is
/// not all there yet.
pub fn parse(buf: &[u8]) -> Option<(Block<'_>, usize)> {
    let end = memmem::find(buf, END)?;
    let mut block = Block::default();
    let mut rest = &buf[..end];
    while !rest.is_empty() {
        let (line, more) = match memchr(b'\n', rest) {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[..0]),
        };
        if let Some(data) = line.strip_prefix(b"data: ") {
            block.data = data;
        } else if let Some(id) = line.strip_prefix(b"id: ") {
            block.id = Some(id);
        }
        rest = more;
    }
    Some((block, end + END.len()))
}

/// Opens a stream of one public channel. `after`: the id of the last event that was read.
pub fn request(host: &str, key: &str, channel: &str, after: Option<&str>) -> Vec<u8> {
    let after = after.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    format!(
        "GET /app/{key}/sse?channel={channel} HTTP/1.1\r\nHost: {host}\r\n\
         Accept: text/event-stream\r\n{after}\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_event_with_an_id() {
        let bytes = b"retry: 700\ndata: {}\nid: AQ3x\n\ndata";
        for cut in 0..bytes.len() - 4 {
            assert_eq!(parse(&bytes[..cut]), None, "cut at {cut}");
        }
        let block = Block { data: b"{}", id: Some(b"AQ3x") };
        assert_eq!(parse(bytes), Some((block, bytes.len() - 4)));
    }

    #[test]
    fn reads_an_event_without_an_id_and_a_comment() {
        assert_eq!(parse(b"data: x\n\n"), Some((Block { data: b"x", id: None }, 9)));
        assert_eq!(parse(b":\n\n"), Some((Block::default(), 3)));
    }

    #[test]
    fn asks_for_what_came_after_an_id() {
        let text = |after| String::from_utf8(request("h:1", "key1", "news", after)).unwrap();
        assert!(text(None).starts_with("GET /app/key1/sse?channel=news HTTP/1.1\r\n"));
        assert!(!text(None).contains("Last-Event-ID"));
        assert!(text(Some("AQ3x")).ends_with("\r\nLast-Event-ID: AQ3x\r\n\r\n"));
    }
}
