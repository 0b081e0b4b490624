//! What became of accepted events.

use crate::{
    channels::log::LogNumber,
    domain::{channel_settings::HistoryStore, refusal::RefusalCode},
};

/// The events of one request on their way. Those without a log are left out: they are sent.
#[must_use]
#[derive(Default)]
pub struct Publishing {
    pub(in crate::engine) outcomes: Vec<EventOutcome>,
}

pub(in crate::engine) enum EventOutcome {
    Logged(LoggedEvent),
    NotPublished(NotPublished),
}

/// One event in a channel's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoggedEvent {
    pub number: LogNumber,
    pub store: HistoryStore,
}

impl Publishing {
    /// Ends when all events are sent, or not to be sent. The events in logs, in their order.
    pub async fn settled(self) -> Result<Vec<LoggedEvent>, NotPublished> {
        let mut logged = Vec::new();
        for outcome in self.outcomes {
            match outcome {
                EventOutcome::Logged(event) => logged.push(event),
                EventOutcome::NotPublished(reason) => return Err(reason),
            }
        }
        Ok(logged)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NotPublished {
    #[error(
        "the channel's newest event is another one: read the channel, and send the event again with the position of that one"
    )]
    PositionChanged { newest: LogNumber, store: HistoryStore },
    #[error(
        "the event has a condition, and this channel does not log it: give the channel a history (for client events with client_events = true), or send the event without If-Match and If-None-Match"
    )]
    NotLogged,
}

impl NotPublished {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::PositionChanged { .. } => RefusalCode::PositionChanged,
            Self::NotLogged => RefusalCode::NotLogged,
        }
    }
}
