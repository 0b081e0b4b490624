//! WebSocket framing (RFC 6455 section 5), without I/O: bytes in, messages out.

use super::code::Close;

/// A complete message from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum WsMessage<'a> {
    Text(&'a str),
    Binary,
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(Option<u16>),
    /// A part of a message that is not its last.
    Fragment,
}

pub mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

pub const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTROL: u8 = 0x08;
/// RFC 6455 section 5.5: control frames carry at most 125 bytes.
pub const CONTROL_BYTES: usize = 125;

/// The largest header of a server's frame: two bytes and a 64-bit length.
pub const MAX_HEADER: usize = 10;

/// Decodes one connection's frames. An idle decoder holds nothing on the heap.
pub struct Decoder {
    limit: usize,
    /// The fragments of a message so far, and whether it is text.
    fragments: Option<(bool, Vec<u8>)>,
}

/// A decoded frame header.
struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    /// The range of the payload.
    start: usize,
    end: usize,
}

impl Decoder {
    pub fn new(limit: usize) -> Self {
        Self { limit, fragments: None }
    }

    /// Bytes kept of an unfinished message.
    pub fn kept_bytes(&self) -> usize {
        self.fragments.as_ref().map_or(0, |(_, bytes)| bytes.capacity())
    }

    /// Decodes every complete frame in `bytes` and passes its messages to `take`, until that
    /// returns false. Returns the number of used bytes; the caller keeps the rest and calls again
    /// with more.
    pub fn read(
        &mut self,
        bytes: &mut [u8],
        mut take: impl FnMut(WsMessage<'_>) -> bool,
    ) -> Result<usize, Close> {
        let mut used = 0;
        while let Some(header) = self.header(&bytes[used..])? {
            let payload = &mut bytes[used + header.start..used + header.end];
            unmask(payload, header.mask);
            used += header.end;
            if !self.frame(&header, payload, &mut take)? {
                break;
            }
        }
        Ok(used)
    }

    /// The header, if the whole frame has arrived. It is checked before the payload arrives, so
    /// that no peer can make the server wait for, or store, a payload that would be refused.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, Close> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, first & 0x0f);
        self.judge(first, second, fin, opcode)?;
        let (length, skip) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
            }
            (126 | 127, _) => return Ok(None),
            (short, _) => (u64::from(short), 2),
        };
        let kept = match opcode & CONTROL {
            0 => self.fragments.as_ref().map_or(0, |(_, bytes)| bytes.len()),
            _ => 0,
        };
        if length > self.limit.saturating_sub(kept) as u64 && opcode & CONTROL == 0 {
            return Err(Close::MessageTooBig { limit: self.limit });
        }
        let start = skip + 4;
        let end = start + length as usize;
        let Some(&[a, b, c, d]) = bytes.get(skip..start) else { return Ok(None) };
        Ok((bytes.len() >= end).then_some(Header { fin, opcode, mask: [a, b, c, d], start, end }))
    }

    fn judge(&self, first: u8, second: u8, fin: bool, opcode: u8) -> Result<(), Close> {
        let violation = if first & RESERVED != 0 {
            "reserved bits are set, but no extension was agreed on"
        } else if second & MASKED == 0 {
            "the frame of a client is not masked"
        } else if opcode & CONTROL != 0 && (!fin || usize::from(second & 0x7f) > CONTROL_BYTES) {
            "a control frame is fragmented or longer than 125 bytes"
        } else {
            match opcode {
                opcode::CONTINUATION if self.fragments.is_none() => {
                    "a continuation without a beginning"
                }
                opcode::TEXT | opcode::BINARY if self.fragments.is_some() => {
                    "a new message inside a fragmented one"
                }
                opcode::CONTINUATION | opcode::TEXT | opcode::BINARY => return Ok(()),
                opcode::CLOSE | opcode::PING | opcode::PONG => return Ok(()),
                _ => "unknown opcode",
            }
        };
        Err(Close::ProtocolViolation(violation))
    }

    fn frame(
        &mut self,
        header: &Header,
        payload: &[u8],
        take: &mut impl FnMut(WsMessage<'_>) -> bool,
    ) -> Result<bool, Close> {
        match header.opcode {
            opcode::PING => Ok(take(WsMessage::Ping(payload))),
            opcode::PONG => Ok(take(WsMessage::Pong(payload))),
            opcode::CLOSE => Ok(take(WsMessage::Close(close_code(payload)?))),
            opcode::CONTINUATION => {
                let Some((text, mut message)) = self.fragments.take() else { return Ok(true) };
                message.extend_from_slice(payload);
                if header.fin {
                    return deliver(text, &message, take);
                }
                self.fragments = Some((text, message));
                Ok(take(WsMessage::Fragment))
            }
            data if header.fin => deliver(data == opcode::TEXT, payload, take),
            data => {
                self.fragments = Some((data == opcode::TEXT, payload.to_vec()));
                Ok(take(WsMessage::Fragment))
            }
        }
    }
}

fn deliver(
    text: bool,
    payload: &[u8],
    take: &mut impl FnMut(WsMessage<'_>) -> bool,
) -> Result<bool, Close> {
    if !text {
        return Ok(take(WsMessage::Binary));
    }
    std::str::from_utf8(payload).map(|text| take(WsMessage::Text(text))).map_err(|_| Close::NotUtf8)
}

/// RFC 6455 sections 7.4 and 8.1: no payload, or a code that may be sent and a reason in UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Close> {
    let violation = Err(Close::ProtocolViolation("malformed close frame"));
    match payload {
        [] => Ok(None),
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            match code {
                1000..=1003 | 1007..=1014 | 3000..=4999 => match std::str::from_utf8(reason) {
                    Ok(_) => Ok(Some(code)),
                    Err(_) => Err(Close::NotUtf8),
                },
                _ => violation,
            }
        }
        [_] => violation,
    }
}

/// Unmasks eight bytes at a time: the compiler's loop for the byte-wise form is slower.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(mask));
    let wide = wide << 32 | wide;
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes(chunk.try_into().expect("the chunk has eight bytes")) ^ wide;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// The payload of a whole frame of the server, which is not masked.
pub fn payload(frame: &[u8]) -> &[u8] {
    let start = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        Some(_) | None => 2,
    };
    frame.get(start..).unwrap_or_default()
}

/// Writes the header of an unfragmented server frame, right-aligned before its payload: the bytes
/// from the returned index on are the header.
pub fn header(opcode: u8, length: usize, out: &mut [u8; MAX_HEADER]) -> usize {
    let (at, marker) = match length {
        0..=125 => (8, length as u8),
        126..=0xffff => (6, 126),
        _ => (0, 127),
    };
    out[at] = FIN | opcode;
    out[at + 1] = marker;
    match MAX_HEADER - at - 2 {
        0 => {}
        2 => out[at + 2..].copy_from_slice(&(length as u16).to_be_bytes()),
        _ => out[at + 2..].copy_from_slice(&(length as u64).to_be_bytes()),
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut out = vec![first];
        match payload.len() {
            n @ 0..=125 => out.push(MASKED | n as u8),
            n @ 126..=0xffff => {
                out.push(MASKED | 126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(MASKED | 127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        out
    }

    /// Feeds the bytes in pieces and prints what comes out.
    fn messages(bytes: &[u8], piece: usize, limit: usize) -> Result<Vec<String>, Close> {
        let (mut decoder, mut buffer, mut out) = (Decoder::new(limit), Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            let used = decoder.read(&mut buffer, |message| {
                if message != WsMessage::Fragment {
                    out.push(format!("{message:?}"));
                }
                true
            })?;
            buffer.drain(..used);
        }
        Ok(out)
    }

    #[test]
    fn fragments_join_around_control_frames() {
        let bytes = [
            client_frame(0x01, b"hel"),
            client_frame(0x89, b"p"),
            client_frame(0x00, b"lo "),
            client_frame(0x8a, b""),
            client_frame(0x80, b"you"),
            client_frame(0x82, b"\xff"),
            client_frame(0x88, &4200u16.to_be_bytes()),
        ]
        .concat();
        let expected =
            [r#"Ping([112])"#, "Pong([])", r#"Text("hello you")"#, "Binary", "Close(Some(4200))"];
        for piece in [1, 2, 7, bytes.len()] {
            assert_eq!(messages(&bytes, piece, 100).unwrap(), expected, "{piece} bytes at a time");
        }
    }

    #[test]
    fn violations_have_their_close_code() {
        let unmasked = vec![0x81, 0x01, b'x'];
        for (name, bytes, code) in [
            ("unmasked", unmasked, 1002),
            ("reserved bit", client_frame(0xc1, b"x"), 1002),
            ("reserved opcode", client_frame(0x83, b"x"), 1002),
            ("reserved control opcode", client_frame(0x8b, b"x"), 1002),
            ("lonely continuation", client_frame(0x80, b"x"), 1002),
            (
                "message within a message",
                [client_frame(0x01, b"x"), client_frame(0x81, b"y")].concat(),
                1002,
            ),
            ("fragmented ping", client_frame(0x09, b"x"), 1002),
            ("long ping", client_frame(0x89, &[0; 126]), 1002),
            ("close of one byte", client_frame(0x88, b"x"), 1002),
            ("close with a forbidden code", client_frame(0x88, &1005u16.to_be_bytes()), 1002),
            ("not utf-8", client_frame(0x81, b"\xff"), 1007),
            ("a close reason that is not utf-8", client_frame(0x88, b"\x03\xe8\xff"), 1007),
            ("a forbidden code comes first", client_frame(0x88, b"\x03\xed\xff"), 1002),
            ("too big", client_frame(0x81, &[b'x'; 101]), 1009),
            (
                "too big together",
                [client_frame(0x01, &[b'x'; 60]), client_frame(0x00, &[b'x'; 60])].concat(),
                1009,
            ),
            (
                "too big by its header alone",
                vec![0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                1009,
            ),
        ] {
            assert_eq!(messages(&bytes, 3, 100).unwrap_err().code(), Some(code), "{name}");
        }
        assert_eq!(messages(&client_frame(0x81, &[b'x'; 100]), 3, 100).unwrap().len(), 1);
    }

    #[test]
    fn headers_at_each_length_boundary() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let mut out = [0; MAX_HEADER];
            let at = header(opcode::TEXT, length, &mut out);
            let expected: &[u8] = match length {
                0..=125 => &[0x81, length as u8],
                126..=65_535 => &[0x81, 126, (length >> 8) as u8, length as u8],
                _ => &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0],
            };
            assert_eq!(&out[at..], expected, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_never_panic(bytes: Vec<u8>, piece in 1usize..40) {
            let _ = messages(&bytes, piece, 50);
        }

        #[test]
        fn text_survives_any_fragmentation(texts in prop::collection::vec("\\PC{0,300}", 0..5), piece in 1usize..500) {
            let bytes = texts.iter().map(|t| client_frame(0x81, t.as_bytes())).collect::<Vec<_>>().concat();
            let expected: Vec<_> = texts.iter().map(|t| format!("{:?}", WsMessage::Text(t))).collect();
            prop_assert_eq!(messages(&bytes, piece, 2000).unwrap(), expected);
        }
    }
}
