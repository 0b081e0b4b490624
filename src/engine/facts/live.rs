//! The entries of facts in the live feed. Published events show the envelope of sealed ones, and the
//! size of all others.

use super::{
    ChannelContext, ConnectionContext, ConnectionFact, Fact, PublishedContext, RefusedContext,
    SubscriptionContext,
};
use crate::{
    app::App,
    channels::fact::ChannelFact,
    crypto::key::Fingerprint,
    domain::ids::SocketId,
    engine::{
        Engine,
        event::{EncodedEvent, EventBody, Publisher},
    },
    observe::{
        explain::RefusalId,
        live::{EntryDetail, EntryType, LiveEntry, LiveEnvelope, LiveEvent},
    },
    protocol::{code::Close, content::Content, sealed::SealedFrames},
};

impl Engine {
    #[cold]
    pub(super) fn note_live(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Channel(context, fact) => self.show(client_event(context, fact)),
            Fact::Published(PublishedContext { runtime, event, content, subscribers }) => {
                let app = runtime.app();
                let shown = published(&app, event, *content, *subscribers);
                let (r#type, socket_id) = match event.publisher {
                    Publisher::Backend => (EntryType::Event, None),
                    Publisher::Client { .. } | Publisher::Socket { .. } => {
                        (EntryType::ClientEvent, event.except)
                    }
                };
                self.show(Some(LiveEntry {
                    channel: Some(event.channel.name()),
                    socket_id,
                    user: event.publisher.user_id(),
                    what: EntryDetail::Event(shown),
                    ..LiveEntry::of_app(r#type, &runtime.id)
                }));
            }
            Fact::Connection(context, fact) => self.show(Some(connection(context, fact))),
            Fact::ConnectionRefused(socket, reason) => self.show(Some(refused(*socket, reason))),
            Fact::Refused(context, id) => self.show(Some(refused_request(context, *id))),
            Fact::ApiCall(app, call) => self.show(Some(LiveEntry {
                app: *app,
                what: EntryDetail::Call(*call),
                ..LiveEntry::new(EntryType::ApiCall)
            })),
            Fact::Draining => self.show(Some(LiveEntry::new(EntryType::ServerDraining))),
            // Shown as refused requests, and by the audit log.
            Fact::PublishRefused(..)
            | Fact::SubscriptionRefused(..)
            | Fact::SigninRefused(..)
            | Fact::Audited(_) => {}
        }
    }

    fn show(&self, entry: Option<LiveEntry<'_>>) {
        if let Some(entry) = entry {
            self.live.note(|| entry);
        }
    }
}

/// `None` for all other facts about channels: the feed shows them as facts about connections.
fn client_event<'a>(
    context: &ChannelContext<'a>,
    fact: &'a ChannelFact<'_>,
) -> Option<LiveEntry<'a>> {
    let ChannelFact::ClientEvent { event, data, socket_id, user_id } = fact else { return None };
    let shown = LiveEvent::clear(event, data.len(), context.subscribers);
    Some(LiveEntry {
        channel: Some(context.channel.name()),
        socket_id: *socket_id,
        user: *user_id,
        what: EntryDetail::Event(shown),
        ..LiveEntry::of_app(EntryType::ClientEvent, &context.runtime.id)
    })
}

fn published<'a>(
    app: &App,
    event: &EncodedEvent<'a>,
    content: Option<&Content>,
    subscribers: u32,
) -> LiveEvent<'a> {
    match (&event.body, content) {
        (EventBody::Clear { data, .. }, _) => LiveEvent::clear(event.name, data.len(), subscribers),
        (EventBody::Sealed { .. }, Some(Content::Sealed(frames)))
        | (EventBody::Sealed { frames, .. }, _) => sealed(app, event, frames, subscribers),
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

fn connection<'a>(context: &ConnectionContext<'a>, fact: &'a ConnectionFact<'a>) -> LiveEntry<'a> {
    let entry = |r#type| LiveEntry {
        socket_id: Some(context.socket),
        ..LiveEntry::of_app(r#type, &context.runtime.id)
    };
    match fact {
        ConnectionFact::Opened => entry(EntryType::ConnectionOpened),
        ConnectionFact::SignedIn { user } => {
            LiveEntry { user: Some(user), ..entry(EntryType::SignedIn) }
        }
        ConnectionFact::Subscribed(what) => subscription(entry(EntryType::Subscribed), what),
        ConnectionFact::Unsubscribed(what) => subscription(entry(EntryType::Unsubscribed), what),
        ConnectionFact::Closed(reason) => {
            let code = reason.as_ref().and_then(Close::code);
            let reason = reason.as_ref().map_or_else(String::new, Close::message);
            let what = EntryDetail::Closed { code, reason };
            LiveEntry { what, ..entry(EntryType::ConnectionClosed) }
        }
    }
}

fn subscription<'a>(entry: LiveEntry<'a>, context: &SubscriptionContext<'a>) -> LiveEntry<'a> {
    LiveEntry {
        channel: Some(context.record.channel().name()),
        user: context.user,
        what: EntryDetail::Subscribers { subscribers: context.record.subscription_count() },
        ..entry
    }
}

fn refused(socket: SocketId, reason: &Close) -> LiveEntry<'static> {
    let what = EntryDetail::Closed { code: reason.code(), reason: reason.public_message() };
    LiveEntry { socket_id: Some(socket), what, ..LiveEntry::new(EntryType::ConnectionRefused) }
}

fn refused_request<'a>(context: &RefusedContext<'a>, id: Option<RefusalId>) -> LiveEntry<'a> {
    LiveEntry {
        app: context.app,
        channel: context.channel,
        socket_id: context.socket,
        what: EntryDetail::Refused { code: context.code, id },
        ..LiveEntry::new(EntryType::Refused)
    }
}
