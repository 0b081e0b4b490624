//! The part of RFC 6455 that a client needs: the upgrade request, masked text
//! and control frames going out, and unmasked frames coming in.

/// Frame types, as they appear in the low four bits of a frame's first byte.
pub mod opcode {
    pub const TEXT: u8 = 0x1;
    pub const CLOSE: u8 = 0x8;
    pub const PING: u8 = 0x9;
    pub const PONG: u8 = 0xA;
}

/// Any nonzero key makes the server do the same unmasking work as a random one.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One whole frame received from a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
}

#[derive(Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The server set the mask bit, which only clients may do.
    Masked,
    /// The server split a message over several frames, which none of the
    /// servers measured here does.
    Fragmented,
    /// A reserved bit was set, although no extension was negotiated.
    ReservedBits,
}

/// Reads one frame from the front of `buf`. Returns the frame and the bytes it
/// took, or `None` if the frame is not all there yet.
pub fn parse(buf: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let [first, second, rest @ ..] = buf else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::ReservedBits);
    }
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let opcode = first & 0x0f;
    if first & 0x80 == 0 || opcode == 0 {
        return Err(FrameError::Fragmented);
    }
    let (header, len) = match second & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(b) => (4, u64::from(u16::from_be_bytes(*b))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(b) => (10, u64::from_be_bytes(*b)),
            None => return Ok(None),
        },
        short => (2, u64::from(short)),
    };
    let end = header + len as usize;
    Ok(buf.get(header..end).map(|payload| (Frame { opcode, payload }, end)))
}

/// Appends one masked client frame to `out`.
pub fn encode(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
}

/// The HTTP request that opens a Pusher connection for the app key `key`.
pub fn upgrade_request(host: &str, key: &str) -> Vec<u8> {
    format!(
        "GET /app/{key}?protocol=7&client=loadgen&version=0.1 HTTP/1.1\r\n\
         Host: {host}\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_unmasked_hello_of_rfc_6455() {
        let bytes = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        let (frame, used) = parse(&bytes).unwrap().unwrap();
        assert_eq!((frame.opcode, frame.payload, used), (opcode::TEXT, &b"Hello"[..], 7));
    }

    #[test]
    fn encodes_the_masked_hello_of_rfc_6455() {
        let mut out = Vec::new();
        encode(opcode::TEXT, b"Hello", &mut out);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn parses_every_length_form() {
        for len in [0usize, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let mut bytes = vec![0x81];
            match len {
                0..=125 => bytes.push(len as u8),
                126..=65_535 => {
                    bytes.push(126);
                    bytes.extend_from_slice(&(len as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend_from_slice(&(len as u64).to_be_bytes());
                }
            }
            bytes.resize(bytes.len() + len, b'x');
            let whole = bytes.len();
            bytes.extend_from_slice(&[0x81, 0x00]);
            let (frame, used) = parse(&bytes).unwrap().unwrap();
            assert_eq!((frame.payload.len(), used), (len, whole));
        }
    }

    #[test]
    fn waits_for_the_rest_of_a_frame() {
        let mut bytes = vec![0x81, 126, 0x01, 0x00];
        bytes.resize(4 + 256, b'x');
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        assert!(parse(&bytes).unwrap().is_some());
    }

    #[test]
    fn refuses_what_a_server_must_not_send() {
        assert_eq!(parse(&[0x81, 0x80, 0, 0, 0, 0]), Err(FrameError::Masked));
        assert_eq!(parse(&[0x01, 0x00]), Err(FrameError::Fragmented));
        assert_eq!(parse(&[0x80, 0x00]), Err(FrameError::Fragmented));
        assert_eq!(parse(&[0xc1, 0x00]), Err(FrameError::ReservedBits));
    }

    #[test]
    fn encoded_lengths_match_the_header() {
        for len in [125usize, 126, 65_535, 65_536] {
            let mut out = Vec::new();
            encode(opcode::TEXT, &vec![b'x'; len], &mut out);
            let header = match len {
                0..=125 => 2,
                126..=65_535 => 4,
                _ => 10,
            };
            assert_eq!(out.len(), header + 4 + len);
        }
    }
}
