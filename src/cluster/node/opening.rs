//! Opens what this node hears and reads.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

use super::{
    ClusterChannel,
    sealing::{NodeSealing, NodeTopic, place},
};
use crate::{
    channels::members::Member,
    cluster::{
        content::MemberRecord,
        envelope::{EnvelopeKind, EnvelopeOpener, EnvelopePlace, OpenedEnvelope},
        key::ClusterKey,
        names::{MemberId, Partition},
        redis::{
            link::LinkReach,
            messages::{NumberedKind, NumberedMessage, TopicMessage},
            snapshot::{Snapshot, StoredMember},
        },
        rejection::{ClusterRejection, ClusterRejectionCounters},
        replay::ReplayGuard,
        replica::input::{
            ClusterMember, HeardChange, HeardEvent, HeardMessage, OpenedSnapshot, SentId,
        },
        stored::StoredPlace,
    },
};

/// Has no `Debug`.
pub struct NodeOpening {
    opener: EnvelopeOpener,
    /// By partition.
    seen: Vec<ReplayGuard>,
    notes_seen: ReplayGuard,
    /// This node's events that it has posted before they came back.
    posted: HashSet<SentId>,
}

impl NodeOpening {
    pub fn new(key: &ClusterKey) -> Self {
        let seen = Partition::all().map(|_| ReplayGuard::new(0)).collect();
        let notes_seen = ReplayGuard::new(0);
        Self { opener: EnvelopeOpener::new(key), seen, notes_seen, posted: HashSet::new() }
    }

    /// Redis' time on a new connection.
    pub fn reconnected(&mut self, reach: LinkReach, redis_ms: u64) {
        for partition in reach.partitions.iter() {
            self.seen[partition.index()].reconnected(redis_ms);
        }
        if reach.control {
            self.notes_seen.reconnected(redis_ms);
        }
    }

    pub fn posted(&mut self, id: SentId) {
        self.posted.insert(id);
    }

    /// No event of this node can come back any more.
    pub fn forget_posted(&mut self, id: &SentId) {
        self.posted.remove(id);
    }

    /// What the replica is told of a message. `None`: it is dropped, and counted.
    pub fn heard(
        &mut self,
        sealing: &NodeSealing,
        channel: &ClusterChannel,
        message: TopicMessage,
        counters: &ClusterRejectionCounters,
    ) -> Option<HeardMessage> {
        match message {
            TopicMessage::Total(total) => Some(HeardMessage::Total(total)),
            TopicMessage::Event(blob) => {
                let event = self.event(channel, &blob, true);
                counters.counted(event).ok().map(HeardMessage::Event)
            }
            TopicMessage::Numbered(NumberedMessage { number, predecessor, kind, blob }) => {
                let change = counters.counted(self.change(sealing, channel, kind, &blob));
                let change = change.unwrap_or(HeardChange::Rejected);
                Some(HeardMessage::Numbered { number, predecessor, change })
            }
        }
    }

    /// What another node asks or tells.
    pub fn note(
        &mut self,
        topic: NodeTopic,
        blob: &[u8],
    ) -> Result<OpenedEnvelope, ClusterRejection> {
        let place = topic.place();
        let opened = self.opener.open(EnvelopePlace { app: "", channel: &place }, blob)?;
        if opened.head.kind != EnvelopeKind::Note {
            return Err(ClusterRejection::Kind);
        }
        self.notes_seen.admit(&opened.head)?;
        Ok(opened)
    }

    fn change(
        &mut self,
        sealing: &NodeSealing,
        channel: &ClusterChannel,
        kind: NumberedKind,
        blob: &Bytes,
    ) -> Result<HeardChange, ClusterRejection> {
        let wanted = match kind {
            NumberedKind::Added => EnvelopeKind::MemberAdded,
            NumberedKind::Removed => EnvelopeKind::MemberRemoved,
            NumberedKind::LastEvent => {
                return self.event(channel, blob, true).map(HeardChange::LastEvent);
            }
        };
        let OpenedEnvelope { content, .. } = self.open(channel, blob, wanted, true)?;
        let record = MemberRecord::parse(&content)?;
        Ok(match kind {
            NumberedKind::Removed => {
                HeardChange::Removed(sealing.names.member(&channel.location.id, record.user_id))
            }
            _ => HeardChange::Added(member(sealing, channel, &record)),
        })
    }

    fn event(
        &mut self,
        channel: &ClusterChannel,
        blob: &Bytes,
        is_new: bool,
    ) -> Result<HeardEvent, ClusterRejection> {
        let OpenedEnvelope { head, content } =
            self.open(channel, blob, EnvelopeKind::Event, is_new)?;
        let id = SentId { sender: head.sender, counter: head.counter };
        Ok(HeardEvent {
            id,
            sent_ms: head.sent_ms,
            content: Bytes::copy_from_slice(&content),
            is_posted: self.posted.contains(&id),
            lacks_key: false,
        })
    }

    /// `is_new`: what is heard comes once. What is read may have been heard.
    fn open(
        &mut self,
        channel: &ClusterChannel,
        blob: &Bytes,
        wanted: EnvelopeKind,
        is_new: bool,
    ) -> Result<OpenedEnvelope, ClusterRejection> {
        let opened = self.opener.open(place(channel), blob)?;
        if opened.head.kind != wanted {
            return Err(ClusterRejection::Kind);
        }
        if is_new {
            self.seen[channel.location.partition.index()].admit(&opened.head)?;
        }
        Ok(opened)
    }

    pub fn snapshot(
        &mut self,
        sealing: &NodeSealing,
        channel: &ClusterChannel,
        snapshot: Snapshot,
        counters: &ClusterRejectionCounters,
    ) -> OpenedSnapshot {
        let key = sealing.keys(channel).m;
        let members = snapshot.members.iter().filter_map(|stored| {
            counters.counted(stored_member(sealing, channel, &key, stored)).ok()
        });
        let last = snapshot.last_event.as_ref();
        let last = last.and_then(|it| counters.counted(self.event(channel, &it.blob, false)).ok());
        OpenedSnapshot {
            number: snapshot.number,
            total: snapshot.total,
            members: members.collect(),
            last_event: last,
        }
    }
}

pub fn stored_member(
    sealing: &NodeSealing,
    channel: &ClusterChannel,
    members_key: &[u8],
    stored: &StoredMember,
) -> Result<ClusterMember, ClusterRejection> {
    let place = StoredPlace { key: members_key, field: &stored.member, generation: 0 };
    let content = sealing.stored.open(place, &stored.record)?;
    let member = member(sealing, channel, &MemberRecord::parse(&content)?);
    // Redis may have moved a record to another member of the channel.
    let is_own = member.id == MemberId::from_bytes(stored.member);
    if is_own { Ok(member) } else { Err(ClusterRejection::Unauthentic) }
}

pub fn member(
    sealing: &NodeSealing,
    channel: &ClusterChannel,
    record: &MemberRecord<'_>,
) -> ClusterMember {
    let names = sealing.member(channel, record.user_id, record.info);
    let member = Member { user_id: Arc::from(record.user_id), info: record.info.map(Arc::from) };
    ClusterMember { id: names.id, tag: names.tag, member }
}
