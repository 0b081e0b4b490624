//! One event of a log, in a form that costs readers nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::LogNumber;
use crate::protocol::{frame::Frame, logged::LoggedFrame, sealed::SealedFrames};

/// The time in which replays of a sealed event are references to its delivered frames.
pub const HOT_FOR: Duration = Duration::from_secs(30);

/// An entry's slot in a queue that doubles, and two for its hot frames.
const SLOTS: usize = 2 * size_of::<Entry>() + 4 * size_of::<(Instant, LogNumber)>();

/// The reference counts of a shared text and its allocator's header.
const TEXT_OVERHEAD: usize = 32;

/// The reference count of a frame (32), allocator and frame header (32).
const FRAME_OVERHEAD: usize = 64;

/// A position of one channel as text, twice, and its place in the log.
const POSITION_OVERHEAD: usize = FRAME_OVERHEAD + 2 * 64 + size_of::<LoggedFrame>();

/// An event to be logged.
#[derive(Clone)]
pub struct LogEvent {
    pub at_micros: u64,
    pub name: Arc<str>,
    pub user_id: Option<Arc<str>>,
    pub body: EntryBody,
}

/// A logged event. Cloning copies references.
#[derive(Clone)]
pub struct Entry {
    pub number: LogNumber,
    /// The number before: of the entry before, of a clearing, or the log's origin.
    pub previous: LogNumber,
    pub at_micros: u64,
    pub name: Arc<str>,
    pub user_id: Option<Arc<str>>,
    pub body: EntryBody,
    /// `None`: beyond the clock's range.
    expires: Option<Instant>,
    cost: usize,
}

#[derive(Clone)]
pub enum EntryBody {
    Clear {
        data: Arc<str>,
        frame: Frame,
    },
    /// Sealed by the backend. The server has no key.
    Blind {
        frames: SealedFrames,
    },
    /// Sealed by the server, so the log has it under a key of its own.
    Sealed {
        at_rest: AtRest,
        hot: Option<HotFrames>,
    },
}

/// Ciphertext under a history key (`history::at_rest`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AtRest {
    /// The bytes of the key's fingerprint.
    pub key: [u8; 6],
    pub nonce: [u8; 12],
    pub ciphertext: Arc<[u8]>,
}

/// The frames of a sealed event as they were delivered.
#[derive(Clone)]
pub struct HotFrames {
    frames: SealedFrames,
    until: Instant,
}

impl HotFrames {
    pub fn new(frames: SealedFrames, now: Instant) -> Self {
        Self { frames, until: now + HOT_FOR }
    }

    pub fn frames(&self) -> &SealedFrames {
        &self.frames
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Entry {
    pub(super) fn new(
        event: LogEvent,
        number: LogNumber,
        previous: LogNumber,
        expires: Option<Instant>,
    ) -> Self {
        let LogEvent { at_micros, name, user_id, body } = event;
        let cost = SLOTS + text(&name) + user_id.as_deref().map_or(0, text) + body.cost();
        Self { number, previous, at_micros, name, user_id, body, expires, cost }
    }

    /// An entry of a log elsewhere, whose bounds are kept there.
    pub fn read(event: LogEvent, number: LogNumber, previous: LogNumber) -> Self {
        Self::new(event, number, previous, None)
    }

    /// Bytes used, with hot frames.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Bytes of name, user and data: about the size of the event in an answer.
    pub fn payload_bytes(&self) -> usize {
        self.name.len() + self.user_id.as_ref().map_or(0, |user| user.len()) + self.body.bytes()
    }

    /// Bytes of the frame that a reader is given, at most: without its position.
    pub fn frame_bytes(&self) -> usize {
        /// Names of fields, of the channel and of the event, escaped.
        const NAMES: usize = 1024;
        match &self.body {
            EntryBody::Clear { frame, .. } => frame.bytes(),
            EntryBody::Blind { frames } => frames.bytes(),
            EntryBody::Sealed { hot: Some(hot), .. } => hot.frames().bytes(),
            EntryBody::Sealed { at_rest, hot: None } => {
                at_rest.ciphertext.len() / 3 * 4 + self.name.len() + NAMES
            }
        }
    }

    pub(super) fn expires(&self) -> Option<Instant> {
        self.expires
    }

    pub(super) fn hot_until(&self) -> Option<Instant> {
        match &self.body {
            EntryBody::Sealed { hot, .. } => hot.as_ref().map(|hot| hot.until),
            EntryBody::Clear { .. } | EntryBody::Blind { .. } => None,
        }
    }

    /// Returns the cost before and after. Other bodies have no hot frames.
    pub(super) fn replace_hot(&mut self, new: Option<HotFrames>) -> (usize, usize) {
        let before = self.cost;
        if let EntryBody::Sealed { hot, .. } = &mut self.body {
            self.cost += new.as_ref().map_or(0, HotFrames::cost);
            self.cost -= std::mem::replace(hot, new).as_ref().map_or(0, HotFrames::cost);
        }
        (before, self.cost)
    }
}

impl EntryBody {
    fn cost(&self) -> usize {
        match self {
            Self::Clear { data, frame } => text(data) + frame_cost(frame),
            Self::Blind { frames } => frames_cost(frames),
            Self::Sealed { at_rest, hot } => {
                at_rest.ciphertext.len() + TEXT_OVERHEAD + hot.as_ref().map_or(0, HotFrames::cost)
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Clear { data, .. } => data.len(),
            Self::Blind { frames } => frames.envelope().map_or(0, |envelope| envelope.len()),
            // In base64, as clients get it.
            Self::Sealed { at_rest, .. } => at_rest.ciphertext.len() / 3 * 4,
        }
    }
}

impl HotFrames {
    fn cost(&self) -> usize {
        frames_cost(&self.frames)
    }
}

fn text(text: &str) -> usize {
    text.len() + TEXT_OVERHEAD
}

/// The buffer is a quarter larger than its text, because it is allocated before the text is
/// escaped. The same frame with its position is made later, on first need, without a word to the
/// log.
fn frame_cost(frame: &Frame) -> usize {
    let with_position = frame.bytes() + POSITION_OVERHEAD;
    frame.bytes() + frame.bytes() / 4 + FRAME_OVERHEAD + with_position
}

fn frames_cost(frames: &SealedFrames) -> usize {
    let each = frames.envelopes().map(|(frame, envelope)| {
        // The slot in the shared list, and the shared name of the event.
        2 * FRAME_OVERHEAD + frame_cost(frame) + text(envelope)
    });
    FRAME_OVERHEAD + each.sum::<usize>()
}
