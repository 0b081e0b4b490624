//! The partitions that this node owns. The owner ends what lingers, and feeds webhooks.
//!
//! The living nodes agree on an owner without a word, as each partition ranks them differently. The
//! key in Redis decides while they do not agree.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use redis::Value;

use super::{context::MembershipContext, effect::PeerNode, token::Purpose};
use crate::cluster::{
    names::{Incarnation, Partition},
    redis::{replies::Reply, scripts::Script, verbs::Verb},
};

#[derive(Default)]
pub(super) struct Ownership {
    /// The first incarnation of this process: it stays the owner when it is born again.
    token: Option<Incarnation>,
    held: BTreeMap<Partition, PartitionHolding>,
}

#[derive(Default)]
struct PartitionHolding {
    /// As time since boot. `None`: Redis has not granted it.
    until: Option<Duration>,
    is_asked: bool,
    /// Another node should be the owner since then.
    given_up: Option<Duration>,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum OwnershipChange {
    None,
    Gained,
    Lost,
}

impl Ownership {
    pub fn token(&mut self, own: Incarnation) -> Bytes {
        Bytes::copy_from_slice(self.token.get_or_insert(own).as_bytes())
    }

    /// As time since boot.
    pub fn until(&self, partition: Partition) -> Option<Duration> {
        self.held.get(&partition)?.until
    }

    /// The partitions that are owned now.
    pub fn owned(&self, boot: Duration) -> Vec<Partition> {
        let owned = self.held.iter().filter(|(_, holding)| holding.is_owned(boot));
        owned.map(|(partition, _)| *partition).collect()
    }

    /// Those whose new facts are this node's.
    pub fn kept(&self, boot: Duration) -> Vec<Partition> {
        let kept = self.held.iter().filter(|(_, it)| it.is_owned(boot) && it.given_up.is_none());
        kept.map(|(partition, _)| *partition).collect()
    }

    /// With each beat. A partition is given back when nothing of it `is_in_hand` any more, or after
    /// a lease. Returns those given back.
    pub fn beat(
        &mut self,
        peers: &[PeerNode],
        is_in_hand: impl Fn(Partition) -> bool,
        context: &mut MembershipContext<'_>,
    ) -> Vec<Partition> {
        let mut given_back = Vec::new();
        let (own, boot) = (context.sealing.incarnation(), context.now.boot);
        for partition in Partition::all() {
            if owner(peers, partition) == Some(own) {
                self.held.entry(partition).or_default().given_up = None;
                self.renew(partition, context);
            } else if let Some(holding) = self.held.get_mut(&partition) {
                let since = *holding.given_up.get_or_insert(boot);
                let is_late = boot.saturating_sub(since) >= context.lease;
                if is_in_hand(partition) && !is_late {
                    self.renew(partition, context);
                } else {
                    self.give_back(partition, context);
                    given_back.push(partition);
                }
            }
        }
        given_back
    }

    fn renew(&mut self, partition: Partition, context: &mut MembershipContext<'_>) {
        let holding = self.held.entry(partition).or_default();
        if !std::mem::replace(&mut holding.is_asked, true) {
            self.send(partition, context.lease_ms(), context);
        }
    }

    fn give_back(&mut self, partition: Partition, context: &mut MembershipContext<'_>) {
        self.held.remove(&partition);
        self.send(partition, 0, context);
    }

    fn send(&mut self, partition: Partition, lease_ms: u64, context: &mut MembershipContext<'_>) {
        let own = context.sealing.incarnation();
        let verb = Verb::Own { token: self.token(own), lease_ms };
        let purpose = Purpose::Own { partition, asked: context.now.boot };
        context.change_partition(partition, &own, &verb, purpose);
    }

    pub fn answered(
        &mut self,
        partition: Partition,
        asked: Duration,
        answer: &Value,
        lease: Duration,
    ) -> OwnershipChange {
        let Some(holding) = self.held.get_mut(&partition) else { return OwnershipChange::None };
        holding.is_asked = false;
        match Reply::parse(Script::Own, answer) {
            Ok(Reply::Owner) => match holding.until.replace(asked + lease) {
                Some(until) if until > asked => OwnershipChange::None,
                _ => OwnershipChange::Gained,
            },
            Ok(Reply::OwnedByOther) => self.lost(partition),
            _ => OwnershipChange::None,
        }
    }

    /// Another node is the owner. It is asked for again with the next beat.
    pub fn lost(&mut self, partition: Partition) -> OwnershipChange {
        self.held.remove(&partition);
        OwnershipChange::Lost
    }

    pub fn refused(&mut self, partition: Partition) {
        if let Some(holding) = self.held.get_mut(&partition) {
            holding.is_asked = false;
        }
    }

    /// Redis may have granted the partitions to others meanwhile. Those that are not wanted any more
    /// are given back with the next beat.
    pub fn restart(&mut self) {
        for holding in self.held.values_mut() {
            (holding.until, holding.is_asked) = (None, false);
        }
    }

    /// For a node that leaves.
    pub fn take_all(&mut self) -> Vec<Partition> {
        std::mem::take(&mut self.held).into_keys().collect()
    }
}

impl PartitionHolding {
    fn is_owned(&self, boot: Duration) -> bool {
        self.until.is_some_and(|until| boot < until)
    }
}

/// The node that ranks highest in the partition, among those that reach its master.
fn owner(peers: &[PeerNode], partition: Partition) -> Option<Incarnation> {
    let reaching = peers.iter().filter(|peer| !peer.load.unreached.contains(partition));
    let best = reaching.max_by_key(|peer| (rank(&peer.incarnation, partition), peer.slot));
    best.map(|peer| peer.incarnation)
}

/// Incarnations are random, so a plain mixer spreads them.
fn rank(node: &Incarnation, partition: Partition) -> u64 {
    let (words, _) = node.as_bytes().as_chunks::<8>();
    let seed = (partition.index() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    words.iter().fold(seed, |mixed, word| {
        let mixed = (mixed ^ u64::from_be_bytes(*word)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 29)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{membership::effect::NodeLoad, names::NodeSlot};

    fn peers(count: u8) -> Vec<PeerNode> {
        (0..count)
            .map(|at| PeerNode {
                incarnation: Incarnation::from_bytes([at; 16]),
                slot: NodeSlot::new(at.into()).expect("a slot"),
                load: NodeLoad::default(),
                seen: Default::default(),
            })
            .collect()
    }

    #[test]
    fn partitions_are_shared_and_move_only_from_the_dead() {
        let all = peers(8);
        let before: Vec<_> = Partition::all().map(|it| owner(&all, it)).collect();
        for peer in &all {
            let owned = before.iter().filter(|it| **it == Some(peer.incarnation)).count();
            assert!((4..40).contains(&owned), "{owned}");
        }
        let dead = Some(all[7].incarnation);
        for (partition, before) in Partition::all().zip(before) {
            let after = owner(&all[..7], partition);
            assert!(after == before || before == dead);
        }
        assert_eq!(owner(&[], Partition::all().next().expect("one")), None);
    }

    #[test]
    fn owner_reaches_the_master_of_its_partition() {
        let (mut both, partition) = (peers(2), Partition::all().nth(7).expect("a partition"));
        for cut_off in 0..2 {
            both.iter_mut().for_each(|peer| peer.load = NodeLoad::default());
            both[cut_off].load.unreached.insert(partition);
            assert_eq!(owner(&both, partition), Some(both[1 - cut_off].incarnation));
        }
    }
}
