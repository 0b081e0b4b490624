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
        content::{ChannelNameContent, EventContent, MemberRecord},
        envelope::{EnvelopeKind, EnvelopeOpener, EnvelopePlace, OpenedEnvelope},
        key::ClusterKey,
        names::{ChannelLocation, MemberId, Partition},
        redis::{
            link::LinkReach,
            log::LogEntry,
            messages::{NumberedKind, NumberedMessage, TopicMessage},
            snapshot::{LogState, Snapshot, StoredMember},
        },
        rejection::{ClusterRejection, ClusterRejectionCounters},
        replay::ReplayGuard,
        replica::input::{
            ClusterMember, HeardChange, HeardEvent, HeardMessage, LogSnapshot, LoggedItem,
            LoggedPlace, OpenedSnapshot, SentId,
        },
        stored::StoredPlace,
    },
    domain::channel::Channel,
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
            TopicMessage::Numbered(message) => {
                let change = counters.counted(self.change(sealing, channel, &message));
                let change = change.unwrap_or(HeardChange::Rejected);
                let NumberedMessage { number, predecessor, .. } = message;
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
        message: &NumberedMessage,
    ) -> Result<HeardChange, ClusterRejection> {
        let NumberedMessage { number, logged_before, kind, blob, .. } = message;
        let wanted = match kind {
            NumberedKind::Added => EnvelopeKind::MemberAdded,
            NumberedKind::Removed => EnvelopeKind::MemberRemoved,
            NumberedKind::LastEvent => {
                return self.event(channel, blob, true).map(HeardChange::LastEvent);
            }
            NumberedKind::Logged | NumberedKind::LoggedLast => {
                let event = self.event(channel, blob, true)?;
                let place = LoggedPlace { number: *number, previous: *logged_before };
                let event = HeardEvent { logged: Some(place), ..event };
                let is_last = *kind == NumberedKind::LoggedLast;
                return Ok(HeardChange::Logged { event, place, is_last });
            }
            NumberedKind::Cleared => {
                self.open(channel, blob, EnvelopeKind::LogCleared, true)?;
                return Ok(HeardChange::Cleared);
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
            logged: None,
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

    /// An event of the log.
    pub fn logged(
        &mut self,
        channel: &ClusterChannel,
        entry: &LogEntry,
        counters: &ClusterRejectionCounters,
    ) -> Option<HeardEvent> {
        let event = counters.counted(self.event(channel, &entry.blob, false)).ok()?;
        Some(HeardEvent { logged: Some(place_of(entry)), ..event })
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
        let last = last.and_then(|stored| {
            let event = counters.counted(self.event(channel, &stored.blob, false)).ok()?;
            let place = LoggedPlace { number: stored.number, previous: 0 };
            let logged = is_logged(&event).then_some(place);
            Some(HeardEvent { logged, ..event })
        });
        let LogState { newest, cleared, evicted, missed } = snapshot.log;
        let missed = missed.iter().map(|entry| LoggedItem {
            place: place_of(entry),
            event: self.logged(channel, entry, counters),
        });
        let missed = missed.collect();
        let newest = (newest > 0).then_some(newest);
        // A user whose departure lingers is not gone yet: watchers may be told of no other state.
        let is_on_the_way = snapshot.lingers && channel.is_mirror();
        OpenedSnapshot {
            log: LogSnapshot { newest, cleared, evicted, missed },
            number: snapshot.number,
            total: snapshot.total.max(is_on_the_way.into()),
            members: members.collect(),
            last_event: last,
        }
    }
}

fn place_of(entry: &LogEntry) -> LoggedPlace {
    LoggedPlace { number: entry.number, previous: entry.previous }
}

/// As its publisher says.
fn is_logged(event: &HeardEvent) -> bool {
    EventContent::parse(&event.content).is_ok_and(|content| content.is_logged)
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

/// The channel at a place, by the sealed name in the field `k` of its state.
pub fn named_channel(
    sealing: &NodeSealing,
    location: ChannelLocation,
    name: &[u8],
) -> Result<ClusterChannel, ClusterRejection> {
    let key = sealing.layout.partition(location.partition).channel(location.id).state();
    let content =
        sealing.stored.open(StoredPlace { key: &key, field: b"k", generation: 0 }, name)?;
    let ChannelNameContent { app, channel } = ChannelNameContent::parse(&content)?;
    let channel = Channel::restore(channel).map_err(|_| ClusterRejection::Malformed)?;
    let channel = ClusterChannel::new(&sealing.names, Arc::from(app), channel);
    // Redis may have moved a name to another channel.
    let is_own = channel.location == location;
    if is_own { Ok(channel) } else { Err(ClusterRejection::Malformed) }
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
