//! Subscriptions that begin at a position, in a cluster, where the log is in Redis.
//!
//! Each reads the log once, behind its position. What the node hears of the log from then on waits in
//! the tail. When the subscription joins, it gets what was read and then the tail, up to what the other
//! subscribers have been told. Later events reach it live.

use std::collections::{HashMap, VecDeque};

use crate::{
    channels::log::{Entry, GapReason, LogNumber},
    cluster::replica::input::WaitingId,
};

/// The most bytes of the tail. A reader beyond it pages.
const MAX_TAIL: usize = 1024 * 1024;

#[derive(Default)]
pub struct LogReaders {
    readers: HashMap<WaitingId, LogReader>,
    /// After a restart of a node, most of its readers come from the same position.
    reads: HashMap<LogNumber, LogRead>,
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    /// The tail has lost entries.
    is_cut: bool,
    /// Of the last read.
    number: u64,
    /// As of the last call of `advanced`.
    reached: Option<LogNumber>,
}

struct LogReader {
    from: LogNumber,
    /// The channel is open for it.
    is_called: bool,
    /// It has been told that it may join.
    is_told: bool,
}

/// What is read behind one position.
struct LogRead {
    state: LogReadState,
    readers: usize,
}

enum LogReadState {
    Wanted,
    /// With the number of the read.
    Asked(u64),
    Done(LogAnswer),
}

/// What a reader finds behind its position. Cloning copies references.
#[derive(Clone)]
pub enum LogAnswer {
    /// It is a position of the log. The oldest first; with more behind them if they were too many.
    Events {
        entries: Vec<Entry>,
        is_cut: bool,
    },
    Gap(GapReason),
}

impl LogReaders {
    pub fn add(&mut self, id: WaitingId, from: LogNumber) {
        self.remove(&id);
        self.readers.insert(id, LogReader { from, is_called: false, is_told: false });
        let wanted = || LogRead { state: LogReadState::Wanted, readers: 0 };
        self.reads.entry(from).or_insert_with(wanted).readers += 1;
    }

    pub fn remove(&mut self, id: &WaitingId) {
        if let Some(reader) = self.readers.remove(id) {
            self.release(reader.from);
        }
    }

    fn release(&mut self, from: LogNumber) {
        if let Some(read) = self.reads.get_mut(&from) {
            read.readers -= 1;
            if read.readers == 0 {
                self.reads.remove(&from);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// The reads to be asked for now, by number.
    pub fn ask(&mut self) -> Vec<(u64, LogNumber)> {
        let number = &mut self.number;
        let wanted =
            self.reads.iter_mut().filter(|(_, it)| matches!(it.state, LogReadState::Wanted));
        let asked = wanted.map(|(from, read)| {
            *number += 1;
            read.state = LogReadState::Asked(*number);
            (*number, *from)
        });
        asked.collect()
    }

    /// What was read before says nothing any more: the node has joined the log anew.
    pub fn begin_anew(&mut self) {
        self.reads.values_mut().for_each(|read| read.state = LogReadState::Wanted);
        (self.tail, self.tail_bytes, self.is_cut) = (VecDeque::new(), 0, false);
    }

    /// `None`: Redis did not answer. Then it is asked again once the node has joined the log anew, or
    /// the reader does without. Returns the called subscriptions that may join now.
    pub fn answered(
        &mut self,
        number: u64,
        answer: Option<LogAnswer>,
        reached: Option<LogNumber>,
    ) -> Vec<WaitingId> {
        let is_it =
            |read: &LogRead| matches!(read.state, LogReadState::Asked(asked) if asked == number);
        let found = self.reads.iter_mut().find(|(_, read)| is_it(read));
        let Some((from, read)) = found else { return Vec::new() };
        let (from, state) = (*from, answer.map_or(LogReadState::Wanted, LogReadState::Done));
        read.state = state;
        self.ready(|it| it == from, reached)
    }

    /// An event that all other subscribers are told now.
    pub fn hear(&mut self, entry: Entry) {
        self.tail_bytes += entry.cost();
        self.tail.push_back(entry);
        while self.tail_bytes > MAX_TAIL
            && let Some(oldest) = self.tail.pop_front()
        {
            self.tail_bytes -= oldest.cost();
            self.is_cut = true;
        }
    }

    /// All other subscribers are told of a gap now. Readers behind `at` have it too.
    pub fn tell_gap(
        &mut self,
        reason: GapReason,
        at: LogNumber,
        reached: Option<LogNumber>,
    ) -> Vec<WaitingId> {
        for (_, read) in self.reads.iter_mut().filter(|(from, _)| **from < at) {
            read.state = LogReadState::Done(LogAnswer::Gap(reason));
        }
        self.ready(|from| from < at, reached)
    }

    /// The other subscribers have been told of all up to `reached`. Returns the subscriptions that have
    /// waited for it.
    pub fn advanced(&mut self, reached: Option<LogNumber>) -> Vec<WaitingId> {
        let before = std::mem::replace(&mut self.reached, reached);
        if before == reached {
            return Vec::new();
        }
        let is_new = |from| before.is_none_or(|before| before < from);
        if self.reads.keys().any(|from| is_new(*from)) {
            self.ready(is_new, reached)
        } else {
            Vec::new()
        }
    }

    fn ready(
        &mut self,
        is_of: impl Fn(LogNumber) -> bool,
        reached: Option<LogNumber>,
    ) -> Vec<WaitingId> {
        let reads = &self.reads;
        let ready = self.readers.iter_mut().filter(|(_, reader)| {
            let is_waiting = reader.is_called && !reader.is_told && is_of(reader.from);
            is_waiting && is_ready(reads, reader.from, reached)
        });
        let told = ready.map(|(id, reader)| {
            reader.is_told = true;
            *id
        });
        told.collect()
    }

    /// The channel is open for the subscription. True if it may join now.
    pub fn call(&mut self, id: &WaitingId, reached: Option<LogNumber>) -> bool {
        if let Some(reader) = self.readers.get_mut(id) {
            reader.is_called = true;
        }
        self.may_join(id, reached)
    }

    /// If it may not, it is told when it may.
    pub fn may_join(&mut self, id: &WaitingId, reached: Option<LogNumber>) -> bool {
        let Some(reader) = self.readers.get_mut(id) else { return true };
        reader.is_told = is_ready(&self.reads, reader.from, reached);
        reader.is_told
    }

    /// What the reader has missed of what the others have been told, up to `reached`.
    pub fn take(&mut self, id: &WaitingId, reached: Option<LogNumber>) -> Option<LogAnswer> {
        let from = self.readers.remove(id)?.from;
        let answer = match &self.reads.get(&from)?.state {
            LogReadState::Done(answer) => Some(answer.clone()),
            LogReadState::Wanted | LogReadState::Asked(_) => None,
        };
        self.release(from);
        Some(match answer? {
            LogAnswer::Events { entries, is_cut } => self.joined(from, entries, is_cut, reached),
            gap @ LogAnswer::Gap(_) => gap,
        })
    }

    fn joined(
        &self,
        from: LogNumber,
        mut entries: Vec<Entry>,
        is_cut: bool,
        reached: Option<LogNumber>,
    ) -> LogAnswer {
        let Some(reached) = reached.filter(|reached| *reached >= from) else {
            return LogAnswer::Gap(GapReason::Unavailable);
        };
        entries.retain(|entry| entry.number <= reached);
        let read_to = entries.last().map_or(from, |entry| entry.number);
        if is_cut && read_to < reached {
            return LogAnswer::Gap(GapReason::TooMany);
        }
        entries.extend(self.tail.iter().filter(|entry| entry.number > read_to).cloned());
        let mut previous = from;
        let mut is_next =
            |entry: &Entry| std::mem::replace(&mut previous, entry.number) == entry.previous;
        if entries.iter().all(&mut is_next) && previous == reached {
            LogAnswer::Events { entries, is_cut: false }
        } else {
            LogAnswer::Gap(if self.is_cut { GapReason::TooMany } else { GapReason::Restarted })
        }
    }
}

/// A reader of a faster node waits until this one has come as far.
fn is_ready(
    reads: &HashMap<LogNumber, LogRead>,
    from: LogNumber,
    reached: Option<LogNumber>,
) -> bool {
    match reads.get(&from).map(|read| &read.state) {
        Some(LogReadState::Done(LogAnswer::Gap(_))) => true,
        Some(LogReadState::Done(LogAnswer::Events { .. })) => {
            reached.is_some_and(|reached| reached >= from)
        }
        Some(LogReadState::Wanted | LogReadState::Asked(_)) | None => false,
    }
}

#[cfg(test)]
mod tests;
