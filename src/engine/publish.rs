//! Publishing: an event becomes one frame per channel, however many subscribers it has.

use std::{sync::Arc, time::Instant};

use super::{Engine, Tenant};
use crate::{
    channel::{Access, Channel},
    crypto::sealer::{SealError, has_envelope_shape},
    hub::{directory::LastEvent, mailbox::Audience},
    ids::SocketId,
    protocol::server::Frame,
};

/// An event as a backend triggers it, its names already parsed.
pub struct Event<'a> {
    pub name: &'a str,
    pub data: &'a str,
    pub channels: Vec<Channel>,
    pub except: Option<SocketId>,
    /// Whether encrypted and other channels may stand in one event.
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
        "encrypted and other channels in one event: the others would get the payload in clear. Send two events, or add \"allow_mixed\": true if that is meant"
    )]
    Mixed,
    #[error("the server has too much to deliver; try again in a second")]
    Overloaded,
}

/// What is to be sent on one channel.
struct EncodedEvent {
    channel: Channel,
    frame: Frame,
    /// As a cached channel's state shows it: for an encrypted one, sealed.
    data: Arc<str>,
    except: Option<SocketId>,
}

/// Events that have been accepted and are yet to be sent.
#[must_use]
pub struct Prepared(Vec<EncodedEvent>);

impl Engine {
    /// Seals and encodes all events, or refuses all: nothing has been sent when this fails.
    pub fn prepare(
        &self,
        tenant: &Tenant,
        events: Vec<Event<'_>>,
    ) -> Result<Prepared, PublishError> {
        self.try_prepare(tenant, events).inspect_err(|error| self.note_refused(tenant, error))
    }

    fn try_prepare(
        &self,
        tenant: &Tenant,
        events: Vec<Event<'_>>,
    ) -> Result<Prepared, PublishError> {
        if !self.hub.has_room() {
            return Err(PublishError::Overloaded);
        }
        let mut encoded = Vec::with_capacity(events.iter().map(|e| e.channels.len()).sum());
        for event in events {
            check_mixture(&event)?;
            for channel in event.channels {
                encoded.push(encode(tenant, event.name, event.data, channel, event.except)?);
            }
        }
        Ok(Prepared(encoded))
    }

    pub fn publish(&self, tenant: &Tenant, prepared: Prepared) {
        let now = Instant::now();
        prepared.0.into_iter().for_each(|event| self.send(tenant, event, now));
    }

    fn send(&self, tenant: &Tenant, event: EncodedEvent, now: Instant) {
        let EncodedEvent { channel, frame, data, except } = event;
        if channel.kind().cached {
            tenant.directory.with(&channel, |_, mut locked| {
                let expires = now + tenant.app.limits.cache_ttl();
                locked.last_event = Some(LastEvent { frame: frame.clone(), data, expires });
                locked.post(&self.hub, frame, except, Audience::All);
            });
        } else {
            // Nobody there is no failure: the event has reached all of them.
            let _ = tenant.directory.with_existing(channel.name(), |_, mut locked| {
                locked.post(&self.hub, frame, except, Audience::All);
            });
        }
    }
}

fn check_mixture(event: &Event<'_>) -> Result<(), PublishError> {
    let encrypted = event.channels.iter().filter(|c| c.access() == Access::Encrypted).count();
    if encrypted == 0 || event.channels.len() == 1 {
        return Ok(());
    }
    if has_envelope_shape(event.data) {
        return Err(PublishError::EnvelopeForSeveral);
    }
    if encrypted < event.channels.len() && !event.allow_mixed {
        return Err(PublishError::Mixed);
    }
    Ok(())
}

fn encode(
    tenant: &Tenant,
    name: &str,
    data: &str,
    channel: Channel,
    except: Option<SocketId>,
) -> Result<EncodedEvent, PublishError> {
    let (frame, data) = match Frame::clear(&channel, name, data) {
        // Only a cached channel keeps it.
        Some(frame) if channel.kind().cached => (frame, Arc::from(data)),
        Some(frame) => (frame, Arc::default()),
        None => {
            let sealed = tenant
                .app
                .seal(&channel, data)
                .map_err(|error| PublishError::Seal { channel: channel.clone(), error })?;
            (Frame::sealed(name, &sealed), sealed.envelope().clone())
        }
    };
    Ok(EncodedEvent { channel, frame, data, except })
}
