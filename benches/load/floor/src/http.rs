//! The two HTTP requests that the load generator makes: upgrade and trigger.

use base64::{Engine, engine::general_purpose::STANDARD};
use memchr::memmem;
use sha1::{Digest, Sha1};

use crate::{
    scan::field,
    worker::Worker,
    ws::{self, frame},
};

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const OK_AND_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Connection: close\r\nContent-Length: 2\r\n\r\n{}";

impl Worker {
    /// Serves the request at the front of `buf` and returns its size, or `None`
    /// if it is not all there yet.
    pub fn request_in(&mut self, id: u32, buf: &[u8]) -> Option<usize> {
        let head = memmem::find(buf, b"\r\n\r\n")?;
        if buf.starts_with(b"GET /app/") {
            self.upgrade(id, &buf[..head])?;
            return Some(head + 4);
        }
        self.trigger(id, buf, head)
    }

    fn upgrade(&mut self, id: u32, head: &[u8]) -> Option<()> {
        let name = b"Sec-WebSocket-Key: ";
        let at = memmem::find(head, name)? + name.len();
        let mut sha = Sha1::new();
        sha.update(&head[at..at + 24]);
        sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let mut out = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            STANDARD.encode(sha.finalize())
        )
        .into_bytes();
        let hello = format!(
            r#"{{"event":"pusher:connection_established","data":"{{\"socket_id\":\"{}.{id}\",\"activity_timeout\":120}}"}}"#,
            self.me + 1
        );
        out.extend_from_slice(&frame(ws::TEXT, &[hello.as_bytes()]));
        self.conns[id as usize].as_mut()?.websocket = true;
        self.send(id, &out);
        Some(())
    }

    fn trigger(&mut self, id: u32, buf: &[u8], head: usize) -> Option<usize> {
        let body = head + 4;
        let name = b"Content-Length: ";
        let at = memmem::find(&buf[..head], name)? + name.len();
        let len = buf[at..head]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .fold(0, |n, b| n * 10 + usize::from(b - b'0'));
        let json = buf.get(body..body + len)?;
        if let (Some(event), Some(channel), Some(data)) =
            (field(json, r#""name":""#), field(json, r#""channel":""#), field(json, r#""data":""#))
        {
            let frame = frame(
                ws::TEXT,
                &[
                    br#"{"event":""#,
                    event,
                    br#"","channel":""#,
                    channel,
                    br#"","data":""#,
                    data,
                    br#""}"#,
                ],
            );
            self.publish(channel, frame, None);
        }
        if self.close_after_answer {
            self.send(id, OK_AND_CLOSE);
            self.close(id);
        } else {
            self.send(id, OK);
        }
        Some(body + len)
    }
}
