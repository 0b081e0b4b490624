//! Appending an accepted event to its channel's log, under the lock of the channel's record.

use std::{sync::Arc, time::Instant};

use crate::{
    app::App,
    channels::{
        change::{Change, LogChange},
        log::{EntryBody, HotFrames, LogEvent, LogNumber},
    },
    crypto::sealer::Payload,
    domain::channel_settings::HistorySettings,
    engine::{
        AppRuntime, Engine,
        event::{EncodedEvent, EventBody, Publisher},
        history::outcome::LoggedEvent,
    },
    history::at_rest::EntryContext,
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
        Publisher::Client { .. } => settings.client_events,
    };
    wanted.then(|| settings.clone())
}

impl Engine {
    /// Logs the event. Returns the content to deliver, which has its place in the log. `None` if
    /// the event could not be sealed for the log, for lack of random bytes: then it is not sent.
    pub(in crate::engine) fn log_event(
        &self,
        (runtime, app): (&AppRuntime, &App),
        locked: &mut LockedRecord<'_>,
        event: &EncodedEvent<'_>,
        content: Content,
        now: Instant,
    ) -> Option<(Content, Option<LoggedEvent>)> {
        let Some(settings) = logs(locked, event.publisher) else { return Some((content, None)) };
        let (store, micros) = (settings.store, unix_micros());
        let reserve = Change::InLog(LogChange::Reserve { micros });
        let number = locked.apply(reserve, now).reserved?;
        let position = locked
            .has_position_readers()
            .then(|| self.history.position(runtime, &event.channel, store, number));
        let content = content.logged(number.0, position.as_deref());
        let body = self.entry_body(app, event, &settings, number, &content, now)?;
        let event = LogEvent {
            at_micros: micros,
            name: event.name.into(),
            user_id: event.publisher.user_id().map(Arc::from),
            body,
        };
        let _no_effects = locked.apply(Change::InLog(LogChange::Append { event, number }), now);
        Some((content, Some(LoggedEvent { number, store })))
    }

    fn entry_body(
        &self,
        app: &App,
        event: &EncodedEvent<'_>,
        settings: &HistorySettings,
        number: LogNumber,
        content: &Content,
        now: Instant,
    ) -> Option<EntryBody> {
        let frames = match (content, &event.body) {
            (Content::Same(frame), EventBody::Clear { data, .. }) => {
                return Some(EntryBody::Clear { data: (*data).into(), frame: frame.clone() });
            }
            (Content::Sealed(frames), _) => frames.clone(),
            (Content::Same(_), EventBody::Sealed { .. }) => return None,
        };
        let plaintext: &[u8] = match &event.body {
            EventBody::Sealed { payload: Payload::Plain(text), .. } => text.as_bytes(),
            EventBody::Sealed { payload: Payload::Opened { plaintext, .. }, .. } => plaintext,
            EventBody::Sealed { payload: Payload::Blind(_), .. } | EventBody::Clear { .. } => {
                return Some(EntryBody::Blind { frames });
            }
        };
        let context = EntryContext {
            app: &app.id,
            channel: event.channel.name(),
            epoch: self.history.epochs.of(settings.store),
            number,
        };
        let at_rest = self.history.keys.seal(&context, plaintext).ok()?;
        Some(EntryBody::Sealed { at_rest, hot: Some(HotFrames::new(frames, now)) })
    }
}
