//! What became of accepted events.

use tokio::{sync::oneshot, time::Instant};

use super::awaited::Settled;
use crate::{
    channels::log::LogNumber,
    cluster::{node::commands::PublicationEnd, redis::link::EVENT_LIFETIME},
    domain::{channel_settings::HistoryStore, refusal::RefusalCode},
    engine::cluster::Delivery,
    history::journal::JournalError,
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
    /// A journal writes the event first.
    Awaited(oneshot::Receiver<Settled>),
    /// Redis gives it an order first.
    InCluster(oneshot::Receiver<PublicationEnd>),
    /// The same, for a change of a log in Redis.
    InLog(oneshot::Receiver<PublicationEnd>),
}

/// One event in a channel's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoggedEvent {
    pub number: LogNumber,
    pub store: HistoryStore,
}

/// What became of the events of one request.
#[derive(Default, Debug)]
pub struct Published {
    /// The events in logs, in their order.
    pub logged: Vec<LoggedEvent>,
    pub delivery: Delivery,
}

impl Publishing {
    /// Ends when all events are sent, or not to be sent.
    pub async fn settled(self) -> Result<Published, NotPublished> {
        let mut published = Published::default();
        let by = Instant::now() + EVENT_LIFETIME;
        for outcome in self.outcomes {
            match outcome {
                EventOutcome::Logged(event) => published.logged.push(event),
                EventOutcome::NotPublished(reason) => return Err(reason),
                EventOutcome::Awaited(settled) => {
                    let settled = settled.await.unwrap_or(Err(JournalError::Ended.into()));
                    published.logged.push(settled?);
                }
                EventOutcome::InCluster(end) => match end.await {
                    Ok(PublicationEnd::Local) => published.delivery = Delivery::Local,
                    Ok(PublicationEnd::Refused) | Err(_) => return Err(NotPublished::ByCluster),
                    Ok(_) => {}
                },
                EventOutcome::InLog(end) => published.logged.push(in_log(end, by).await?),
            }
        }
        Ok(published)
    }
}

async fn in_log(
    end: oneshot::Receiver<PublicationEnd>,
    by: Instant,
) -> Result<LoggedEvent, NotPublished> {
    let store = HistoryStore::Redis;
    let end = tokio::time::timeout_at(by, end).await;
    match end.map_err(|_| NotPublished::Overdue)? {
        Ok(PublicationEnd::Logged { number }) => {
            Ok(LoggedEvent { number: LogNumber(number), store })
        }
        Ok(PublicationEnd::Changed { newest }) => {
            Err(NotPublished::PositionChanged { newest: LogNumber(newest), store })
        }
        Ok(PublicationEnd::Overdue) => Err(NotPublished::Overdue),
        Ok(PublicationEnd::Published | PublicationEnd::Local | PublicationEnd::Refused)
        | Err(_) => Err(NotPublished::ByCluster),
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
    #[error("{0}; the event was not sent")]
    NotKept(#[from] JournalError),
    #[error("the payload of the envelope is not UTF-8, so its history cannot be kept")]
    NotText,
    #[error("the operating system gave no random bytes; try again")]
    NotSealed,
    #[error(
        "Redis does not take the event, and the server's /ready or log says why: it was not sent"
    )]
    ByCluster,
    #[error(
        "Redis has not confirmed the event within 10 seconds: send it again, with an id in its data if it must not come twice"
    )]
    Overdue,
}

impl NotPublished {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::PositionChanged { .. } => RefusalCode::PositionChanged,
            Self::NotLogged => RefusalCode::NotLogged,
            Self::NotKept(_) => RefusalCode::HistoryUnavailable,
            Self::NotText => RefusalCode::InvalidData,
            Self::NotSealed => RefusalCode::NoRandomness,
            Self::ByCluster | Self::Overdue => RefusalCode::ClusterAway,
        }
    }
}
