//! Seals what this node sends.
//!
//! It belongs to the thread. What is sealed has to enter its lane at once: receivers refuse a message
//! whose counter is below that of the message before.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use super::{
    ClusterChannel,
    keys::{channel_keys, partition_keys},
};
use crate::{
    channels::fact::{ChannelFact, ChannelFactKind},
    cluster::{
        content::{ChannelNameContent, FactContent, MemberRecord},
        envelope::{ContentTooLong, EnvelopeKind, EnvelopePlace, EnvelopeSealer},
        key::ClusterKey,
        names::{ClusterNames, Incarnation, InfoTag, KeyLayout, MemberId, NodeSlot},
        redis::{
            keys::Keys,
            log::LogLife,
            verbs::{Fence, Notice, Verb},
        },
        replica::input::ClusterMember,
        stored::{StoredError, StoredPlace, StoredValues},
    },
    domain::channel::Channel,
};

/// Whether backends are told facts of a kind about a channel of an app. Called by the thread.
pub type FactFilter = Box<dyn Fn(&str, &Channel, ChannelFactKind) -> bool + Send + Sync>;

/// Has no `Debug`.
pub struct NodeSealing {
    pub names: Arc<ClusterNames>,
    pub layout: KeyLayout,
    pub stored: StoredValues,
    sealer: EnvelopeSealer,
    clock: RedisClock,
    wanted_facts: FactFilter,
}

/// The clock of Redis, as of the last connection. Before the first one it is that of this machine.
#[derive(Clone, Copy)]
struct RedisClock {
    ms: u64,
    at: Instant,
}

/// The script that writes it knows the number.
const TOTAL: ChannelFact<'static> = ChannelFact::SubscriptionCount { subscription_count: 0 };

/// The node in whose name a change is made.
#[derive(Clone, Copy)]
pub struct Acting {
    pub node: Incarnation,
    pub fence: Fence,
    pub linger_ms: u64,
}

impl NodeSealing {
    pub fn new(
        key: &ClusterKey,
        names: Arc<ClusterNames>,
        layout: KeyLayout,
        wanted_facts: FactFilter,
    ) -> Result<Self, getrandom::Error> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = RedisClock { ms: since_1970.as_millis() as u64, at: Instant::now() };
        let (stored, sealer) = (StoredValues::new(key), EnvelopeSealer::new(key)?);
        Ok(Self { names, layout, stored, sealer, clock, wanted_facts })
    }

    /// Begins another incarnation.
    pub fn be_born(&mut self, key: &ClusterKey) -> Result<(), getrandom::Error> {
        self.sealer = EnvelopeSealer::new(key)?;
        Ok(())
    }

    pub fn incarnation(&self) -> Incarnation {
        self.sealer.incarnation()
    }

    /// `ms`: the clock of Redis now.
    pub fn set_clock(&mut self, ms: u64) {
        self.clock = RedisClock { ms, at: Instant::now() };
    }

    pub fn redis_ms(&self) -> u64 {
        self.clock.ms + self.clock.at.elapsed().as_millis() as u64
    }

    pub fn keys(&self, channel: &ClusterChannel) -> Keys {
        self.keys_of(channel, &self.incarnation())
    }

    pub fn keys_of(&self, channel: &ClusterChannel, node: &Incarnation) -> Keys {
        channel_keys(&self.layout, channel, node)
    }

    pub fn acting(&self, linger_ms: u64) -> Acting {
        Acting { node: self.incarnation(), fence: Fence::Heeded, linger_ms }
    }

    /// `sent_ms` is the time of its first sealing: a kept event that is late does not replace a newer
    /// one.
    pub fn event(
        &self,
        channel: &ClusterChannel,
        content: &[u8],
        sent_ms: u64,
    ) -> Result<SealedEvent, ContentTooLong> {
        let blob = self.sealer.seal(EnvelopeKind::Event, place(channel), sent_ms, content)?;
        Ok(SealedEvent { counter: self.sealer.last_counter(), blob: blob.into() })
    }

    /// What a clearing of the log is known by.
    pub fn cleared(
        &self,
        channel: &ClusterChannel,
        sent_ms: u64,
    ) -> Result<SealedEvent, ContentTooLong> {
        let blob = self.sealer.seal(EnvelopeKind::LogCleared, place(channel), sent_ms, &[])?;
        Ok(SealedEvent { counter: self.sealer.last_counter(), blob: blob.into() })
    }

    /// `log`: on a channel with a log.
    pub fn count(
        &self,
        channel: &ClusterChannel,
        acting: Acting,
        count: u32,
        log: Option<LogLife>,
    ) -> Result<Verb, StoredError> {
        let keys = self.keys_of(channel, &acting.node);
        let name = ChannelNameContent { app: &channel.app, channel: channel.channel.name() };
        let name_place = StoredPlace { key: &keys.c, field: b"k", generation: 0 };
        let fact = |fact| self.fact(channel, &keys.w, &fact);
        // A change between others needs neither, and the script ignores them. It is the script that
        // knows.
        Ok(Verb::Count {
            fence: acting.fence,
            node: *acting.node.as_bytes(),
            channel: *channel.location.id.as_bytes(),
            count,
            name: self.stored.seal(name_place, &name.to_bytes())?.into(),
            occupied: fact(ChannelFact::ChannelOccupied)?,
            vacated: fact(ChannelFact::ChannelVacated)?,
            total: fact(TOTAL)?,
            linger_ms: acting.linger_ms,
            log,
        })
    }

    pub fn join(
        &self,
        channel: &ClusterChannel,
        member: &ClusterMember,
        limit: u32,
    ) -> Result<Verb, StoredError> {
        let keys = self.keys(channel);
        let record = record_bytes(member);
        let place = StoredPlace { key: &keys.m, field: member.id.as_bytes(), generation: 0 };
        let stored = self.stored.seal(place, &record)?;
        // In this order, as they may be published in it.
        let removed = self.removed(channel, &member.member.user_id)?;
        let added_blob = self.seal(EnvelopeKind::MemberAdded, channel, &record)?;
        let user_id = member.member.user_id.clone();
        let fact = self.fact(channel, &keys.w, &ChannelFact::MemberAdded { user_id })?;
        Ok(Verb::Join {
            node: *self.incarnation().as_bytes(),
            channel: *channel.location.id.as_bytes(),
            member: *member.id.as_bytes(),
            tag: *member.tag.as_bytes(),
            record: stored.into(),
            limit,
            added: Notice { blob: added_blob, fact },
            removed,
        })
    }

    pub fn leave(
        &self,
        channel: &ClusterChannel,
        acting: Acting,
        member: MemberId,
        user_id: &Arc<str>,
    ) -> Result<Verb, StoredError> {
        Ok(Verb::Leave {
            fence: acting.fence,
            node: *acting.node.as_bytes(),
            channel: *channel.location.id.as_bytes(),
            member: *member.as_bytes(),
            removed: self.removed(channel, user_id)?,
            linger_ms: acting.linger_ms,
        })
    }

    /// What is told of a member who has left.
    pub fn removed(
        &self,
        channel: &ClusterChannel,
        user_id: &Arc<str>,
    ) -> Result<Notice, StoredError> {
        let record = MemberRecord { user_id, info: None }.to_bytes();
        let blob = self.seal(EnvelopeKind::MemberRemoved, channel, &record)?;
        let queue = self.fact_queue(channel);
        let fact = ChannelFact::MemberRemoved { user_id: user_id.clone() };
        Ok(Notice { blob, fact: self.fact(channel, &queue, &fact)? })
    }

    /// What is written of a channel without subscribers: its end, and its total.
    pub fn vacated(
        &self,
        channel: &ClusterChannel,
    ) -> Result<(Notice, Option<Bytes>), StoredError> {
        let queue = self.fact_queue(channel);
        let fact = self.fact(channel, &queue, &ChannelFact::ChannelVacated)?;
        let total = self.fact(channel, &queue, &TOTAL)?;
        Ok((Notice { blob: Bytes::new(), fact }, total))
    }

    /// A fact with a content of its own time.
    pub fn noted(&self, channel: &ClusterChannel, content: &[u8]) -> Result<Bytes, StoredError> {
        self.seal_fact(&self.fact_queue(channel), content)
    }

    /// `None` of facts that no backend is told.
    pub fn fact(
        &self,
        channel: &ClusterChannel,
        queue: &[u8],
        fact: &ChannelFact<'_>,
    ) -> Result<Option<Bytes>, StoredError> {
        let is_listed = channel.channel.kind().is_listed();
        if !is_listed || !(self.wanted_facts)(&channel.app, &channel.channel, fact.kind()) {
            return Ok(None);
        }
        let (app, name) = (&*channel.app, &**channel.channel.name());
        let content =
            FactContent { app, channel: name, at_ms: self.redis_ms(), fact: fact.clone() };
        self.seal_fact(queue, &content.to_bytes()).map(Some)
    }

    fn seal_fact(&self, queue: &[u8], content: &[u8]) -> Result<Bytes, StoredError> {
        let place = StoredPlace { key: queue, field: b"", generation: 0 };
        Ok(self.stored.seal(place, content)?.into())
    }

    pub fn fact_queue(&self, channel: &ClusterChannel) -> Bytes {
        self.layout.partition(channel.location.partition).facts().into()
    }

    /// The keys of this node in a partition.
    pub fn partition_keys(&self, partition: crate::cluster::names::Partition) -> Keys {
        partition_keys(&self.layout, partition, &self.incarnation())
    }

    pub fn member(
        &self,
        channel: &ClusterChannel,
        user_id: &str,
        info: Option<&str>,
    ) -> MemberNames {
        let id = self.names.member(&channel.location.id, user_id);
        MemberNames { id, tag: self.names.info_tag(&id, info) }
    }

    /// What goes to other nodes. It opens on this topic alone.
    pub fn note(&self, topic: NodeTopic, content: &[u8]) -> Result<Vec<u8>, ContentTooLong> {
        let place = topic.place();
        let place = EnvelopePlace { app: "", channel: &place };
        self.sealer.seal(EnvelopeKind::Note, place, self.redis_ms(), content)
    }

    fn seal(
        &self,
        kind: EnvelopeKind,
        channel: &ClusterChannel,
        content: &[u8],
    ) -> Result<Bytes, ContentTooLong> {
        Ok(self.sealer.seal(kind, place(channel), self.redis_ms(), content)?.into())
    }
}

pub struct SealedEvent {
    pub counter: u64,
    pub blob: Bytes,
}

pub struct MemberNames {
    pub id: MemberId,
    pub tag: InfoTag,
}

/// A topic on which nodes talk with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeTopic {
    Everyone,
    Node(NodeSlot),
}

impl NodeTopic {
    pub fn name(self, layout: &KeyLayout) -> Bytes {
        let names = layout.control();
        match self {
            Self::Everyone => names.everyone_topic().into(),
            Self::Node(slot) => names.node_topic(slot).into(),
        }
    }

    /// Stands where messages of a channel have its name. The app is in the content.
    pub fn place(self) -> String {
        match self {
            Self::Everyone => "all".into(),
            Self::Node(slot) => format!("n{}", slot.number()),
        }
    }
}

pub fn place(channel: &ClusterChannel) -> EnvelopePlace<'_> {
    EnvelopePlace { app: &channel.app, channel: channel.channel.name() }
}

fn record_bytes(member: &ClusterMember) -> Vec<u8> {
    let (user_id, info) = (&*member.member.user_id, member.member.info.as_deref());
    MemberRecord { user_id, info }.to_bytes()
}
