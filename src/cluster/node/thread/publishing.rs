//! Sends this node's events, and posts them early while Redis is away.

use std::time::Instant;

use redis::{Cmd, Value};

use super::{
    NodeDriver, Reach,
    publications::{OwnDelivery, PendingPublication, answer},
    token::NodeToken,
};
use crate::cluster::{
    names::PartitionSet,
    node::{
        commands::{LogWrite, Publication, PublicationEnd},
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
        let sent = (self.sealing.redis_ms(), Instant::now());
        self.enter_lane(publication, sent, OwnDelivery::OnItsWay);
    }

    /// Seals the event, for the first time or anew, and adds it at the end of its lane.
    /// `sent`: first, by the clock of Redis and by that of this node.
    fn enter_lane(
        &mut self,
        mut publication: Publication,
        (sent_ms, since): (u64, Instant),
        delivery: OwnDelivery,
    ) {
        let channel = &publication.channel;
        let sealed = match publication.log {
            Some(LogWrite::Clear) => self.sealing.cleared(channel, sent_ms),
            Some(LogWrite::Append { .. }) | None => {
                self.sealing.event(channel, &publication.content, sent_ms)
            }
        };
        let Ok(sealed) = sealed else {
            return answer(&mut publication.done, PublicationEnd::Refused);
        };
        let (counter, partition) = (sealed.counter, channel.location.partition);
        let command = self.event_command(&publication, sent_ms, sealed);
        let id = SentId { sender: self.sealing.incarnation(), counter };
        if delivery == OwnDelivery::PostedEarly {
            self.opening.posted(id);
        }
        if publication.log.is_some() {
            self.membership.announced(partition);
        }
        let mut pending = PendingPublication { publication, id, sent_ms, since, delivery };
        if self.is_on_its_own(partition) {
            self.post_early(&mut pending);
        }
        let number = self.publications.add(pending);
        self.links.push(partition, CommandKind::Event, command, NodeToken::Publication(number));
    }

    fn event_command(&self, publication: &Publication, sent_ms: u64, sealed: SealedEvent) -> Cmd {
        let Publication { channel, keep, log, .. } = publication;
        let SealedEvent { counter, blob } = sealed;
        let keep_ms = keep.map(|keep| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        let node = *self.sealing.incarnation().as_bytes();
        let channel_id = *channel.location.id.as_bytes();
        let verb = match (log, keep_ms) {
            (None, None) => {
                let mut command = redis::cmd("SPUBLISH");
                command.arg(&keys::topic(&self.sealing.layout, channel)[..]).arg(&blob[..]);
                return command;
            }
            (None, Some(ttl_ms)) => Verb::Last { channel: channel_id, blob, ttl_ms, sent_ms },
            (Some(LogWrite::Clear), _) => Verb::Clear { node, channel: channel_id, counter, blob },
            (&Some(LogWrite::Append { bounds, life, condition }), _) => Verb::Append {
                node,
                channel: channel_id,
                counter,
                blob,
                sent_ms,
                keep_ms: keep_ms.unwrap_or_default(),
                bounds,
                life,
                condition,
            },
        };
        verb.command(&self.scripts, &self.sealing.keys(channel))
    }

    pub(super) fn publication_done(&mut self, number: u64, reply: &Value) {
        let now = Instant::now();
        let Some(mut pending) = self.publications.remove(number, now) else { return };
        let partition = pending.publication.channel.location.partition;
        let reply = match script_of(&pending.publication) {
            // Of SPUBLISH: the number of receivers.
            None => None,
            Some(script) => match Reply::parse(script, reply) {
                Ok(reply) => Some(reply),
                Err(error) => {
                    self.refusals.unreadable("an event", &error, now);
                    return pending.answer(PublicationEnd::Refused);
                }
            },
        };
        if let Some(number) = reply.and_then(Reply::number) {
            self.saw_number(partition, number);
        }
        let end = match reply {
            Some(Reply::Fenced) => {
                self.fenced(&pending.id.sender);
                return self.enter_lane_again(pending);
            }
            Some(Reply::Appended { number } | Reply::Cleared { number }) => {
                PublicationEnd::Logged { number }
            }
            Some(Reply::Changed { newest }) => PublicationEnd::Changed { newest },
            _ => PublicationEnd::Published,
        };
        self.status.acks.0.add(now.saturating_duration_since(pending.since));
        if !matches!(end, PublicationEnd::Changed { .. }) {
            self.status.published.add();
        }
        pending.answer(end);
    }

    /// The same bytes would be refused as a replay.
    pub(super) fn publication_not_done(&mut self, number: u64, refusal: Refusal) {
        let now = Instant::now();
        let Some(mut pending) = self.publications.remove(number, now) else { return };
        match refusal.may_repeat() {
            true => self.enter_lane_again(pending),
            false => {
                self.refusals.refused("an event", refusal, now);
                pending.answer(PublicationEnd::Refused);
            }
        }
    }

    fn enter_lane_again(&mut self, pending: PendingPublication) {
        let PendingPublication { publication, sent_ms, since, delivery, .. } = pending;
        self.enter_lane(publication, (sent_ms, since), delivery);
    }

    /// Redis was away for too long: only this node's subscribers have it, or of a change of a log,
    /// nobody.
    pub(super) fn publication_expired(&mut self, number: u64) {
        if let Some(mut pending) = self.publications.remove(number, Instant::now()) {
            self.status.dropped.add();
            let is_logged = pending.is_logged();
            pending.answer(if is_logged { PublicationEnd::Overdue } else { PublicationEnd::Local });
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

    /// Posts an event that cannot come back now. A change of a log waits for Redis.
    fn post_early(&mut self, pending: &mut PendingPublication) {
        if pending.is_logged() {
            return;
        }
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
            logged: None,
        };
        followed.holder.take(ReplicaNews::PostEarly { event, is_kept: keep.is_some() });
    }
}

/// `None`: the command is no script.
fn script_of(publication: &Publication) -> Option<Script> {
    match (publication.log, publication.keep) {
        (Some(LogWrite::Append { .. }), _) => Some(Script::Append),
        (Some(LogWrite::Clear), _) => Some(Script::Clear),
        (None, Some(_)) => Some(Script::Last),
        (None, None) => None,
    }
}
