//! Facts for webhooks in the partitions of this node: read, handed to the host, acknowledged.
//!
//! While one owner lives, each fact is handed out once, also over a lost connection. The next owner
//! gets what was not acknowledged.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use redis::Value;
use zeroize::Zeroizing;

use super::{
    OwnerHold,
    context::MembershipContext,
    effect::{FactEntry, MembershipCount, MembershipEffect},
    fact_marks,
    token::Purpose,
};
use crate::cluster::{
    content::FactContent,
    names::{Partition, PartitionSet},
    node::{commands::FactPlace, keys::partition_keys, sealing::NodeSealing},
    redis::{
        facts::{FACT_GROUP, FactPage, FactsAfter, TakeFacts, TakenFact, TakenFacts},
        replies::Reply,
        scripts::Script,
        verbs::Verb,
    },
    rejection::ClusterRejection,
    stored::StoredPlace,
};
use crate::crypto::encoding::hex;

/// Facts of a partition that are read at once.
const PAGE: usize = 100;
/// The most facts of a partition that the host has at once. The queues of its endpoints are bounded by
/// bytes: this bounds the table beside them.
const MAX_IN_HAND: usize = 20_000;
/// Entries of one command.
const AT_ONCE: usize = 500;
/// No host tells a departure earlier than three seconds after it was written. The rest is for clocks.
const TOLD_AFTER_MS: u64 = 2_500;
/// Endpoints that take a fact at once need no mark.
const MARK_AFTER: Duration = Duration::from_secs(1);

pub(super) struct FactQueues {
    pub has_room: bool,
    queues: BTreeMap<Partition, FactQueue>,
    is_asked: bool,
}

struct FactQueue {
    after: FactsAfter,
    in_hand: BTreeMap<Bytes, FactInHand>,
    /// Facts that the host is done with: those in one list are acknowledged with one command.
    done: VecDeque<Vec<Bytes>>,
    hold: Arc<OwnerHold>,
}

struct FactInHand {
    is_with_host: bool,
    since: Instant,
    /// Endpoints that are done with it.
    settled: Vec<Box<str>>,
    /// How many of them Redis knows of.
    marked: usize,
}

/// Partitions that turned out to be another's, and whether there may be more facts in the others.
#[derive(Default)]
pub(super) struct Taking {
    pub lost: Vec<Partition>,
    pub has_more: bool,
}

impl FactQueues {
    pub fn new() -> Self {
        Self { has_room: true, queues: BTreeMap::new(), is_asked: false }
    }

    /// The node owns the partition from now on, or again.
    pub fn gained(&mut self, partition: Partition) {
        let after = FactsAfter::Unacknowledged(None);
        self.queues.entry(partition).or_insert_with(FactQueue::new).after = after;
    }

    /// Redis has granted the partition until then, as time since boot.
    pub fn granted(&mut self, partition: Partition, until: Duration) {
        if let Some(queue) = self.queues.get(&partition) {
            queue.hold.extend(until);
        }
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
            let most = PAGE.min(MAX_IN_HAND.saturating_sub(queue.in_hand.len()));
            if self.is_asked || !self.has_room || most == 0 {
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
                Ok(TakenFacts::Facts(FactPage { facts, lost })) => {
                    if lost > 0 {
                        context.count(MembershipCount::FactsLost(lost));
                    }
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

    pub fn lost_in(&mut self, partitions: PartitionSet) {
        for (partition, queue) in &mut self.queues {
            if partitions.contains(*partition) {
                queue.after = FactsAfter::Unacknowledged(None);
            }
        }
    }

    pub fn done(&mut self, partition: Partition, entries: Vec<Bytes>) {
        if let Some(queue) = self.queues.get_mut(&partition) {
            queue.end(entries);
        }
    }

    pub fn settled(&mut self, place: &FactPlace, endpoint: Box<str>) {
        let queue = self.queues.get_mut(&place.partition);
        if let Some(held) = queue.and_then(|queue| queue.in_hand.get_mut(&place.entry)) {
            held.settled.push(endpoint);
        }
    }

    /// Tells a successor which endpoints need no other copy of what waits for others.
    pub fn mark(&mut self, token: &Bytes, context: &mut MembershipContext<'_>) {
        for (partition, queue) in &mut self.queues {
            let unmarked = queue.in_hand.iter_mut().filter(|(_, held)| {
                held.is_with_host
                    && held.settled.len() > held.marked
                    && context.now.at - held.since >= MARK_AFTER
            });
            let marks: Vec<_> = unmarked
                .take(AT_ONCE)
                .filter_map(|(entry, held)| {
                    held.marked = held.settled.len();
                    let mark = fact_marks::seal(context.sealing, *partition, entry, &held.settled);
                    // Without random bytes, the successor tells some endpoints twice.
                    Some((entry.clone(), mark.ok()?))
                })
                .collect();
            if !marks.is_empty() {
                let verb = Verb::Mark { token: token.clone(), marks };
                let own = context.sealing.incarnation();
                context.change_partition(*partition, &own, &verb, Purpose::Mark);
            }
        }
    }

    pub fn has_done(&self) -> bool {
        self.queues.values().any(|queue| !queue.done.is_empty())
    }

    pub fn acknowledge(&mut self, token: &Bytes, context: &mut MembershipContext<'_>) {
        for (partition, queue) in &mut self.queues {
            let entries = queue.next_done();
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
                    entries.iter().for_each(|entry| _ = queue.in_hand.remove(entry));
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
        // After a loss and a return of the partition, these are with the host again.
        let unsent = entries
            .iter()
            .filter(|entry| queue.in_hand.get(*entry).is_some_and(|held| !held.is_with_host));
        let unsent: Vec<_> = unsent.cloned().collect();
        if !unsent.is_empty() {
            queue.done.push_back(unsent);
        }
    }
}

impl FactQueue {
    fn new() -> Self {
        let (in_hand, done) = (BTreeMap::new(), VecDeque::new());
        Self { after: FactsAfter::New, in_hand, done, hold: Arc::default() }
    }

    fn end(&mut self, mut entries: Vec<Bytes>) {
        entries.retain(|entry| {
            let held = self.in_hand.get_mut(entry);
            held.is_some_and(|held| std::mem::replace(&mut held.is_with_host, false))
        });
        if !entries.is_empty() {
            self.done.push_back(entries);
        }
    }

    /// Facts for one command.
    fn next_done(&mut self) -> Vec<Bytes> {
        let mut entries = self.done.pop_front().unwrap_or_default();
        while let Some(next) = self.done.pop_front_if(|it| entries.len() + it.len() <= AT_ONCE) {
            entries.extend(next);
        }
        entries
    }

    fn take(
        &mut self,
        partition: Partition,
        facts: Vec<TakenFact>,
        most: usize,
        context: &mut MembershipContext<'_>,
    ) {
        let was_handed_out = matches!(self.after, FactsAfter::Unacknowledged(_));
        if was_handed_out {
            self.after = match facts.last() {
                Some(last) if facts.len() == most => {
                    FactsAfter::Unacknowledged(Some(last.id.clone()))
                }
                _ => FactsAfter::New,
            };
        }
        for TakenFact { id: entry, fact, number, mark } in facts {
            if self.in_hand.contains_key(&entry) {
                continue;
            }
            let opened = fact.and_then(|fact| {
                let opened = open(context.sealing, partition, &fact);
                Some((event_id(&fact), context.opened(opened)?))
            });
            let settled = mark.and_then(|mark| {
                let settled = fact_marks::open(context.sealing, partition, &entry, &mark);
                context.opened(settled)
            });
            let settled = settled.unwrap_or_default();
            let (since, marked) = (context.now.at, settled.len());
            let may_be_told = was_handed_out && age_ms(&entry, context) >= TOLD_AFTER_MS;
            let held = FactInHand { is_with_host: true, since, settled: settled.clone(), marked };
            self.in_hand.insert(entry.clone(), held);
            if let Some((id, content)) = opened {
                let place = FactPlace { partition, entry };
                let hold = self.hold.clone();
                let entry = FactEntry { place, id, settled, content, number, may_be_told, hold };
                context.effects.push(MembershipEffect::Fact { entry });
            } else {
                self.end(vec![entry]);
            }
        }
    }
}

impl Drop for FactQueue {
    /// What the host has of it is another node's now.
    fn drop(&mut self) {
        self.hold.lose();
    }
}

/// The first part of an entry's id is the time of Redis at which it was written.
fn age_ms(entry: &[u8], context: &MembershipContext<'_>) -> u64 {
    let written = entry.split(|byte| *byte == b'-').next().and_then(|it| str::from_utf8(it).ok());
    let written = written.and_then(|it| it.parse().ok()).unwrap_or(0);
    context.sealing.redis_ms().saturating_sub(written)
}

/// Each sealing has random bytes of its own, and what is sent again has the same ones.
fn event_id(sealed: &[u8]) -> Arc<str> {
    hex(&digest::digest(&digest::SHA256, sealed).as_ref()[..16]).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &[&str]) -> Vec<Bytes> {
        names.iter().map(|name| Bytes::copy_from_slice(name.as_bytes())).collect()
    }

    fn holding(names: impl Iterator<Item = String>) -> FactQueue {
        let mut queue = FactQueue::new();
        for name in names {
            let (since, settled) = (Instant::now(), Vec::new());
            let held = FactInHand { is_with_host: true, since, settled, marked: 0 };
            queue.in_hand.insert(name.into(), held);
        }
        queue
    }

    #[test]
    fn facts_that_end_together_are_of_one_command() {
        let names = || (0..AT_ONCE + 2).map(|at| at.to_string());
        let mut queue = holding(names());
        for name in names().skip(3) {
            queue.end(entries(&[&name]));
        }
        queue.end(entries(&["1", "2"]));
        queue.end(entries(&["0"]));
        queue.end(entries(&["0", "unknown"]));
        assert_eq!(queue.next_done().len(), AT_ONCE - 1);
        assert_eq!(queue.next_done(), entries(&["1", "2", "0"]));
        assert!(queue.next_done().is_empty());
    }
}
