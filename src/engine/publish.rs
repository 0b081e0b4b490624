//! Publishing. An event becomes one frame per channel, regardless of the number of subscribers.

use std::{sync::Arc, time::Instant};

use super::{Engine, Tenant, counts::TenantCounts};
use crate::{
    app::App,
    channel::{Access, Channel},
    crypto::sealer::{Payload, SealError, has_envelope_shape},
    hub::{
        cached::LastEvent,
        directory::LockedRecord,
        mailbox::{Audience, Content},
    },
    ids::SocketId,
    protocol::{sealed::SealedFrames, server::Frame},
    refusal::RefusalCode,
    traces::Span,
};

/// An event triggered by a backend, with parsed channel names.
pub struct Event<'a> {
    pub name: &'a str,
    pub data: &'a str,
    pub channels: Vec<Channel>,
    pub except: Option<SocketId>,
    /// True if the event may name encrypted and other channels at once.
    pub allow_mixed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("{error} (channel {channel})")]
    Seal { channel: Channel, error: SealError },
    #[error(
        "an encrypted payload is for one channel: it would open on none of the others. Send it to each channel by itself, or send plaintext and let the server seal it for each"
    )]
    EnvelopeForSeveral,
    #[error(
        "encrypted and other channels in one event: the others would get the payload in clear. Send two events, or add \"allow_mixed\": true if that is meant (or set it for the app)"
    )]
    Mixed,
    #[error("the server has too much to deliver; try again in a second")]
    Overloaded,
}

/// The reason why no event of a request was prepared.
#[derive(Debug)]
pub struct Unprepared {
    pub error: PublishError,
    /// Position of the refused event; `None` if the server is overloaded and takes no event.
    pub index: Option<usize>,
}

impl PublishError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Seal { error: SealError::Plaintext, .. } => {
                RefusalCode::PlaintextOnEncryptedChannel
            }
            Self::Seal { error: SealError::DoesNotOpen, .. } => RefusalCode::EnvelopeDoesNotOpen,
            Self::Seal { error: SealError::NoRandomness, .. } => RefusalCode::NoRandomness,
            Self::Seal { error: SealError::KeyRetired, .. } => RefusalCode::SealingKeyRetired,
            Self::EnvelopeForSeveral => RefusalCode::EnvelopeForSeveralChannels,
            Self::Mixed => RefusalCode::MixedChannels,
            Self::Overloaded => RefusalCode::Overloaded,
        }
    }
}

/// The app, and the settings the event was accepted with.
type Of<'a> = (&'a Tenant, &'a App);

/// An event encoded for one channel.
pub(super) struct EncodedEvent<'a> {
    pub(super) channel: Channel,
    pub(super) name: &'a str,
    pub(super) body: Body<'a>,
    except: Option<SocketId>,
}

pub(super) enum Body<'a> {
    Clear {
        frame: Frame,
        data: &'a str,
    },
    /// Keeps the payload: by the time the event is sent, subscribers may have moved to other
    /// secrets.
    Sealed {
        payload: Payload<'a>,
        frames: SealedFrames,
    },
}

/// Events accepted, but not yet sent.
#[must_use]
pub struct Prepared<'a> {
    /// The settings they were accepted with.
    app: &'a App,
    events: Vec<EncodedEvent<'a>>,
}

impl Prepared<'_> {
    fn count(&self, counts: &TenantCounts) {
        let (mut sealed, mut relayed) = (0, 0);
        for event in &self.events {
            match &event.body {
                Body::Clear { .. } => {}
                Body::Sealed { payload: Payload::Plain(_), .. } => sealed += 1,
                Body::Sealed { payload: Payload::Opened { .. } | Payload::Blind(_), .. } => {
                    relayed += 1;
                }
            }
        }
        counts.published.add_many(self.events.len() as u64);
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
        tenant: &Tenant,
        app: &'a App,
        events: Vec<Event<'a>>,
    ) -> Result<Prepared<'a>, Unprepared> {
        self.try_prepare(tenant, app, events)
            .inspect_err(|refused| self.note_refused(tenant, &refused.error))
    }

    fn try_prepare<'a>(
        &self,
        tenant: &Tenant,
        app: &'a App,
        events: Vec<Event<'a>>,
    ) -> Result<Prepared<'a>, Unprepared> {
        if !self.hub.has_room() {
            return Err(Unprepared { error: PublishError::Overloaded, index: None });
        }
        let mut encoded = Vec::with_capacity(events.iter().map(|e| e.channels.len()).sum());
        for (index, event) in events.into_iter().enumerate() {
            let refused = |error| Unprepared { error, index: Some(index) };
            check_mixture(app, &event).map_err(refused)?;
            for channel in event.channels {
                let of = (tenant, app);
                let event = encode(of, event.name, event.data, channel, event.except);
                encoded.push(event.map_err(refused)?);
            }
        }
        Ok(Prepared { app, events: encoded })
    }

    pub fn publish(&self, tenant: &Tenant, prepared: Prepared<'_>) {
        prepared.count(&tenant.counts);
        let (Prepared { app, events }, now) = (prepared, Instant::now());
        events.into_iter().for_each(|event| {
            let span = Span::publish(event.channel.access().name());
            span.within(|| self.send((tenant, app), event, now));
        });
    }

    fn send(&self, of: Of<'_>, event: EncodedEvent<'_>, now: Instant) {
        let EncodedEvent { channel, name, body, .. } = &event;
        let (tenant, app) = of;
        if channel.kind().cached {
            tenant.directory.with(channel, |record, mut locked| {
                let Some(content) = content(app, &mut locked, name, body) else { return };
                let data = match (body, &content) {
                    (Body::Clear { data, .. }, _) => Some(Arc::from(*data)),
                    (_, Content::Sealed(frames)) => frames.envelope().cloned(),
                    (_, Content::Same(_)) => None,
                };
                let (data, expires) = (data.unwrap_or_default(), now + app.limits.cache_ttl());
                let last = LastEvent::new((*name).into(), content.clone(), data, expires);
                tenant.directory.keep_last(record, &mut locked, last);
                locked.miss_told = false;
                self.post(of, &event, &mut locked, content);
            });
            tenant.directory.drop_beyond(app.limits.cache_bytes, now);
        } else {
            // No subscribers is not an error: the event has reached all of them.
            let found = tenant.directory.with_existing(channel.name(), |_, mut locked| {
                if let Some(content) = content(app, &mut locked, name, body) {
                    self.post(of, &event, &mut locked, content);
                }
            });
            if found.is_none() {
                self.show(app, &event, None);
            }
        }
    }

    fn post(
        &self,
        (_, app): Of<'_>,
        event: &EncodedEvent<'_>,
        locked: &mut LockedRecord<'_>,
        content: Content,
    ) {
        self.show(app, event, Some((&content, locked)));
        Span::receivers(|| locked.subscription_count());
        locked.post(&self.hub, content, event.except, Audience::All);
    }
}

/// The content for the current subscribers. The record is locked.
fn content(
    app: &App,
    locked: &mut LockedRecord<'_>,
    name: &str,
    body: &Body<'_>,
) -> Option<Content> {
    let (payload, frames) = match body {
        Body::Clear { frame, .. } => return Some(Content::Same(frame.clone())),
        Body::Sealed { payload, frames } => (payload, frames),
    };
    let channel = locked.channel().clone();
    let wanted = Tenant::versions_wanted(app, locked);
    let frames = frames.adapted(name, &wanted, |version| {
        Span::seal().within(|| app.seal(&channel, payload, version))
    });
    // The source of randomness has failed since the event was accepted. Send nothing, least of all
    // plaintext.
    let report = |error: &SealError| {
        tracing::error!(app.id = &*app.id, %error, "an accepted event could not be sealed");
    };
    frames.inspect_err(report).ok().map(Content::Sealed)
}

fn check_mixture(app: &App, event: &Event<'_>) -> Result<(), PublishError> {
    let encrypted = event.channels.iter().filter(|c| c.access() == Access::Encrypted).count();
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
    of: Of<'_>,
    name: &'a str,
    data: &'a str,
    channel: Channel,
    except: Option<SocketId>,
) -> Result<EncodedEvent<'a>, PublishError> {
    let body = match Frame::clear(&channel, name, data) {
        Some(frame) => Body::Clear { frame, data },
        None => seal(of, name, data, &channel)
            .map_err(|error| PublishError::Seal { channel: channel.clone(), error })?,
    };
    Ok(EncodedEvent { channel, name, body, except })
}

fn seal<'a>(
    (tenant, app): Of<'_>,
    name: &str,
    data: &'a str,
    channel: &Channel,
) -> Result<Body<'a>, SealError> {
    let payload = app.admit(channel, data)?;
    let record = tenant.directory.find(channel.name());
    let locked = record.as_ref().and_then(|record| record.enter());
    let wanted = match locked {
        Some(mut locked) => Tenant::versions_wanted(app, &mut locked),
        None => vec![Tenant::target(app, channel)],
    };
    let start = tenant.counts.is_to_be_timed().then(Instant::now);
    let sealed = wanted
        .into_iter()
        .map(|version| Span::seal().within(|| app.seal(channel, &payload, version)))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(start) = start {
        tenant.counts.seal_times.add(start.elapsed());
    }
    Ok(Body::Sealed { payload, frames: SealedFrames::new(name, &sealed) })
}
