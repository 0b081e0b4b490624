//! Publishing. An event becomes one frame per channel, regardless of the number of subscribers.

use std::{sync::Arc, time::Instant};

use super::{
    AppRuntime, Engine,
    counts::AppCounters,
    event::{EncodedEvent, EventBody, PrepareError, PublishError, PublishedEvent, Publisher},
    facts::{Fact, PublishedContext},
    history::{
        logging::{NumberedEvent, logs},
        outcome::{EventOutcome, NotPublished, Publishing},
    },
    payload_rule::check_payload,
};
use crate::{
    app::App,
    channels::last_event::LastEvent,
    crypto::sealer::{Payload, SealError, has_envelope_shape},
    domain::{channel::Channel, channel_settings::HistoryStore},
    hub::{
        delivery_delay::EventTiming,
        mailbox::Audience,
        record::{LockedRecord, Record},
    },
    platform::traces::Span,
    protocol::{
        content::Content,
        frame::Frame,
        message::Message,
        sealed::{EventSource, SealedFrames},
    },
};

/// The app, and the settings the event was accepted with.
type PublishContext<'a> = (&'a Arc<AppRuntime>, &'a App);
/// The same, for events that are not sent yet.
type PrepareContext<'a> = (&'a AppRuntime, &'a App);

/// Events accepted, but not yet sent.
#[must_use]
pub struct PreparedEvents<'a> {
    /// The settings they were accepted with.
    app: &'a App,
    events: Vec<EncodedEvent<'a>>,
}

impl PreparedEvents<'_> {
    fn count(&self, counts: &AppCounters) {
        let (mut sealed, mut relayed) = (0, 0);
        for event in &self.events {
            match &event.body {
                EventBody::Clear { .. } => {}
                EventBody::Sealed { payload: Payload::Plain(_), .. } => sealed += 1,
                EventBody::Sealed {
                    payload: Payload::Opened { .. } | Payload::Blind(_), ..
                } => {
                    relayed += 1;
                }
            }
        }
        let backend = |event: &&EncodedEvent<'_>| event.publisher == Publisher::Backend;
        counts.published.add_many(self.events.iter().filter(backend).count() as u64);
        if sealed + relayed > 0 {
            counts.sealed.add_many(sealed);
            counts.relayed.add_many(relayed);
        }
    }
}

impl Engine {
    /// Seals and encodes all events, or refuses all. On an error nothing has been sent.
    pub fn prepare<'a>(
        &self,
        runtime: &AppRuntime,
        app: &'a App,
        events: Vec<PublishedEvent<'a>>,
    ) -> Result<PreparedEvents<'a>, PrepareError> {
        self.try_prepare(runtime, app, events)
            .inspect_err(|refused| self.note(Fact::PublishRefused(runtime, &refused.error)))
    }

    fn try_prepare<'a>(
        &self,
        runtime: &AppRuntime,
        app: &'a App,
        events: Vec<PublishedEvent<'a>>,
    ) -> Result<PreparedEvents<'a>, PrepareError> {
        if !self.hub.has_room() {
            return Err(PrepareError { error: PublishError::Overloaded, index: None });
        }
        let is_logged = |event: &PublishedEvent<'_>, channel: &Channel| {
            self.logged_in_cluster(app, channel, event.publisher).is_some()
        };
        let all_logged = self.cluster.node().is_some()
            && events.iter().all(|event| event.channels.iter().all(|it| is_logged(event, it)));
        let channels = events.iter().flat_map(|event| &event.channels);
        let accepted = self.check_cluster(runtime, channels, all_logged);
        accepted.map_err(|error| PrepareError { error, index: None })?;
        let mut encoded = Vec::with_capacity(events.iter().map(|e| e.channels.len()).sum());
        for (index, event) in events.into_iter().enumerate() {
            let refused = |error| PrepareError { error, index: Some(index) };
            check_mixture(app, &event).map_err(refused)?;
            for channel in &event.channels {
                encoded.push(encode((runtime, app), &event, channel).map_err(refused)?);
            }
        }
        Ok(PreparedEvents { app, events: encoded })
    }

    pub fn publish(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        prepared: PreparedEvents<'_>,
    ) -> Publishing {
        prepared.count(&runtime.counts);
        let (PreparedEvents { app, events }, now) = (prepared, Instant::now());
        let mut publishing = Publishing::default();
        events.into_iter().for_each(|event| {
            let span = Span::publish(event.channel.kind().label());
            let outcome = span.within(|| self.send((runtime, app), &event, now));
            publishing.outcomes.extend(outcome);
        });
        publishing
    }

    /// `None`: sent, and not logged.
    fn send(
        self: &Arc<Self>,
        context: PublishContext<'_>,
        event: &EncodedEvent<'_>,
        now: Instant,
    ) -> Option<EventOutcome> {
        let (runtime, app) = context;
        let channel = &event.channel;
        if let Some(node) = self.cluster.node() {
            return Some(self.publish_to_cluster(node, (runtime, app), event));
        }
        if channel.kind().is_cached() || app.channel_settings(channel).history.is_some() {
            let outcome = runtime.directory.with(channel, |record, mut locked| {
                self.send_kept(context, event, record, &mut locked, now)
            });
            runtime.directory.enforce_limit(app.limits.cache_bytes, now);
            runtime.directory.enforce_log_limit(app.limits.history_bytes, now);
            return outcome;
        }
        // No subscribers is not an error: the event has reached all of them.
        let sent = runtime.directory.with_existing(channel.name(), |record, mut locked| {
            self.send_existing(context, event, record, &mut locked, now)
        });
        if let Some(outcome) = sent {
            return outcome;
        }
        if event.condition.is_some() {
            return Some(EventOutcome::NotPublished(NotPublished::NotLogged));
        }
        let context = PublishedContext { runtime, event, content: None, subscribers: 0 };
        self.note(Fact::Published(context));
        None
    }

    /// On a channel that is to have no log. It may have one from before a reload.
    fn send_existing(
        self: &Arc<Self>,
        context: PublishContext<'_>,
        event: &EncodedEvent<'_>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        now: Instant,
    ) -> Option<EventOutcome> {
        if locked.log().is_some() || event.condition.is_some() {
            return self.send_kept(context, event, record, locked, now);
        }
        let content = content(context.1, locked, &event.body)?;
        self.post(context, event, locked, content, now);
        None
    }

    /// On a channel with a log or a last event.
    pub(super) fn send_kept(
        self: &Arc<Self>,
        context: PublishContext<'_>,
        event: &EncodedEvent<'_>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        now: Instant,
    ) -> Option<EventOutcome> {
        let (runtime, app) = context;
        if let Some(reason) = refuse_condition(event, locked, now) {
            return Some(EventOutcome::NotPublished(reason));
        }
        let Some(settings) = logs(locked, event.publisher) else {
            let content = content(app, locked, &event.body)?;
            self.keep_and_post(context, event, record, locked, content, now);
            return None;
        };
        let numbered = match self.number(app, locked, event, &settings, now) {
            Ok(numbered) => numbered,
            Err(error) => {
                tracing::error!(app.id = &*app.id, %error, "an accepted event could not be logged");
                return Some(EventOutcome::NotPublished(NotPublished::NotSealed));
            }
        };
        if settings.store == HistoryStore::DiskBefore {
            return Some(self.await_journal(runtime, record, locked, event, numbered));
        }
        let Some(content) = content(app, locked, &event.body) else {
            return Some(EventOutcome::NotPublished(NotPublished::NotSealed));
        };
        if settings.store == HistoryStore::DiskBehind {
            let (address, entry) = (&numbered.address, numbered.entry.clone());
            if let Err(error) = self.history.journal.append_behind(address, entry) {
                return Some(EventOutcome::NotPublished(error.into()));
            }
        }
        let logged = numbered.logged();
        self.send_content(context, event, record, locked, (numbered, content), now);
        Some(EventOutcome::Logged(logged))
    }

    /// `None`: the event could not be sealed, and is not sent.
    pub(super) fn send_logged(
        &self,
        context: PublishContext<'_>,
        event: &EncodedEvent<'_>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        numbered: NumberedEvent,
        now: Instant,
    ) -> Option<()> {
        let content = content(context.1, locked, &event.body)?;
        self.send_content(context, event, record, locked, (numbered, content), now);
        Some(())
    }

    /// Appends the event to the log, and delivers it.
    fn send_content(
        &self,
        context: PublishContext<'_>,
        event: &EncodedEvent<'_>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        (numbered, content): (NumberedEvent, Content),
        now: Instant,
    ) {
        let (runtime, app) = context;
        let content = self.append(runtime, locked, numbered, &content, now);
        self.keep_and_post(context, event, record, locked, content, now);
        runtime.directory.logs().charge(record, locked, app.limits.history_bytes, now);
    }

    fn keep_and_post(
        &self,
        context: PublishContext<'_>,
        event: &EncodedEvent<'_>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        content: Content,
        now: Instant,
    ) {
        let (runtime, app) = context;
        let is_kept = !matches!(event.publisher, Publisher::Socket { .. });
        if is_kept && event.channel.kind().is_cached() {
            let expires = now + app.cache_ttl(&event.channel);
            let last = kept_event(event.name, &event.body, &content, expires);
            runtime.directory.set_last_event(record, locked, last, now);
        }
        self.post(context, event, locked, content, now);
    }

    fn post(
        &self,
        (runtime, _): PublishContext<'_>,
        event: &EncodedEvent<'_>,
        locked: &mut LockedRecord<'_>,
        content: Content,
        accepted: Instant,
    ) {
        let subscribers = locked.subscription_count();
        let sent = Some(&content);
        let context = PublishedContext { runtime, event, content: sent, subscribers };
        self.note(Fact::Published(context));
        Span::receivers(|| subscribers);
        locked.post(&self.hub, content, event.except, Audience::All, EventTiming::At(accepted));
    }
}

/// The reason not to send the event, if its condition does not hold.
fn refuse_condition(
    event: &EncodedEvent<'_>,
    locked: &LockedRecord<'_>,
    now: Instant,
) -> Option<NotPublished> {
    let condition = event.condition?;
    let (Some(settings), Some(newest)) = (logs(locked, event.publisher), locked.newest_number())
    else {
        return Some(NotPublished::NotLogged);
    };
    let changed = NotPublished::PositionChanged { newest, store: settings.store };
    (!condition.holds(locked, now)).then_some(changed)
}

/// The event as the last one of its channel.
pub(super) fn kept_event(
    name: &str,
    body: &EventBody<'_>,
    content: &Content,
    expires: Instant,
) -> LastEvent {
    let data = match (body, content) {
        (EventBody::Clear { data, .. }, _) => Some(Arc::from(*data)),
        (_, Content::Sealed(frames)) => frames.envelope().cloned(),
        (_, Content::Same(_)) => None,
    };
    let (name, content) = (name.into(), content.clone());
    LastEvent { name, content, data: data.unwrap_or_default(), expires, number: 0 }
}

/// The content for the current subscribers. The record is locked.
pub(super) fn content(
    app: &App,
    locked: &mut LockedRecord<'_>,
    body: &EventBody<'_>,
) -> Option<Content> {
    let (payload, frames) = match body {
        EventBody::Clear { frame, .. } => return Some(Content::Same(frame.clone())),
        EventBody::Sealed { payload, frames } => (payload, frames),
    };
    let channel = locked.channel();
    let wanted = AppRuntime::needed_versions(app, locked);
    let frames = frames
        .adapted(&wanted, |version| Span::seal().within(|| app.seal(channel, payload, version)));
    frames.inspect_err(|error| report_unsealed(app, error)).ok().map(Content::Sealed)
}

/// The source of randomness has failed since the event was accepted. Nothing is sent, least of all
/// plaintext.
fn report_unsealed(app: &App, error: &SealError) {
    tracing::error!(app.id = &*app.id, %error, "an accepted event could not be sealed");
}

fn check_mixture(app: &App, event: &PublishedEvent<'_>) -> Result<(), PublishError> {
    let encrypted = event.channels.iter().filter(|c| c.kind().is_encrypted()).count();
    if encrypted == 0 || event.channels.len() == 1 {
        return Ok(());
    }
    if has_envelope_shape(event.data) {
        return Err(PublishError::EnvelopeForSeveral);
    }
    if encrypted < event.channels.len() && !(event.allow_mixed || app.allow_mixed) {
        return Err(PublishError::Mixed);
    }
    Ok(())
}

fn encode<'a>(
    context: PrepareContext<'_>,
    event: &PublishedEvent<'a>,
    channel: &Channel,
) -> Result<EncodedEvent<'a>, PublishError> {
    let &PublishedEvent { name, data, except, publisher, condition, .. } = event;
    check_payload(context.1, channel, data)?;
    let body = match Message::from_client(channel, name, data, publisher.user_id()) {
        Some(message) => EventBody::Clear { frame: Frame::new(&message), data },
        None => seal(context, event, channel)
            .map_err(|error| PublishError::Seal { channel: channel.clone(), error })?,
    };
    Ok(EncodedEvent { channel: channel.clone(), name, body, except, publisher, condition })
}

fn seal<'a>(
    (runtime, app): PrepareContext<'_>,
    event: &PublishedEvent<'a>,
    channel: &Channel,
) -> Result<EventBody<'a>, SealError> {
    let payload = app.admit(channel, event.data)?;
    let record = runtime.directory.find(channel.name());
    let locked = record.as_ref().and_then(|record| record.enter());
    let wanted = match locked {
        Some(mut locked) => AppRuntime::needed_versions(app, &mut locked),
        None => vec![AppRuntime::target(app, channel)],
    };
    let start = runtime.counts.should_time().then(Instant::now);
    let sealed = wanted
        .into_iter()
        .map(|version| Span::seal().within(|| app.seal(channel, &payload, version)))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(start) = start {
        runtime.counts.seal_times.add(start.elapsed());
    }
    let user_id = event.publisher.user_id().map(Arc::from);
    let source = EventSource { event: event.name.into(), user_id };
    Ok(EventBody::Sealed { payload, frames: SealedFrames::new(&source, &sealed) })
}
