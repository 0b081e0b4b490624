//! What waits to be written, bounded by bytes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

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

    /// RecordBytes of memory.
    pub fn cost(&self) -> usize {
        match self {
            Self::Append { entry, .. } => size_of::<Self>() + payload(entry),
            _ => size_of::<Self>(),
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

/// Changes in one commit.
pub const MAX_GROUP: usize = 256;
/// The wait for others to join the commit, while somebody waits for it.
const URGENT_WAIT: Duration = Duration::from_millis(2);
/// The same while nobody waits. Each commit costs as much as dozens of events.
const BEHIND_WAIT: Duration = Duration::from_millis(100);

pub struct Queue {
    state: Mutex<PendingOps>,
    changed: Condvar,
    /// The most bytes of changes that wait.
    bound: usize,
}

#[derive(Default)]
struct PendingOps {
    ops: VecDeque<Op>,
    /// Of `ops`, and of those that the writer has taken and not written.
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

    /// A change that nobody waits for, and that later ones make up for.
    pub fn push_optional(&self, op: Op) {
        let mut state = self.state.lock();
        let has_room = !state.stats.is_failing || !state.is_over(self.bound, &op);
        if has_room && !state.ending {
            self.push(&mut state, op);
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
        if state.ending {
            return Err(JournalError::Ended);
        }
        if state.stats.is_failing {
            return Err(JournalError::Unwritable);
        }
        if state.is_over(self.bound, &op) {
            return Err(JournalError::Busy);
        }
        self.push(&mut state, op);
        Ok(())
    }

    fn push(&self, state: &mut PendingOps, op: Op) {
        let wait = if op.is_urgent() { URGENT_WAIT } else { BEHIND_WAIT };
        let due = Instant::now() + wait;
        let is_sooner = state.due.is_none_or(|earlier| due < earlier);
        if is_sooner {
            state.due = Some(due);
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
            if state.ending && state.ops.is_empty() {
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
        state.due = None;
        state.ops.drain(..).collect()
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

    /// The rest is due at once: it has waited as long.
    fn take_group(&mut self) -> Vec<Op> {
        let taken = self.ops.len().min(MAX_GROUP);
        if taken == self.ops.len() {
            self.due = None;
        }
        self.ops.drain(..taken).collect()
    }
}
