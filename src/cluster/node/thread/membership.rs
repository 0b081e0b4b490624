//! Carries out what the membership asks for.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::sync::mpsc::WeakUnboundedSender;

use super::{LeavingStep, NodeDriver, Reach, token::NodeToken};
use crate::channels::fact_receipt::{FactSource, SourcedFact};
use crate::cluster::{
    content::FactContent,
    membership::{
        Now, OwnerHold,
        effect::{FactEntry, MembershipCount, MembershipEffect, NodeLoad, PeerNode},
    },
    names::{Incarnation, Partition, PartitionSet},
    node::{
        commands::{FactPlace, NodeCommand},
        news::ReplicaNews,
        status::{LinkStatus, LivingPeer, RefusedBy},
    },
    redis::lane::CommandKind,
    replica::repair::RepairCause,
};

impl NodeDriver {
    /// In order and at once, since sealed commands have counters.
    pub(super) fn run_effects(&mut self, effects: Vec<MembershipEffect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            effects.extend(self.run_effect(effect));
        }
    }

    /// Returns what follows.
    fn run_effect(&mut self, effect: MembershipEffect) -> Vec<MembershipEffect> {
        match effect {
            MembershipEffect::Ask { commands, token } => {
                self.links.read(commands, NodeToken::Membership(token));
            }
            MembershipEffect::Change { partition, command, token } => {
                let token = NodeToken::Membership(token);
                self.links.push(partition, CommandKind::State, command, token);
            }
            MembershipEffect::Reborn => return self.be_reborn(),
            MembershipEffect::AnnouncePartition { partition, was_known } => {
                self.announce(partition, was_known);
            }
            MembershipEffect::Joined { slot } => {
                tracing::info!(slot = slot.number(), "the node is part of its cluster");
                self.slot_taken(slot);
                self.joined();
            }
            MembershipEffect::Refused { reason } => self.refused(RefusedBy::Identity, reason),
            MembershipEffect::Hindered { error } => self.kept_out(error),
            MembershipEffect::Peers(peers) => {
                self.status.set_nodes(peers.len());
                self.note_peers(&peers);
                self.questions.living(&peers.iter().map(|peer| peer.incarnation).collect());
            }
            MembershipEffect::FactsWaiting(facts) => self.status.set_facts(facts),
            MembershipEffect::Fact { entry } => self.fact(entry),
            MembershipEffect::Count(count) => self.count(count),
            MembershipEffect::Left => self.leaving = Some(LeavingStep::Gone),
        }
        Vec::new()
    }

    pub(super) fn tick_membership(&mut self, now: Instant) {
        if self.membership.next_deadline() <= now {
            let unreached = PartitionSet::all().without(self.reached);
            let load = NodeLoad { unreached, ..self.host.load() };
            self.membership.set_fact_room(self.host.has_fact_room());
            let effects = self.membership.tick(&self.sealing, load, Now::read());
            self.run_effects(effects);
        }
        if self.is_rebirth_due {
            let effects = self.be_reborn();
            self.run_effects(effects);
        }
    }

    /// Redis refuses changes in the name of this incarnation.
    pub(super) fn fenced(&mut self, incarnation: &Incarnation) {
        let effects = self.membership.fenced(incarnation, &self.sealing, Now::read());
        self.run_effects(effects);
    }

    fn be_reborn(&mut self) -> Vec<MembershipEffect> {
        let born = self.sealing.be_born(&self.key);
        // Without random bytes, it is tried again with the next step.
        self.is_rebirth_due = born.is_err();
        if let Err(error) = born {
            tracing::error!(%error, "the node cannot take another name in its cluster");
            return Vec::new();
        }
        tracing::warn!("the other nodes have taken this node for dead: it announces itself anew");
        self.followers.iter().for_each(|_| self.status.repairs.add(RepairCause::Forgotten));
        self.followers.tell_all(|| ReplicaNews::AnnounceAll);
        self.membership.born(&self.sealing, Now::read())
    }

    fn announce(&mut self, partition: Partition, is_repair: bool) {
        self.revocations.suspect();
        self.tables.suspect();
        self.links.raise_floor(partition);
        for (_, followed) in self.followers.iter() {
            if followed.channel.location.partition == partition {
                if is_repair {
                    self.status.repairs.add(RepairCause::Forgotten);
                }
                followed.holder.take(ReplicaNews::AnnounceAll);
            }
        }
    }

    /// The replicas begin to talk with Redis, or go on with it.
    fn joined(&mut self) {
        // With another slot, perhaps, or entries that have moved to another master.
        if self.reach == Reach::Joined {
            return self.send_questions();
        }
        self.reach = Reach::Joined;
        // The reading on the way here may be old.
        self.next_clock_read = Instant::now();
        self.show_reach();
        self.link_followers(PartitionSet::all());
        self.repair_revocations();
        self.store_tables();
        self.send_questions();
    }

    fn note_peers(&self, peers: &[PeerNode]) {
        let own = self.sealing.incarnation();
        let others = peers.iter().filter(|peer| peer.incarnation != own);
        let is_first = others.clone().all(|peer| own < peer.incarnation);
        let peer = |peer: &PeerNode| LivingPeer {
            slot: peer.slot,
            sockets: peer.load.sockets,
            seen: peer.seen,
        };
        self.status.set_peers(others.map(peer).collect(), is_first);
    }

    pub(super) fn refused(&mut self, by: RefusedBy, reason: String) {
        let status = LinkStatus::Refused { by, reason: reason.into() };
        if self.status.link() != status
            && let LinkStatus::Refused { reason, .. } = &status
        {
            tracing::error!(reason = &**reason, "the node may not be part of this cluster");
        }
        self.status.set_link(status);
        self.lose_reach(Reach::Refused);
    }

    fn fact(&mut self, entry: FactEntry) {
        let FactEntry { place, id, settled, content, number, may_be_told, hold } = entry;
        let source = ThreadFact { commands: self.own_commands.clone(), place, may_be_told, hold };
        let source = SourcedFact::new(id, settled, Box::new(source));
        match FactContent::parse(&content) {
            Ok(fact) => self.host.fact(&fact.with_number(number), &source),
            Err(rejection) => {
                let _ = self.status.rejected.counted(Err::<(), _>(rejection));
            }
        }
        source.release();
    }

    fn count(&self, count: MembershipCount) {
        match count {
            MembershipCount::Reaped => self.status.reaped.add(),
            MembershipCount::Fenced => self.status.fenced.add(),
            MembershipCount::FactsLost(facts) => {
                self.status.facts_lost.add_many(facts);
                tracing::error!(
                    facts,
                    "Redis had no room for more facts for webhooks: the oldest are lost"
                );
            }
            MembershipCount::Rejected(rejection) => {
                let _ = self.status.rejected.counted(Err::<(), _>(rejection));
            }
        }
    }
}

/// A fact that the host has.
struct ThreadFact {
    commands: WeakUnboundedSender<NodeCommand>,
    place: FactPlace,
    may_be_told: bool,
    hold: Arc<OwnerHold>,
}

impl ThreadFact {
    fn send(&self, command: NodeCommand) {
        // Otherwise the fact has been handed out anew.
        if self.is_here()
            && let Some(commands) = self.commands.upgrade()
        {
            let _ = commands.send(command);
        }
    }
}

impl FactSource for ThreadFact {
    fn is_here(&self) -> bool {
        self.hold.is_here()
    }

    fn is_certain(&self) -> bool {
        self.hold.is_certain()
    }

    fn may_be_told(&self) -> bool {
        self.may_be_told
    }

    fn settled(&self, endpoint: &str) {
        let (place, endpoint) = (self.place.clone(), endpoint.into());
        self.send(NodeCommand::FactSettled { place, endpoint });
    }

    fn entry(&self) -> Bytes {
        self.place.entry.clone()
    }

    fn done(&self, entries: Vec<Bytes>) {
        self.send(NodeCommand::FactsDone { partition: self.place.partition, entries });
    }
}
