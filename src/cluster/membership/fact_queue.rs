//! Facts for webhooks in the partitions of this node: read, handed to the host, acknowledged.
//!
//! While one owner lives, each fact is handed out once, also over a lost connection. The next owner
//! gets what was not acknowledged.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis::Value;
use zeroize::Zeroizing;

use super::{
    context::MembershipContext,
    effect::{FactEntry, MembershipEffect},
    token::Purpose,
};
use crate::cluster::{
    content::FactContent,
    names::Partition,
    node::{keys::partition_keys, sealing::NodeSealing},
    redis::{
        facts::{FACT_GROUP, FactsAfter, TakeFacts, TakenFact, TakenFacts},
        replies::Reply,
        scripts::Script,
        verbs::Verb,
    },
    rejection::ClusterRejection,
    stored::StoredPlace,
};

/// The most facts of a partition that the host has at once.
const IN_HAND: usize = 100;

#[derive(Default)]
pub(super) struct FactQueues {
    queues: BTreeMap<Partition, FactQueue>,
    is_asked: bool,
}

struct FactQueue {
    after: FactsAfter,
    in_hand: BTreeMap<Bytes, FactState>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FactState {
    WithHost,
    Done,
    Acknowledging,
}

/// Partitions that turned out to be another's, and whether there may be more facts in the others.
#[derive(Default)]
pub(super) struct Taking {
    pub lost: Vec<Partition>,
    pub has_more: bool,
}

impl FactQueues {
    /// The node owns the partition from now on, or again.
    pub fn gained(&mut self, partition: Partition) {
        let after = FactsAfter::Unacknowledged(None);
        let new = || FactQueue { after: FactsAfter::New, in_hand: BTreeMap::new() };
        self.queues.entry(partition).or_insert_with(new).after = after;
    }

    pub fn lost_partition(&mut self, partition: Partition) {
        self.queues.remove(&partition);
    }

    pub fn is_in_hand(&self, partition: Partition) -> bool {
        self.queues.get(&partition).is_some_and(|queue| !queue.in_hand.is_empty())
    }

    pub fn ask(&mut self, kept: &[Partition], token: &Bytes, context: &mut MembershipContext<'_>) {
        let (mut partitions, mut commands) = (Vec::new(), Vec::new());
        for partition in kept {
            let Some(queue) = self.queues.get(partition) else { continue };
            let most = IN_HAND.saturating_sub(queue.in_hand.len());
            if self.is_asked || most == 0 {
                continue;
            }
            let take = TakeFacts { token: token.clone(), after: queue.after.clone(), most };
            let own = context.sealing.incarnation();
            let keys = partition_keys(&context.sealing.layout, *partition, &own);
            commands.push(take.command(context.scripts, &keys));
            partitions.push((*partition, most));
        }
        if !partitions.is_empty() {
            self.is_asked = true;
            context.ask(commands, Purpose::TakeFacts(partitions));
        }
    }

    pub fn taken(
        &mut self,
        partitions: Vec<(Partition, usize)>,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) -> Taking {
        self.is_asked = false;
        let mut taking = Taking::default();
        for ((partition, most), answer) in partitions.into_iter().zip(answers) {
            match TakenFacts::parse(answer) {
                Ok(TakenFacts::OwnedByOther) => taking.lost.push(partition),
                Ok(TakenFacts::Facts(facts)) => {
                    let Some(queue) = self.queues.get_mut(&partition) else { continue };
                    taking.has_more |= facts.len() == most;
                    queue.take(partition, facts, most, context);
                }
                Err(_) => {}
            }
        }
        taking
    }

    /// What Redis has given out, and nobody received.
    pub fn lost(&mut self) {
        self.is_asked = false;
        for queue in self.queues.values_mut() {
            queue.after = FactsAfter::Unacknowledged(None);
        }
    }

    pub fn done(&mut self, entry: &FactEntry) {
        let queue = self.queues.get_mut(&entry.partition);
        if let Some(state) = queue.and_then(|queue| queue.in_hand.get_mut(&entry.id)) {
            *state = FactState::Done;
        }
    }

    pub fn has_done(&self) -> bool {
        let mut states = self.queues.values().flat_map(|queue| queue.in_hand.values());
        states.any(|state| *state == FactState::Done)
    }

    pub fn acknowledge(&mut self, token: &Bytes, context: &mut MembershipContext<'_>) {
        for (partition, queue) in &mut self.queues {
            let done = queue.in_hand.iter_mut().filter(|(_, state)| **state == FactState::Done);
            let entries: Vec<_> = done
                .map(|(id, state)| {
                    *state = FactState::Acknowledging;
                    id.clone()
                })
                .collect();
            if entries.is_empty() {
                continue;
            }
            let group = Bytes::from_static(FACT_GROUP.as_bytes());
            let verb = Verb::Ack { token: token.clone(), group, entries: entries.clone() };
            let own = context.sealing.incarnation();
            let purpose = Purpose::Acknowledge { partition: *partition, entries };
            context.change_partition(*partition, &own, &verb, purpose);
        }
    }

    /// False if another node is the owner.
    pub fn acknowledged(
        &mut self,
        partition: Partition,
        entries: &[Bytes],
        answer: &Value,
    ) -> bool {
        match Reply::parse(Script::Ack, answer) {
            Ok(Reply::Acknowledged { .. }) => {
                if let Some(queue) = self.queues.get_mut(&partition) {
                    queue.in_hand.retain(|id, _| !entries.contains(id));
                }
                true
            }
            Ok(Reply::OwnedByOther) => false,
            _ => {
                self.not_acknowledged(partition, entries);
                true
            }
        }
    }

    pub fn not_acknowledged(&mut self, partition: Partition, entries: &[Bytes]) {
        let Some(queue) = self.queues.get_mut(&partition) else { return };
        for (id, state) in &mut queue.in_hand {
            if entries.contains(id) {
                *state = FactState::Done;
            }
        }
    }
}

impl FactQueue {
    fn take(
        &mut self,
        partition: Partition,
        facts: Vec<TakenFact>,
        most: usize,
        context: &mut MembershipContext<'_>,
    ) {
        if let FactsAfter::Unacknowledged(_) = self.after {
            self.after = match facts.last() {
                Some(last) if facts.len() == most => {
                    FactsAfter::Unacknowledged(Some(last.id.clone()))
                }
                _ => FactsAfter::New,
            };
        }
        for TakenFact { id, fact, number } in facts {
            if self.in_hand.contains_key(&id) {
                continue;
            }
            let opened = fact.and_then(|fact| {
                let opened = open(context.sealing, partition, &fact);
                context.opened(opened)
            });
            let state = if opened.is_some() { FactState::WithHost } else { FactState::Done };
            self.in_hand.insert(id.clone(), state);
            if let Some(content) = opened {
                let entry = FactEntry { partition, id, content, number };
                context.effects.push(MembershipEffect::Fact { entry });
            }
        }
    }
}

fn open(
    sealing: &NodeSealing,
    partition: Partition,
    fact: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ClusterRejection> {
    let key = sealing.layout.partition(partition).facts();
    let content =
        sealing.stored.open(StoredPlace { key: &key, field: b"", generation: 0 }, fact)?;
    FactContent::parse(&content)?;
    Ok(content)
}
