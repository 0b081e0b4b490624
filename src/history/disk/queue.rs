//! What waits to be written, bounded by bytes.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::trims::{DueTrim, PendingTrim, PendingTrims};
use crate::{
    channels::log::LogNumber,
    history::journal::{
        Committed, JournalBody, JournalEntry, JournalError, JournalStats, LogAddress,
    },
};

/// A change of the file.
pub enum Op {
    Begin { log: LogAddress, origin: LogNumber },
    Append { log: LogAddress, entry: JournalEntry, committed: Option<Committed> },
    Trim { log: LogAddress, up_to: LogNumber },
    Clear { log: LogAddress, number: LogNumber, committed: Option<Committed> },
    Forget { log: LogAddress },
}

impl Op {
    /// True if somebody waits for it.
    fn is_urgent(&self) -> bool {
        match self {
            Self::Append { committed, .. } | Self::Clear { committed, .. } => committed.is_some(),
            Self::Begin { .. } | Self::Trim { .. } | Self::Forget { .. } => false,
        }
    }

    /// Bytes of memory.
    pub fn cost(&self) -> usize {
        match self {
            Self::Append { entry, .. } => size_of::<Self>() + payload(entry),
            Self::Begin { log, .. } | Self::Clear { log, .. } => {
                size_of::<Self>() + log.channel.len()
            }
            Self::Trim { log, .. } | Self::Forget { log } => {
                size_of::<Self>() + log.channel.len() + NOTE
            }
        }
    }

    fn log(&self) -> &LogAddress {
        match self {
            Self::Begin { log, .. }
            | Self::Append { log, .. }
            | Self::Trim { log, .. }
            | Self::Clear { log, .. }
            | Self::Forget { log } => log,
        }
    }

    pub fn take_committed(&mut self) -> Option<Committed> {
        match self {
            Self::Append { committed, .. } | Self::Clear { committed, .. } => committed.take(),
            Self::Begin { .. } | Self::Trim { .. } | Self::Forget { .. } => None,
        }
    }
}

fn payload(entry: &JournalEntry) -> usize {
    let body = match &entry.body {
        JournalBody::Clear(data) | JournalBody::Blind(data) => data.len(),
        JournalBody::Sealed(at_rest) => at_rest.ciphertext.len(),
    };
    entry.name.len() + entry.user_id.as_ref().map_or(0, |user| user.len()) + body
}

/// The bytes by which a trim or an end is found again.
const NOTE: usize = 2 * size_of::<LogAddress>();
/// Changes in one commit, and as many trims.
pub const MAX_GROUP: usize = 256;
/// The wait for others to join the commit, while somebody waits for it.
const URGENT_WAIT: Duration = Duration::from_millis(2);
/// The same while nobody waits. Each commit costs as much as dozens of events, so the wait is as
/// long as the promise of 200 ms allows: the rest is for the commit itself.
const BEHIND_WAIT: Duration = Duration::from_millis(150);

pub struct Queue {
    state: Mutex<PendingOps>,
    changed: Condvar,
    /// The most bytes of changes that wait.
    bound: usize,
}

#[derive(Default)]
struct PendingOps {
    ops: VecDeque<Op>,
    /// That were taken out of `ops` so far.
    taken: u64,
    trims: PendingTrims,
    /// Logs whose last change that waits is their end.
    forgotten: HashSet<LogAddress>,
    /// Of `ops` and `trims`, and of those that the writer has taken and not written.
    bytes: usize,
    /// The time by which the next commit begins.
    due: Option<Instant>,
    ending: bool,
    stats: JournalStats,
}

/// What the writer is to do.
pub enum Work {
    Write(Vec<Op>),
    /// Nothing waits, and nothing will come.
    End,
}

impl Queue {
    pub fn new(bound: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), bound }
    }

    /// The log's first event makes up for a beginning for which there was no room.
    pub fn begin(&self, log: &LogAddress, origin: LogNumber) {
        let (mut state, op) = (self.state.lock(), Op::Begin { log: log.clone(), origin });
        if !state.ending && !state.is_over(self.bound, &op) {
            self.push(&mut state, op);
        }
    }

    /// Trims and ends make room in the file: they have as much room again as all else.
    fn has_no_room_for_less(&self, state: &PendingOps, op: &Op) -> bool {
        state.ending || state.is_over(2 * self.bound, op)
    }

    pub fn trim(&self, log: &LogAddress, up_to: LogNumber) {
        let mut state = self.state.lock();
        let trim = PendingTrim { up_to, accepted: state.taken + state.ops.len() as u64 };
        if state.trims.renew(log, trim) {
            return;
        }
        let op = Op::Trim { log: log.clone(), up_to };
        if !self.has_no_room_for_less(&state, &op) {
            state.bytes += op.cost();
            state.trims.push(log.clone(), trim);
            if self.is_due_sooner(&mut state, BEHIND_WAIT) {
                self.changed.notify_one();
            }
        }
    }

    /// A log ends once, however often it is said.
    pub fn forget(&self, log: &LogAddress) {
        let (mut state, op) = (self.state.lock(), Op::Forget { log: log.clone() });
        if !state.forgotten.contains(log) && !self.has_no_room_for_less(&state, &op) {
            self.push(&mut state, op);
            state.forgotten.insert(log.clone());
        }
    }

    pub fn push_behind(&self, op: Op) -> Result<(), JournalError> {
        let mut state = self.state.lock();
        if state.ending {
            return Err(JournalError::Ended);
        }
        if state.is_over(self.bound, &op) {
            if !state.stats.is_failing {
                return Err(JournalError::Busy);
            }
            state.stats.lost += 1;
            return Ok(());
        }
        self.push(&mut state, op);
        Ok(())
    }

    pub fn push_before(&self, op: Op) -> Result<(), JournalError> {
        let mut state = self.state.lock();
        if !state.ending && state.stats.is_failing {
            return Err(JournalError::Unwritable);
        }
        self.push_or_refuse(&mut state, op)
    }

    /// A change that nobody waits for, and that is not lost while the server runs.
    pub fn push_kept(&self, op: Op) -> Result<(), JournalError> {
        self.push_or_refuse(&mut self.state.lock(), op)
    }

    fn push_or_refuse(&self, state: &mut PendingOps, op: Op) -> Result<(), JournalError> {
        if state.ending {
            return Err(JournalError::Ended);
        }
        if state.is_over(self.bound, &op) {
            let is_failing = state.stats.is_failing;
            return Err(if is_failing { JournalError::Unwritable } else { JournalError::Busy });
        }
        self.push(state, op);
        Ok(())
    }

    fn is_due_sooner(&self, state: &mut PendingOps, wait: Duration) -> bool {
        let due = Instant::now() + wait;
        let is_sooner = state.due.is_none_or(|earlier| due < earlier);
        if is_sooner {
            state.due = Some(due);
        }
        is_sooner
    }

    fn push(&self, state: &mut PendingOps, op: Op) {
        let wait = if op.is_urgent() { URGENT_WAIT } else { BEHIND_WAIT };
        let is_sooner = self.is_due_sooner(state, wait);
        if !state.forgotten.is_empty() {
            state.forgotten.remove(op.log());
        }
        state.bytes += op.cost();
        state.ops.push_back(op);
        // Waking the writer costs more than the event: only for a reason.
        if is_sooner || state.ops.len() == MAX_GROUP {
            self.changed.notify_one();
        }
    }

    /// Waits for a group that is full or due.
    pub fn next(&self) -> Work {
        let mut state = self.state.lock();
        loop {
            if state.ending && state.is_empty() {
                return Work::End;
            }
            if state.ending || state.ops.len() >= MAX_GROUP {
                return Work::Write(state.take_group());
            }
            match state.due {
                None => self.changed.wait(&mut state),
                Some(due) if due <= Instant::now() => return Work::Write(state.take_group()),
                Some(due) => drop(self.changed.wait_until(&mut state, due)),
            }
        }
    }

    /// Waits before the next attempt; the end of the server cuts it short. Returns what came
    /// meanwhile.
    pub fn pause(&self, time: Duration) -> Vec<Op> {
        let (mut state, until) = (self.state.lock(), Instant::now() + time);
        while !state.ending && !self.changed.wait_until(&mut state, until).timed_out() {}
        // Trims stay here, where newer ones replace them.
        state.due = (!state.trims.is_empty()).then(Instant::now);
        let all = state.ops.len();
        state.take(all)
    }

    pub fn end(&self) {
        self.state.lock().ending = true;
        self.changed.notify_one();
    }

    /// For a writer that has failed: nobody is to wait for it.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        state.ending = true;
        let mut ops = std::mem::take(&mut state.ops);
        state.trims = PendingTrims::default();
        drop(state);
        let told = ops.iter_mut().filter_map(Op::take_committed);
        told.for_each(|told| told(Err(JournalError::Unwritable)));
    }

    pub fn is_ending(&self) -> bool {
        self.state.lock().ending
    }

    pub fn stats(&self) -> JournalStats {
        let state = self.state.lock();
        JournalStats { queued_bytes: state.bytes, ..state.stats }
    }

    /// These bytes wait no longer.
    pub fn release(&self, bytes: usize) {
        self.state.lock().bytes -= bytes;
    }

    pub fn change_stats(&self, change: impl FnOnce(&mut JournalStats)) {
        change(&mut self.state.lock().stats);
    }
}

impl PendingOps {
    fn is_over(&self, bound: usize, op: &Op) -> bool {
        self.bytes + op.cost() > bound
    }

    fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.trims.is_empty()
    }

    fn take(&mut self, count: usize) -> Vec<Op> {
        let ops: Vec<Op> = self.ops.drain(..count).collect();
        self.taken += count as u64;
        for op in &ops {
            if let Op::Forget { log } = op {
                self.forgotten.remove(log);
            }
        }
        ops
    }

    /// The rest is due at once: it has waited as long.
    fn take_group(&mut self) -> Vec<Op> {
        let mut group = self.take(self.ops.len().min(MAX_GROUP));
        let trims = std::iter::from_fn(|| self.take_trim()).take(MAX_GROUP);
        group.extend(trims);
        if self.is_empty() {
            self.due = None;
        }
        group
    }

    fn take_trim(&mut self) -> Option<Op> {
        let DueTrim { log, up_to, has_next } = self.trims.pop(self.taken)?;
        let op = Op::Trim { log, up_to };
        if has_next {
            self.bytes += op.cost();
        }
        Some(op)
    }
}
