//! Published events in the live feed: the envelope of sealed events, the size of all others.

use super::{
    Engine,
    publish::{EncodedEvent, EventBody},
};
use crate::{
    app::App,
    crypto::key::Fingerprint,
    hub::record::LockedRecord,
    observe::live::{EntryDetail, EntryType, LiveEntry, LiveEnvelope, LiveEvent},
    protocol::{content::Content, sealed::SealedFrames},
};

impl Engine {
    /// `sent`: the content and the locked record, if the channel has one.
    pub(super) fn note_live_event(
        &self,
        app: &App,
        event: &EncodedEvent<'_>,
        sent: Option<(&Content, &LockedRecord<'_>)>,
    ) {
        self.live.note(|| {
            let subscribers = sent.map_or(0, |(_, locked)| locked.subscription_count());
            let content = sent.map(|(content, _)| content);
            let shown = match (&event.body, content) {
                (EventBody::Clear { data, .. }, _) => {
                    LiveEvent::clear(event.name, data.len(), subscribers)
                }
                (EventBody::Sealed { .. }, Some(Content::Sealed(frames)))
                | (EventBody::Sealed { frames, .. }, _) => sealed(app, event, frames, subscribers),
            };
            LiveEntry {
                channel: Some(event.channel.name()),
                what: EntryDetail::Event(shown),
                ..LiveEntry::of_app(EntryType::Event, &app.id)
            }
        });
    }
}

/// The newest form: during a rotation there is an older one beside it.
fn sealed<'a>(
    app: &App,
    event: &EncodedEvent<'a>,
    frames: &SealedFrames,
    subscribers: u32,
) -> LiveEvent<'a> {
    let envelope = frames.envelope();
    LiveEvent {
        name: event.name,
        bytes: envelope.map_or(0, |text| text.len()),
        subscribers,
        key: key(app, event, frames),
        envelope: envelope.and_then(|text| LiveEnvelope::of(text)),
    }
}

/// `None` in blind mode: the server does not know the key.
fn key(app: &App, event: &EncodedEvent<'_>, frames: &SealedFrames) -> Option<Fingerprint> {
    let number = frames.version()?.key;
    let table = app.ring(&event.channel)?.table();
    Some(table.by_number(number)?.id.clone())
}
