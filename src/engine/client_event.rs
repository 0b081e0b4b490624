//! Events that clients send to each other (protocol.md 6).

use std::{sync::Arc, time::Instant};

use super::{
    AppRuntime, Engine,
    event::{EncodedEvent, EventBody, Publisher},
    facts::{ChannelContext, Fact},
    history::{logging::logs, outcome::EventOutcome},
    payload_rule::check_payload,
};
use crate::{
    channels::fact::ChannelFact,
    cluster::content::{EventContent, EventData},
    domain::{channel::Channel, ids::SocketId, limits::Limits},
    hub::{
        delivery_delay::EventTiming,
        mailbox::Audience,
        record::{LockedRecord, Record},
    },
    protocol::{code::ErrorCode, content::Content, frame::Frame, json, message::Message},
};

#[derive(Debug, thiserror::Error)]
pub enum ClientEventError {
    #[error(
        "To send client events, you must enable this feature in the application's settings (client_events = true)"
    )]
    Disabled,
    #[error("Invalid client event (must contain channel and data)")]
    Incomplete,
    #[error(
        "Client event rejected - the event name is {length} characters long, the limit is {limit}"
    )]
    LongName { length: usize, limit: usize },
    #[error("Client event rejected - only supported on private and presence channels")]
    WrongChannel,
    #[error(
        "Client event rejected - not supported on encrypted channels, where no client could decrypt it"
    )]
    Encrypted,
    #[error("Client event rejected - the authorization for channel {0} does not include them")]
    NotAllowed(Channel),
    #[error("Cannot broadcast client event (connection not subscribed to channel {0})")]
    NotSubscribed(String),
    #[error("Client event rejected - the data is {size} bytes long, the limit is {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("Client event rejected - the data is nested deeper than {} levels", json::MAX_DEPTH)]
    TooDeep,
    #[error(
        "Client event rejected - channel {0} takes ciphertext only: encrypt the data, and send iv.ct in base64url"
    )]
    NotCiphertext(Channel),
    #[error("Client event rejected due to rate limit")]
    Rate,
    #[error("Client event rejected - the server has too much to deliver")]
    Overloaded,
}

impl ClientEventError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Rate => ErrorCode::ClientEventRate,
            Self::Disabled
            | Self::Incomplete
            | Self::LongName { .. }
            | Self::WrongChannel
            | Self::Encrypted
            | Self::NotAllowed(_)
            | Self::NotSubscribed(_)
            | Self::TooLarge { .. }
            | Self::TooDeep
            | Self::NotCiphertext(_)
            | Self::Overloaded => ErrorCode::None,
        }
    }
}

/// Checks the event against the channel kind and the limits. Membership and rate are checked by the
/// session.
pub fn check(
    limits: &Limits,
    channel: &Channel,
    event: &str,
    data: &str,
) -> Result<(), ClientEventError> {
    if channel.kind().is_encrypted() {
        return Err(ClientEventError::Encrypted);
    }
    if !channel.kind().takes_client_events() {
        return Err(ClientEventError::WrongChannel);
    }
    let length = event.chars().count();
    if length > limits.event_name_chars {
        return Err(ClientEventError::LongName { length, limit: limits.event_name_chars });
    }
    // A string usually holds JSON, which the receivers parse.
    if !json::is_shallow(data.as_bytes()) {
        return Err(ClientEventError::TooDeep);
    }
    if data.len() > limits.client_event_bytes {
        return Err(ClientEventError::TooLarge {
            size: data.len(),
            limit: limits.client_event_bytes,
        });
    }
    Ok(())
}

impl Engine {
    /// Delivers to all subscribers but the sender. `user_id` comes from the sender's subscription.
    pub fn client_event(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        record: &Arc<Record>,
        sender: SocketId,
        event: &str,
        data: &str,
        user_id: Option<&str>,
    ) -> Result<(), ClientEventError> {
        let publisher = Publisher::Socket { user_id };
        let channel = record.channel();
        let logged = self.logged_in_cluster(&runtime.app(), channel, publisher);
        let accepted = self.check_cluster(runtime, [channel], logged.is_some());
        if !self.hub.has_room() || accepted.is_err() {
            return Err(ClientEventError::Overloaded);
        }
        check_payload(&runtime.app(), record.channel(), data).map_err(|refused| {
            self.note(Fact::PublishRefused(runtime, &refused));
            ClientEventError::NotCiphertext(record.channel().clone())
        })?;
        let message = Message::from_client(record.channel(), event, data, user_id)
            .ok_or(ClientEventError::Encrypted)?;
        let frame = Frame::new(&message);
        if let Some(mut locked) = record.enter() {
            if logs(&locked, publisher).is_some() {
                let event = EncodedEvent {
                    channel: record.channel().clone(),
                    name: event,
                    body: EventBody::Clear { frame, data },
                    except: Some(sender),
                    publisher,
                    condition: None,
                };
                return self.log_client_event(runtime, record, &mut locked, &event);
            }
            match self.cluster.node() {
                None => {
                    let content = Content::Same(frame);
                    locked.post(&self.hub, content, Some(sender), Audience::All, EventTiming::Now);
                }
                Some(node) => {
                    let (name, data, except) = (event, EventData::Clear(data), Some(sender));
                    let is_logged = logged.is_some();
                    let event =
                        EventContent { name, data, except, user_id, keep_ms: None, is_logged };
                    self.publish_from_socket(node, runtime, record.channel(), &event, logged);
                }
            }
            let (channel, subscribers) = (record.channel(), locked.subscription_count());
            let fact = ChannelFact::ClientEvent { event, data, socket_id: Some(sender), user_id };
            self.note(Fact::Channel(ChannelContext { runtime, channel, subscribers }, &fact));
        }
        Ok(())
    }

    /// Nobody waits for the answer of a store that writes first.
    fn log_client_event(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: &EncodedEvent<'_>,
    ) -> Result<(), ClientEventError> {
        let app = runtime.app_snapshot();
        match self.send_kept((runtime, &app), event, record, locked, Instant::now()) {
            Some(EventOutcome::NotPublished(_)) => Err(ClientEventError::Overloaded),
            Some(
                EventOutcome::Logged(_)
                | EventOutcome::Awaited(_)
                | EventOutcome::InCluster(_)
                | EventOutcome::InLog(_),
            )
            | None => Ok(()),
        }
    }
}
