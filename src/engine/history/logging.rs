//! Appending an accepted event to its channel's log, under the lock of the channel's record.

use std::{sync::Arc, time::Instant};

use crate::{
    app::App,
    channels::{
        change::{Change, LogChange},
        log::{EntryBody, HotFrames, LogEvent, LogNumber},
    },
    crypto::sealer::Payload,
    domain::{channel::Channel, channel_settings::HistorySettings},
    engine::{
        AppRuntime, Engine,
        event::{EncodedEvent, EventBody, Publisher},
        history::outcome::LoggedEvent,
    },
    history::{
        at_rest::{AtRestError, EntryContext},
        journal::{JournalBody, JournalEntry, LogAddress},
    },
    hub::record::LockedRecord,
    platform::clock::unix_micros,
    protocol::content::Content,
};

/// The log settings, if the event is to be logged.
pub(in crate::engine) fn logs(
    locked: &LockedRecord<'_>,
    publisher: Publisher<'_>,
) -> Option<Arc<HistorySettings>> {
    let settings = locked.log()?.settings();
    let wanted = match publisher {
        Publisher::Backend => true,
        Publisher::Client { .. } | Publisher::Socket { .. } => settings.client_events,
    };
    wanted.then(|| settings.clone())
}

/// An event with its place in the log, in the form that outlives the channel's keys.
#[derive(Clone)]
pub(in crate::engine) struct NumberedEvent {
    pub(in crate::engine) address: LogAddress,
    pub(in crate::engine) entry: JournalEntry,
}

impl NumberedEvent {
    pub(in crate::engine) fn logged(&self) -> LoggedEvent {
        LoggedEvent { number: self.entry.number, store: self.address.store }
    }
}

impl Engine {
    /// Reserves the event's number. Fails without random bytes.
    pub(in crate::engine) fn number(
        &self,
        app: &App,
        locked: &mut LockedRecord<'_>,
        event: &EncodedEvent<'_>,
        settings: &HistorySettings,
        now: Instant,
    ) -> Result<NumberedEvent, AtRestError> {
        let micros = unix_micros();
        let previous = locked.newest_number().unwrap_or_default();
        let reserved = locked.apply(Change::InLog(LogChange::Reserve { micros }), now).reserved;
        let number = reserved.unwrap_or_else(|| previous.next(micros));
        let channel = event.channel.name().clone();
        let address = LogAddress { app: app.id.clone(), channel, store: settings.store };
        let entry = JournalEntry {
            number,
            previous,
            at_micros: micros,
            expires: (micros / 1_000_000).saturating_add(settings.ttl.as_secs()),
            name: event.name.into(),
            user_id: event.publisher.user_id().map(Arc::from),
            body: self.body(app, &event.channel, &event.body, number)?,
        };
        Ok(NumberedEvent { address, entry })
    }

    fn body(
        &self,
        app: &App,
        channel: &Channel,
        body: &EventBody<'_>,
        number: LogNumber,
    ) -> Result<JournalBody, AtRestError> {
        let plaintext: &[u8] = match body {
            EventBody::Clear { data, .. } => return Ok(JournalBody::Clear((*data).into())),
            EventBody::Sealed { payload: Payload::Blind(sealed), .. } => {
                return Ok(JournalBody::Blind(sealed.envelope().clone()));
            }
            EventBody::Sealed { payload: Payload::Plain(text), .. } => text.as_bytes(),
            EventBody::Sealed { payload: Payload::Opened { plaintext, .. }, .. } => plaintext,
        };
        let context = EntryContext { app: &app.id, channel: channel.name(), number };
        Ok(JournalBody::Sealed(self.history.keys.seal(&context, plaintext)?))
    }

    /// The body of an event whose place is in a log elsewhere. `content` has its place there.
    pub(in crate::engine) fn log_body(
        &self,
        app: &App,
        channel: &Channel,
        body: &EventBody<'_>,
        number: LogNumber,
        content: &Content,
        now: Instant,
    ) -> Result<EntryBody, AtRestError> {
        Ok(entry_body(self.body(app, channel, body, number)?, content, now))
    }

    /// Appends the event. Returns the content to deliver, with its place in the log.
    pub(in crate::engine) fn append(
        &self,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
        numbered: NumberedEvent,
        content: &Content,
        now: Instant,
    ) -> Content {
        let NumberedEvent { address, entry } = numbered;
        let JournalEntry { number, at_micros, name, user_id, body, .. } = entry;
        let channel = locked.channel();
        let position = locked
            .has_position_readers()
            .then(|| self.history.position(runtime, channel, address.store, number));
        let content = content.logged(number.0, position.as_deref());
        let body = entry_body(body, &content, now);
        let event = LogEvent { at_micros, name, user_id, body };
        let appended = locked.apply(Change::InLog(LogChange::Append { event, number }), now);
        runtime.counts.history.logged.add();
        runtime.counts.history.evicted.add_many(appended.evicted as u64);
        content
    }
}

fn entry_body(body: JournalBody, content: &Content, now: Instant) -> EntryBody {
    match (body, content) {
        (JournalBody::Clear(data), Content::Same(frame)) => {
            EntryBody::Clear { data, frame: frame.clone() }
        }
        (JournalBody::Sealed(at_rest), Content::Sealed(frames)) => {
            EntryBody::Sealed { at_rest, hot: Some(HotFrames::new(frames.clone(), now)) }
        }
        (JournalBody::Blind(_), Content::Sealed(frames)) => {
            EntryBody::Blind { frames: frames.clone() }
        }
        (JournalBody::Sealed(at_rest), Content::Same(_)) => {
            EntryBody::Sealed { at_rest, hot: None }
        }
        (JournalBody::Clear(_) | JournalBody::Blind(_), _) => {
            unreachable!("the content is made of the same event")
        }
    }
}
