//! Refusals in the log. The client gets the id of the line.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use crate::domain::{
    ids::SocketId,
    rate_limit::{GcraParams, LocalRateLimiter},
    refusal::RefusalCode,
};

/// Eight characters, hard to confuse. The id finds a log line and grants nothing.
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

/// Log lines per second: deliberate refusals must not fill the disk.
const LINES: GcraParams = GcraParams::new(Duration::from_secs(1), 200);

/// Assigns ids, and counts refusals left out of the log.
pub struct RefusalLog {
    room: Mutex<LocalRateLimiter>,
    left_out: AtomicU64,
}

/// Fields of a log line, beside the cause.
pub struct RefusalLine<'a> {
    pub code: RefusalCode,
    pub app: &'a str,
    /// Channel name as sent.
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
}

impl Default for RefusalLog {
    fn default() -> Self {
        Self {
            room: Mutex::new(LocalRateLimiter::new(Instant::now())),
            left_out: AtomicU64::new(0),
        }
    }
}

impl RefusalLog {
    /// Logs a refusal and returns its id; `None` if the rate limit left it out.
    pub fn note(
        &self,
        line: &RefusalLine<'_>,
        cause: impl FnOnce() -> String,
    ) -> Option<RefusalId> {
        if self.room.lock().take(LINES, Instant::now()).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let id = RefusalId(getrandom::u64().ok()?);
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(refusals = left_out, "refusals were left out of the log");
        }
        // A stranger's text is quoted and escaped: it must not look like a log line.
        let channel = line.channel.map(truncated);
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

fn truncated(text: &str) -> &str {
    const BYTES: usize = 200;
    &text[..text.floor_char_boundary(BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_limited() {
        let refusals = RefusalLog::default();
        let line =
            RefusalLine { code: RefusalCode::Forbidden, app: "a", channel: None, socket: None };
        let logged = (0..1000).filter(|_| refusals.note(&line, String::new).is_some()).count();
        assert!((200..1000).contains(&logged), "{logged}");
        assert!(refusals.left_out.load(Ordering::Relaxed) > 0);
        assert_eq!(RefusalId(u64::MAX).to_string(), "zzzzzzzz");
    }
}
