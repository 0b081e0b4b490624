//! WebSocket frames: unmasked ones going out, masked ones coming in.

use crate::worker::Worker;

pub const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An unmasked server frame.
pub fn frame(opcode: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = Vec::with_capacity(len + 10);
    out.push(0x80 | opcode);
    match len {
        0..=125 => out.push(len as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|p| out.extend_from_slice(p));
    out
}

impl Worker {
    /// Serves the frame at the front of `buf` and returns its size, or `None` if
    /// it is not all there yet.
    pub fn frame_in(&mut self, id: u32, buf: &mut [u8]) -> Option<usize> {
        let [first, second, ..] = *buf else { return None };
        let (header, len) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes([*buf.get(2)?, *buf.get(3)?]))),
            127 => return None,
            n => (2, usize::from(n)),
        };
        let mask: [u8; 4] = buf.get(header..header + 4)?.try_into().ok()?;
        let end = header + 4 + len;
        let payload = buf.get_mut(header + 4..end)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(b, m)| *b ^= m);
        match first & 0x0f {
            TEXT => self.text_in(id, payload),
            CLOSE => {
                let answer = frame(CLOSE, &[payload]);
                self.send(id, &answer);
                self.close(id);
            }
            PING => {
                let answer = frame(PONG, &[payload]);
                self.send(id, &answer);
            }
            _ => {}
        }
        Some(end)
    }
}
