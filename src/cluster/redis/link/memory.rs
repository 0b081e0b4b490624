//! A master whose memory is full.
//!
//! It still publishes, and takes away what leaves. So its link stays up, and its owner is told.

use std::time::{Duration, Instant};

use redis::Value;

use super::{LinkEvent, LinkPhase, MasterLink};

/// The memory has room again when nothing was refused for this time: at the limit, some writes pass.
const RECOVERY_TIME: Duration = Duration::from_secs(5);

impl<T: Send + 'static> MasterLink<T> {
    /// True while the master refuses what needs memory.
    pub fn is_full(&self) -> bool {
        matches!(&self.phase, LinkPhase::Live(live) if live.full_at.is_some())
    }

    /// A command was refused for want of memory.
    pub(super) fn note_full(&mut self, now: Instant) {
        // Without a partition nothing would show the end.
        if self.places.proving().is_none() {
            return;
        }
        let LinkPhase::Live(live) = &mut self.phase else { return };
        if live.full_at.replace(now).is_none() {
            self.events.push_back(LinkEvent::MemoryChanged);
        }
    }

    /// The answer to the command that needs memory.
    pub(super) fn note_room(&mut self, answer: &Value, now: Instant) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        let is_refused = matches!(answer, Value::ServerError(_));
        let is_over = |at: &mut Instant| now.saturating_duration_since(*at) >= RECOVERY_TIME;
        if !is_refused && live.full_at.take_if(is_over).is_some() {
            self.events.push_back(LinkEvent::MemoryChanged);
        }
    }
}
