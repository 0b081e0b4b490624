//! Refusals in the log, each under an id that whoever was refused is told.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use crate::{ids::SocketId, limits::TokenBucket, refusal::RefusalCode};

/// Eight characters that are hard to confuse. It finds a line and opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusalId(u64);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl fmt::Display for RefusalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..8).try_for_each(|at| {
            fmt::Write::write_char(f, char::from(ALPHABET[(self.0 >> (at * 5) & 31) as usize]))
        })
    }
}

impl Serialize for RefusalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Lines a second: whoever is refused on purpose must not fill the disk.
const LINES: u32 = 200;

/// Hands out ids, and counts what found no room in the log.
pub struct Refusals {
    room: Mutex<TokenBucket>,
    left_out: AtomicU64,
}

/// What the line says besides why.
pub struct Line<'a> {
    pub code: RefusalCode,
    pub app: &'a str,
    /// As it was sent.
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            room: Mutex::new(TokenBucket::new(LINES, Instant::now())),
            left_out: AtomicU64::new(0),
        }
    }
}

impl Refusals {
    /// The id under which the refusal stands in the log. `None`: it does not, there are too many.
    pub fn note(&self, line: &Line<'_>, cause: impl FnOnce() -> String) -> Option<RefusalId> {
        if !self.room.lock().take(Instant::now()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let id = RefusalId(getrandom::u64().ok()?);
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(refusals = left_out, "refusals were left out of the log");
        }
        // What a stranger sent is in quotation marks and escaped: it must not look like a line.
        let channel = line.channel.map(clipped);
        let socket = line.socket.map(tracing::field::display);
        let cause = cause();
        tracing::info!(
            refusal.id = %id,
            refusal.code = line.code.name(),
            app.id = line.app,
            channel = channel,
            socket.id = socket,
            refusal.cause = cause,
            "refused"
        );
        Some(id)
    }
}

fn clipped(text: &str) -> &str {
    const BYTES: usize = 200;
    &text[..text.floor_char_boundary(BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_not_flooded() {
        let refusals = Refusals::default();
        let line = Line { code: RefusalCode::Forbidden, app: "a", channel: None, socket: None };
        let logged = (0..1000).filter(|_| refusals.note(&line, String::new).is_some()).count();
        assert!((200..1000).contains(&logged), "{logged}");
        assert!(refusals.left_out.load(Ordering::Relaxed) > 0);
        assert_eq!(RefusalId(u64::MAX).to_string(), "zzzzzzzz");
    }
}
