//! The last event of a cache channel, as a new subscriber is given it, for a request.

use std::{sync::Arc, time::Instant};

use crate::{
    channels::{
        last_event::LastEvent,
        log::{Log, LogNumber},
    },
    crypto::keytable::Version,
    domain::{channel::Channel, channel_settings::HistoryStore},
    engine::{AppRuntime, keys::sealed_channels::reseal_last_event},
    protocol::content::Content,
};

pub struct LastForReader {
    pub name: Arc<str>,
    /// An envelope, on an encrypted channel.
    pub data: Arc<str>,
    /// `None`: it has no place in a log.
    pub logged: Option<Logged>,
}

/// The place of the event in the channel's log.
pub struct Logged {
    pub number: LogNumber,
    pub store: HistoryStore,
    /// Microseconds since 1970.
    pub at_micros: u64,
    pub user_id: Option<Arc<str>>,
}

impl AppRuntime {
    /// `version`: of the secret with which the reader opens events; see `ReaderView`.
    pub fn last_for_reader(
        &self,
        channel: &Channel,
        version: Option<Version>,
    ) -> Option<LastForReader> {
        let (app, now) = (self.app_snapshot(), Instant::now());
        let version = version.unwrap_or_else(|| Self::target(&app, channel));
        let record = self.directory.find(channel.name())?;
        let (last, logged) = {
            let locked = record.enter()?;
            let last = locked.last_event(now)?.clone();
            let logged = locked.log().and_then(|log| Logged::of(&last, log, now));
            (last, logged)
        };
        let data = match &last.content {
            // Never in clear on an encrypted channel, whatever has been kept.
            Content::Same(_) if channel.kind().is_encrypted() => return None,
            Content::Same(_) => last.data.clone(),
            Content::Sealed(frames) => match frames.envelope_of(version) {
                Some(envelope) => envelope.clone(),
                None => reseal_last_event(&app, channel, &last, version)?.envelope().clone(),
            },
        };
        Some(LastForReader { name: last.name.clone(), data, logged })
    }
}

impl Logged {
    fn of(last: &LastEvent, log: &Log, now: Instant) -> Option<Self> {
        let number = LogNumber(last.content.number()?);
        let entry = log.newest(now).filter(|newest| newest.number == number);
        Some(Self {
            number,
            store: log.settings().store,
            // A number is about the time, and the entry may have expired.
            at_micros: entry.map_or(number.0, |entry| entry.at_micros),
            user_id: entry.and_then(|entry| entry.user_id.clone()),
        })
    }
}
