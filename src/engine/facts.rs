//! The one outlet of facts.
//!
//! Each fact is noted once, with `Engine::note`, which passes it to webhooks, audit log, live feed
//! and counters. A new receiver changes `Engine::note` and no verb.

mod live;

use std::time::SystemTime;

use super::{
    AppRuntime, Engine,
    busiest::note_sent,
    event::{EncodedEvent, EventBody, PublishError, Publisher},
};
use crate::{
    channels::fact::{ChannelFact, ChannelFactKind},
    crypto::sealer::SealError,
    domain::{channel::Channel, ids::SocketId, refusal::RefusalCode},
    hub::record::Record,
    observe::{audit::AuditFact, explain::RefusalId, live::ApiCallDetail, webhook::FactOrigin},
    protocol::{code::Close, content::Content},
};

pub enum Fact<'a> {
    /// A channel's state has changed, or a client has sent an event on it. Noted under the lock of
    /// the channel's record, so that facts about a channel keep their order.
    Channel(ChannelContext<'a>, &'a ChannelFact<'a>),
    /// A backend's event was accepted.
    Published(PublishedContext<'a>),
    /// The event of a backend, or of a client for its payload.
    PublishRefused(&'a AppRuntime, &'a PublishError),
    Connection(ConnectionContext<'a>, ConnectionFact<'a>),
    ConnectionRefused(SocketId, &'a Close),
    SubscriptionRefused(&'a AppRuntime, RefusalCode),
    SigninRefused(&'a AppRuntime, RefusalCode),
    /// A request or frame was refused. `None`: the log had no room for it.
    Refused(RefusedContext<'a>, Option<RefusalId>),
    ApiCall(Option<&'a str>, ApiCallDetail<'a>),
    Draining,
    /// About access, keys and the server itself.
    Audited(AuditFact),
}

#[derive(Clone, Copy)]
pub struct ChannelContext<'a> {
    pub runtime: &'a AppRuntime,
    pub channel: &'a Channel,
    pub subscribers: u32,
}

#[derive(Clone, Copy)]
pub struct PublishedContext<'a> {
    pub runtime: &'a AppRuntime,
    pub event: &'a EncodedEvent<'a>,
    /// `None` if the channel has no record.
    pub content: Option<&'a Content>,
    pub subscribers: u32,
}

impl<'a> PublishedContext<'a> {
    /// The fact for webhooks, if a client has published in clear.
    fn client_event(&self) -> Option<ChannelFact<'a>> {
        match (self.event.publisher, &self.event.body) {
            (
                Publisher::Client { user_id } | Publisher::Socket { user_id },
                EventBody::Clear { data, .. },
            ) => {
                let (event, socket_id) = (self.event.name, self.event.except);
                Some(ChannelFact::ClientEvent { event, data, socket_id, user_id })
            }
            (Publisher::Client { .. } | Publisher::Socket { .. }, EventBody::Sealed { .. })
            | (Publisher::Backend, _) => None,
        }
    }
}

#[derive(Clone, Copy)]
pub struct ConnectionContext<'a> {
    pub runtime: &'a AppRuntime,
    pub socket: SocketId,
}

pub enum ConnectionFact<'a> {
    Opened,
    SignedIn {
        user: &'a str,
    },
    Subscribed(SubscriptionContext<'a>),
    Unsubscribed(SubscriptionContext<'a>),
    /// `None`: the connection was lost.
    Closed(Option<Close>),
}

#[derive(Clone, Copy)]
pub struct SubscriptionContext<'a> {
    /// The caller does not hold its lock.
    pub record: &'a Record,
    pub user: Option<&'a str>,
}

pub struct RefusedContext<'a> {
    pub code: RefusalCode,
    pub app: Option<&'a str>,
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
}

impl Engine {
    pub fn note(&self, fact: Fact<'_>) {
        self.count(&fact);
        if self.cluster.node().is_none() {
            note_sent(&fact);
        }
        if let Fact::Channel(ChannelContext { runtime, channel, .. }, fact) = &fact {
            self.note_webhooks(runtime, channel, fact);
        }
        if let Fact::Published(context) = &fact
            && let Some(client_event) = context.client_event()
        {
            self.note_webhooks(context.runtime, &context.event.channel, &client_event);
        }
        if self.live.is_watched() {
            self.note_live(&fact);
        }
        if self.reveals.are_active() {
            self.reveal(&fact);
        }
        self.marks.note(&fact);
        match fact {
            Fact::Audited(fact) => self.audit.note(fact),
            Fact::PublishRefused(runtime, error) => self.audit_refused(runtime, error),
            Fact::Channel(..)
            | Fact::Published(..)
            | Fact::Connection(..)
            | Fact::ConnectionRefused(..)
            | Fact::SubscriptionRefused(..)
            | Fact::SigninRefused(..)
            | Fact::Refused(..)
            | Fact::ApiCall(..)
            | Fact::Draining => {}
        }
    }

    /// For what may be done only if the audit log has it. False if the log has no room.
    #[must_use]
    pub fn note_first(&self, fact: AuditFact) -> bool {
        self.audit.try_note(fact)
    }

    /// Nodes of a cluster write into one queue, so that the facts of a channel have one order. What
    /// changes in Redis is written there with the change.
    fn note_webhooks(&self, runtime: &AppRuntime, channel: &Channel, fact: &ChannelFact<'_>) {
        let kind = fact.kind();
        let is_written = !matches!(kind, ChannelFactKind::ClientEvent | ChannelFactKind::CacheMiss);
        match self.cluster.node() {
            None => {
                let origin = FactOrigin { occurred: SystemTime::now(), source: None };
                runtime.note_webhooks(channel, fact, origin);
            }
            Some(_) if is_written || !runtime.wants_webhook(channel, kind) => {}
            Some(node) => node.note(node.channel(&runtime.id, channel), fact.clone()),
        }
    }

    fn audit_refused(&self, runtime: &AppRuntime, error: &PublishError) {
        if let PublishError::Seal { channel, error: SealError::Plaintext }
        | PublishError::NotCiphertext { channel } = error
        {
            let (app, channel) = (runtime.id.clone(), channel.clone());
            self.audit.note(AuditFact::PlaintextRefused { app, channel });
        }
    }

    /// Counts for each event and each byte are made where they arise, on the path of an event.
    fn count(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Channel(context, ChannelFact::ClientEvent { .. }) => {
                context.runtime.counts.client_events.add();
            }
            Fact::Published(context) if context.event.publisher != Publisher::Backend => {
                context.runtime.counts.client_events.add();
            }
            Fact::PublishRefused(runtime, error) => {
                self.counts.refused.note(error);
                let reason = match error {
                    PublishError::Seal { error, .. } => Some(error.reason()),
                    PublishError::NotCiphertext { .. } => Some(SealError::Plaintext.reason()),
                    PublishError::EnvelopeForSeveral
                    | PublishError::Mixed
                    | PublishError::Overloaded
                    | PublishError::ClusterAway
                    | PublishError::NotInCluster
                    | PublishError::ClusterBacklog => None,
                };
                if let Some(reason) = reason {
                    runtime.counts.not_sealed.add(reason);
                }
            }
            Fact::SubscriptionRefused(runtime, code) => {
                runtime.counts.subscriptions_refused.add(code.name());
            }
            Fact::SigninRefused(runtime, code) => runtime.counts.sign_ins_refused.add(code.name()),
            Fact::Channel(..)
            | Fact::Published(..)
            | Fact::Connection(..)
            | Fact::ConnectionRefused(..)
            | Fact::Refused(..)
            | Fact::ApiCall(..)
            | Fact::Draining
            | Fact::Audited(_) => {}
        }
    }
}
