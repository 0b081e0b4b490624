//! One verb, applied to the model.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    book::{Book, BookChannel, BookEvent, BookMember, Holder, Outcome, TimeSpan},
    engine::Observation,
};
use crate::cluster::redis::{
    Id,
    lingering::{Lingering, LingeringKind},
    messages::{NumberedKind, NumberedMessage, TopicMessage},
    replies::Reply,
    verbs::{Notice, Verb},
};

const TOLD_AT_ONCE: u64 = 100;
const INTERVAL: u64 = 5_000_000;

/// One verb at work.
pub struct BookChange<'a> {
    pub book: &'a mut Book,
    observed: &'a Observation,
    /// The numbers that were seen and are not used yet.
    numbers: std::vec::IntoIter<u64>,
    messages: Vec<TopicMessage>,
    facts: Vec<Bytes>,
}

impl<'a> BookChange<'a> {
    pub fn new(book: &'a mut Book, observed: &'a Observation) -> Self {
        let numbers = observed.messages.iter().filter_map(|message| match message {
            TopicMessage::Numbered(message) => Some(message.number),
            _ => None,
        });
        let numbers = numbers.collect::<Vec<_>>().into_iter();
        Self { book, observed, numbers, messages: Vec::new(), facts: Vec::new() }
    }

    pub fn finish(self, reply: Reply) -> Outcome {
        Outcome { reply, messages: self.messages, facts: self.facts }
    }

    pub fn apply(&mut self, verb: &Verb, keys_of: &Id) -> Reply {
        match verb {
            Verb::Admit { node, known, announcement } => {
                if known.is_some() && self.book.incarnations.get(node) == known.as_ref() {
                    return Reply::Here;
                }
                self.book.incarnations.insert(*node, *announcement);
                Reply::New
            }
            Verb::Bury => {
                self.book.buried.insert(*keys_of);
                Reply::Buried { channels: self.book.channels_of(keys_of).len() as u64 }
            }
            Verb::Retire { node } => self.retire(node),
            Verb::Floor { came_from, run, known } => self.raise_floor(came_from, run, *known),
            Verb::Own { token, lease_ms } => self.own(token, *lease_ms),
            Verb::Ack { .. } | Verb::Mark { .. } => panic!("the model has no groups"),
            Verb::Fact { fact, is_miss } => self.write(fact, *is_miss),
            Verb::Count {
                node, channel, count, name, occupied, vacated, total, linger_ms, ..
            } => {
                let facts = [occupied, vacated, total].map(Option::as_ref);
                self.count(node, channel, *count, name, facts, *linger_ms)
            }
            Verb::Join { node, channel, member, tag, record, limit, added, removed } => {
                let fresh = BookMember { tag: *tag, record: record.clone(), holders: [].into() };
                self.join(node, channel, member, fresh, *limit, (added, removed))
            }
            Verb::Leave { node, channel, member, removed, linger_ms, .. } => {
                self.leave(node, channel, member, removed, *linger_ms)
            }
            Verb::End { lingering, ended, total } => self.end(lingering, ended, total.as_ref()),
            Verb::Last { channel, blob, ttl_ms, sent_ms } => {
                self.last(channel, blob, *ttl_ms, *sent_ms)
            }
            Verb::Renew { number, blob } => self.renew(*number, blob),
            Verb::Append { .. } | Verb::Clear { .. } => panic!("logs have a model of their own"),
        }
    }

    fn write(&mut self, fact: &Bytes, is_miss: bool) -> Reply {
        if is_miss
            && let Some(channel) = self.book.channels.get_mut(&self.observed.on)
            && std::mem::replace(&mut channel.miss_told, true)
        {
            return Reply::AlreadyTold;
        }
        self.facts.push(fact.clone());
        Reply::Written
    }

    fn retire(&mut self, node: &Id) -> Reply {
        let channels = self.book.channels_of(node).len() as u64;
        if channels > 0 {
            return Reply::NotRetired { channels };
        }
        self.book.incarnations.remove(node);
        Reply::Retired
    }

    fn raise_floor(&mut self, came_from: &Bytes, run: &Bytes, known: u64) -> Reply {
        let Reply::Floor { number } = self.observed.reply else { panic!("a floor") };
        let (was, held) = self.book.floor.clone().unwrap_or_default();
        let raised = |time: u64| held.max(time).max(known) + 1;
        if was != *run {
            let allowed =
                TimeSpan { from: raised(self.observed.from), to: raised(self.observed.to) };
            assert!(allowed.contains(number), "{number} {allowed:?}");
        } else {
            let expected = if came_from == run { held } else { held.max(known + 1) };
            assert_eq!(number, expected);
        }
        self.book.floor = Some((run.clone(), number));
        Reply::Floor { number }
    }

    fn own(&mut self, token: &Bytes, lease_ms: u64) -> Reply {
        if self.book.owner.as_ref().is_some_and(|owner| owner != token) {
            return Reply::OwnedByOther;
        }
        self.book.owner = (lease_ms > 0).then(|| token.clone());
        if lease_ms > 0 { Reply::Owner } else { Reply::OwnerGone }
    }

    fn count(
        &mut self,
        node: &Id,
        id: &Id,
        count: u32,
        name: &Bytes,
        [occupied, vacated, total_fact]: [Option<&Bytes>; 3],
        linger_ms: u64,
    ) -> Reply {
        let mut channel = self.book.channels.remove(id);
        let before = channel.as_ref().map(BookChannel::total).unwrap_or_default();
        let mine = channel.as_ref().and_then(|it| it.counts.get(node)).copied().unwrap_or_default();
        let after = before + u64::from(count) - u64::from(mine);
        let lingered = channel.as_ref().is_some_and(|it| it.lingers);
        if count > 0 {
            self.book.incarnations.entry(*node).or_default();
        }
        if count != mine {
            let channel = channel.get_or_insert_default();
            channel.counts.insert(*node, count);
            channel.counts.retain(|_, count| *count > 0);
            if mine == 0 {
                channel.name = Some(name.clone());
            }
            channel.lingers = after == 0 && linger_ms > 0;
        }
        if before == 0 && after > 0 {
            let entry = Lingering { channel: *id, kind: LingeringKind::Channel };
            self.book.lingering.remove(&entry);
            self.facts.extend(occupied.filter(|_| !lingered).cloned());
        } else if before > 0 && after == 0 && linger_ms > 0 {
            self.linger(Lingering { channel: *id, kind: LingeringKind::Channel }, linger_ms);
        }
        let told = self.messages.len();
        let due_ms = channel.as_mut().map(|it| self.tell_total(it, after)).unwrap_or_default();
        if self.messages.len() > told && (after > 0 || linger_ms == 0) {
            self.facts.extend(total_fact.map(|fact| with_number(fact, after)));
        }
        if before > 0 && after == 0 && linger_ms == 0 {
            self.facts.extend(vacated.cloned());
        }
        self.book.channels.extend(channel.map(|it| (*id, it)));
        if mine > 0 && count == 0 {
            self.drop_if_empty(id);
        }
        Reply::Counted { total: after, due_ms }
    }

    /// The milliseconds until the total may be told; 0 if it has been told.
    fn tell_total(&mut self, channel: &mut BookChannel, total: u64) -> u64 {
        let (at, told) = channel.told.unwrap_or((TimeSpan { from: 0, to: 0 }, 0));
        if told == total {
            return 0;
        }
        let Reply::Counted { due_ms, .. } = self.observed.reply else { panic!("a count") };
        let elapsed = TimeSpan {
            from: self.observed.from.saturating_sub(at.to),
            to: self.observed.to.saturating_sub(at.from),
        };
        if total > TOLD_AT_ONCE && due_ms > 0 {
            assert!(elapsed.from < INTERVAL, "it was due: {elapsed:?}");
            let left = |elapsed: u64| INTERVAL.saturating_sub(elapsed).div_ceil(1000);
            let allowed = TimeSpan { from: left(elapsed.to), to: left(elapsed.from) };
            assert!(allowed.contains(due_ms), "{due_ms} {allowed:?}");
            return due_ms;
        }
        assert!(total <= TOLD_AT_ONCE || elapsed.to >= INTERVAL, "too early: {elapsed:?}");
        channel.told = Some((self.now(), total));
        self.messages.push(TopicMessage::Total(total));
        0
    }

    fn join(
        &mut self,
        node: &Id,
        id: &Id,
        member: &Id,
        mut fresh: BookMember,
        limit: u32,
        (added, removed): (&Notice, &Notice),
    ) -> Reply {
        let number = self.number(id);
        let members = self.book.members(id);
        let mine = Holder::Node(*node);
        if self.book.channels.get(id).is_some_and(|it| it.has(member, mine)) {
            return Reply::Same { number };
        }
        if limit > 0 && !members.contains(member) && members.len() >= limit as usize {
            return Reply::Full { number };
        }
        self.book.incarnations.entry(*node).or_default();
        let channel = self.book.channels.entry(*id).or_default();
        let lingering = BTreeSet::from([Holder::Lingering]);
        match channel.members.get_mut(member) {
            Some(held) if held.tag == fresh.tag || held.holders != lingering => {
                held.holders.insert(mine);
                return Reply::More { number };
            }
            Some(_) => {
                fresh.holders = lingering;
                self.facts.extend(removed.fact.clone());
                self.facts.extend(added.fact.clone());
                self.tell(id, NumberedKind::Removed, &removed.blob);
            }
            None => self.facts.extend(added.fact.clone()),
        }
        fresh.holders.insert(mine);
        self.book.channels.entry(*id).or_default().members.insert(*member, fresh);
        Reply::First { number: self.tell(id, NumberedKind::Added, &added.blob) }
    }

    fn leave(
        &mut self,
        node: &Id,
        id: &Id,
        member: &Id,
        removed: &Notice,
        linger_ms: u64,
    ) -> Reply {
        let number = self.number(id);
        let held = self.book.channels.get_mut(id).and_then(|it| it.members.get_mut(member));
        let Some(held) = held.filter(|held| held.holders.contains(&Holder::Node(*node))) else {
            return Reply::NotThere { number };
        };
        held.holders.remove(&Holder::Node(*node));
        let nodes = held.holders.iter().filter(|holder| **holder != Holder::Lingering).count();
        if nodes == 0 && linger_ms > 0 {
            held.holders.insert(Holder::Lingering);
            self.linger(
                Lingering { channel: *id, kind: LingeringKind::Member(*member) },
                linger_ms,
            );
            return Reply::Lingers { number };
        }
        if !held.holders.is_empty() {
            return Reply::Others { number };
        }
        Reply::Gone { number: self.remove(id, member, removed) }
    }

    fn end(&mut self, entry: &Lingering, ended: &Notice, total: Option<&Bytes>) -> Reply {
        let id = &entry.channel;
        let Some(due) = self.book.lingering.get(entry) else { return Reply::AlreadyEnded };
        let (from, to) = (self.observed.from / 1000, self.observed.to / 1000);
        if to < due.from {
            return Reply::TooEarly;
        }
        assert!(from >= due.to, "the test does not know whether {due:?} is over");
        let channel = self.book.channels.entry(*id).or_default();
        if entry.kind == LingeringKind::LastEvent && channel.last_event.is_some() {
            return Reply::TooEarly;
        }
        self.book.lingering.remove(entry);
        let ends = match entry.kind {
            LingeringKind::Channel => std::mem::take(&mut channel.lingers),
            LingeringKind::LastEvent | LingeringKind::Log => false,
            LingeringKind::Member(member) => channel.members.get_mut(&member).is_some_and(|held| {
                held.holders.remove(&Holder::Lingering) && held.holders.is_empty()
            }),
        };
        if ends && entry.kind == LingeringKind::Channel {
            self.facts.extend(total.map(|fact| with_number(fact, 0)));
        }
        let number = match entry.kind {
            LingeringKind::Member(member) if ends => self.remove(id, &member, ended),
            _ => {
                self.facts.extend(ended.fact.clone().filter(|_| ends));
                self.number(id)
            }
        };
        self.drop_if_empty(id);
        if ends { Reply::Ended { number } } else { Reply::Returned { number } }
    }

    fn last(&mut self, id: &Id, blob: &Bytes, ttl_ms: u64, sent_ms: u64) -> Reply {
        let number = self.number(id);
        let stored = self.book.channels.get(id).and_then(|it| it.last_event.clone());
        if let Some(stored) = stored {
            if stored.sent_ms > sent_ms {
                self.messages.push(TopicMessage::Event(blob.clone()));
                return Reply::Older { number };
            }
            if stored.sent_ms == sent_ms && stored.blob == *blob {
                return Reply::AlreadyStored { number: stored.number };
            }
        }
        let number = self.tell(id, NumberedKind::LastEvent, blob);
        let event = BookEvent { number, sent_ms, blob: blob.clone() };
        let channel = self.book.channels.entry(*id).or_default();
        (channel.last_event, channel.miss_told) = (Some(event), false);
        let entry = Lingering { channel: *id, kind: LingeringKind::LastEvent };
        self.book.lingering.remove(&entry);
        self.linger(entry, ttl_ms);
        Reply::Stored { number }
    }

    fn renew(&mut self, number: u64, blob: &Bytes) -> Reply {
        let events = self.book.channels.values_mut().filter_map(|it| it.last_event.as_mut());
        match events.into_iter().find(|event| event.number == number) {
            Some(event) => {
                event.blob = blob.clone();
                Reply::Renewed
            }
            None => Reply::NotRenewed,
        }
    }

    fn remove(&mut self, id: &Id, member: &Id, removed: &Notice) -> u64 {
        self.facts.extend(removed.fact.clone());
        self.book.channels.entry(*id).or_default().members.remove(member);
        let number = self.tell(id, NumberedKind::Removed, &removed.blob);
        self.drop_if_empty(id);
        number
    }

    fn number(&self, id: &Id) -> u64 {
        self.book.channels.get(id).map(|it| it.number).unwrap_or_default()
    }

    /// Takes the number that was seen, which has to be a right one.
    fn tell(&mut self, id: &Id, kind: NumberedKind, blob: &Bytes) -> u64 {
        let floor = self.book.floor.as_ref().map(|(_, floor)| *floor).unwrap_or_default();
        let channel = self.book.channels.entry(*id).or_default();
        let predecessor = channel.number;
        let least = floor.max(predecessor + 1);
        let allowed =
            TimeSpan { from: least.max(self.observed.from), to: least.max(self.observed.to) };
        let number = self.numbers.next().expect("a numbered message");
        assert!(allowed.contains(number), "{number} {allowed:?}");
        channel.number = number;
        let (logged_before, blob) = (0, blob.clone());
        let message = NumberedMessage { number, predecessor, logged_before, kind, blob };
        self.messages.push(TopicMessage::Numbered(message));
        number
    }

    fn linger(&mut self, entry: Lingering, linger_ms: u64) {
        let now = self.now();
        // A last event's time is rounded up.
        let until =
            TimeSpan { from: now.from / 1000 + linger_ms, to: now.to.div_ceil(1000) + linger_ms };
        let held = self.book.lingering.entry(entry).or_insert(until);
        *held = held.later(until);
    }

    fn now(&self) -> TimeSpan {
        TimeSpan { from: self.observed.from, to: self.observed.to }
    }

    fn drop_if_empty(&mut self, id: &Id) {
        if self.book.channels.get(id).is_some_and(BookChannel::is_empty) {
            self.book.channels.remove(id);
        }
    }
}

fn with_number(fact: &Bytes, number: u64) -> Bytes {
    [&fact[..], b" ", number.to_string().as_bytes()].concat().into()
}
