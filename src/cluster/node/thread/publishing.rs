//! Sends this node's events, and posts them early while Redis is away.

use std::time::Instant;

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{
    NodeDriver, Reach,
    publications::{OwnDelivery, PendingPublication, answer},
    token::NodeToken,
};
use crate::cluster::{
    names::PartitionSet,
    node::{
        commands::{Publication, PublicationEnd},
        keys,
        news::ReplicaNews,
        sealing::SealedEvent,
    },
    redis::{lane::CommandKind, refusals::Refusal, replies::Reply, scripts::Script, verbs::Verb},
    replica::input::{HeardEvent, SentId},
};

impl NodeDriver {
    pub(super) fn publish(&mut self, mut publication: Publication) {
        // The lane counts the command from now on.
        self.backlog.remove(publication.content.len());
        if self.reach == Reach::Refused {
            return answer(&mut publication.done, PublicationEnd::Refused);
        }
        self.enter_lane(publication, self.sealing.redis_ms(), OwnDelivery::OnItsWay);
    }

    /// Seals the event, for the first time or anew, and adds it at the end of its lane.
    fn enter_lane(&mut self, mut publication: Publication, sent_ms: u64, delivery: OwnDelivery) {
        let channel = &publication.channel;
        let sealed = self.sealing.event(channel, &publication.content, sent_ms);
        let Ok(SealedEvent { counter, blob }) = sealed else {
            return answer(&mut publication.done, PublicationEnd::Refused);
        };
        let partition = channel.location.partition;
        let command = self.event_command(&publication, sent_ms, blob);
        let id = SentId { sender: self.sealing.incarnation(), counter };
        if delivery == OwnDelivery::PostedEarly {
            self.opening.posted(id);
        }
        let mut pending = PendingPublication { publication, id, sent_ms, delivery };
        if self.is_on_its_own(partition) {
            self.post_early(&mut pending);
        }
        let number = self.publications.add(pending);
        self.links.push(partition, CommandKind::Event, command, NodeToken::Publication(number));
    }

    fn event_command(&self, publication: &Publication, sent_ms: u64, blob: Bytes) -> Cmd {
        let channel = &publication.channel;
        let Some(keep) = publication.keep else {
            let mut command = redis::cmd("SPUBLISH");
            command.arg(&keys::topic(&self.sealing.layout, channel)[..]).arg(&blob[..]);
            return command;
        };
        let ttl_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let channel_id = *channel.location.id.as_bytes();
        let verb = Verb::Last { channel: channel_id, blob, ttl_ms, sent_ms };
        verb.command(&self.scripts, &self.sealing.keys(channel))
    }

    pub(super) fn publication_done(&mut self, number: u64, reply: &Value) {
        let Some(mut pending) = self.publications.remove(number, Instant::now()) else { return };
        let partition = pending.publication.channel.location.partition;
        let reply = match pending.publication.keep {
            // Of SPUBLISH: the number of receivers.
            None => None,
            Some(_) => match Reply::parse(Script::Last, reply) {
                Ok(reply) => Some(reply),
                Err(error) => return self.refuse(pending, &error),
            },
        };
        match reply {
            Some(Reply::Fenced) => {
                self.fenced(&pending.id.sender);
                return self.enter_lane_again(pending);
            }
            Some(
                Reply::Stored { number }
                | Reply::AlreadyStored { number }
                | Reply::Older { number },
            ) => self.links.saw_number(partition, number),
            _ => {}
        }
        self.status.published.add();
        pending.answer(PublicationEnd::Published);
    }

    /// The same bytes would be refused as a replay.
    pub(super) fn publication_not_done(&mut self, number: u64, refusal: Refusal) {
        let Some(pending) = self.publications.remove(number, Instant::now()) else { return };
        match refusal.may_repeat() {
            true => self.enter_lane_again(pending),
            false => self.refuse(pending, &refusal),
        }
    }

    fn refuse(&self, mut pending: PendingPublication, reason: &dyn std::fmt::Debug) {
        tracing::error!(?reason, "Redis did not take an event");
        pending.answer(PublicationEnd::Refused);
    }

    fn enter_lane_again(&mut self, pending: PendingPublication) {
        let PendingPublication { publication, sent_ms, delivery, .. } = pending;
        self.enter_lane(publication, sent_ms, delivery);
    }

    /// Redis was away for too long: only this node's subscribers have it.
    pub(super) fn publication_expired(&mut self, number: u64) {
        if let Some(mut pending) = self.publications.remove(number, Instant::now()) {
            self.status.dropped.add();
            pending.answer(PublicationEnd::Local);
        }
    }

    /// In the order of the lanes.
    pub(super) fn post_all_early(&mut self, partitions: PartitionSet) {
        let mut publications = std::mem::take(&mut self.publications);
        let is_of = |it: &&mut PendingPublication| {
            partitions.contains(it.publication.channel.location.partition)
        };
        publications.iter_mut().filter(is_of).for_each(|pending| self.post_early(pending));
        self.publications = publications;
    }

    /// Posts an event that cannot come back now.
    fn post_early(&mut self, pending: &mut PendingPublication) {
        if pending.delivery == OwnDelivery::OnItsWay {
            pending.delivery = OwnDelivery::PostedEarly;
            self.opening.posted(pending.id);
            self.status.local_only.add();
            self.tell_early(pending);
        }
        pending.answer(PublicationEnd::Local);
    }

    fn tell_early(&self, pending: &PendingPublication) {
        let Publication { channel, content, keep, .. } = &pending.publication;
        let topic = keys::topic(&self.sealing.layout, channel);
        let Some(followed) = self.followers.get(&topic) else { return };
        let event = HeardEvent {
            id: pending.id,
            sent_ms: pending.sent_ms,
            content: content.clone(),
            is_posted: false,
            lacks_key: false,
        };
        followed.holder.take(ReplicaNews::PostEarly { event, is_kept: keep.is_some() });
    }
}
