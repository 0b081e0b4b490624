//! The log of what Redis has not taken.
//!
//! A full memory or a missing right concerns each channel, again and again. So a line comes once in a
//! while, with the number of refusals that had none.

use std::time::{Duration, Instant};

use crate::cluster::redis::{refusals::Refusal, replies::UnexpectedReply};

const LINE_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct RefusedWriteLog {
    next_line: Option<Instant>,
    unlogged: u64,
}

impl RefusedWriteLog {
    /// A full memory has its line when it begins and when it ends, and what may be repeated is.
    pub fn refused(&mut self, what: &'static str, refusal: Refusal, now: Instant) {
        if let Some(reason) = cure(refusal)
            && let Some(others) = self.take_line(now)
        {
            tracing::error!(what, others, "{reason}");
        }
    }

    /// The command was done, and its answer is not one of our scripts.
    pub fn unreadable(&mut self, what: &'static str, error: &UnexpectedReply, now: Instant) {
        if let Some(others) = self.take_line(now) {
            tracing::error!(what, others, %error, "the answer of Redis is not that of a script");
        }
    }

    /// The number of refusals without a line, if one is due.
    fn take_line(&mut self, now: Instant) -> Option<u64> {
        if self.next_line.is_some_and(|next| now < next) {
            self.unlogged += 1;
            return None;
        }
        self.next_line = Some(now + LINE_INTERVAL);
        Some(std::mem::take(&mut self.unlogged))
    }
}

fn cure(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Full
        | Refusal::Away
        | Refusal::ScriptMissing
        | Refusal::SlotMoved
        | Refusal::SlotMoving => None,
        Refusal::Forbidden => Some(
            "Redis forbids a command: give the user of `cluster.url` the rights that the documentation lists",
        ),
        Refusal::Broken => Some(
            "Redis refuses a command with an unknown error: look at its log, and whether something else writes under `cluster.prefix`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_without_a_line_are_counted_in_the_next_one() {
        let (start, mut log) = (Instant::now(), RefusedWriteLog::default());
        assert_eq!(log.take_line(start), Some(0));
        for _ in 0..7 {
            assert_eq!(log.take_line(start + LINE_INTERVAL / 2), None);
        }
        assert_eq!(log.take_line(start + LINE_INTERVAL), Some(7));
        assert_eq!(log.take_line(start + LINE_INTERVAL * 3), Some(0));
    }

    #[test]
    fn full_memory_has_no_line_for_each_channel() {
        let (start, mut log) = (Instant::now(), RefusedWriteLog::default());
        log.refused("a change", Refusal::Full, start);
        assert_eq!(log.take_line(start), Some(0), "no line was taken");
    }
}
