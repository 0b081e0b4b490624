//! Opens channels for subscriptions. A channel is open while this node knows its state.
//!
//! With one node, every channel is open, and each subscription is answered in the call. If a
//! channel opens later, the worker gets a `WorkerCommand::Opened`; without one the session joins
//! after `OPENING_TIMEOUT`.

#[cfg(any(debug_assertions, test, fuzzing))]
use std::sync::mpsc::Sender;
use std::{
    cell::RefCell,
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    int_hasher::BuildIntHasher,
    shard::Shard,
    socket::SessionCommand,
    topics::{Slot, shrink},
};
use crate::domain::ids::SocketId;

/// The longest wait for a channel; then the session joins with the state on this node.
pub const OPENING_TIMEOUT: Duration = Duration::from_secs(3);

pub enum ChannelOpener {
    /// Every channel is open.
    Local,
    /// Answers late, through the mailbox: a test mode (`hub::late_answers`).
    #[cfg(any(debug_assertions, test, fuzzing))]
    Late(Sender<WaitingSubscription>),
}

#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    Now,
    /// The subscription has to wait for a command.
    Later,
}

/// A subscription that waits for its channel.
#[derive(Clone, Debug)]
pub struct WaitingSubscription {
    pub socket: SocketId,
    pub channel: Arc<str>,
    /// The session's number for it. A channel may be left and joined again while it opens, and the
    /// first answer is not for the second subscription.
    pub attempt: u32,
}

impl ChannelOpener {
    /// `waiting` is called if the subscription has to wait.
    #[cfg_attr(
        not(any(debug_assertions, test, fuzzing)),
        expect(unused_variables, reason = "the test mode alone")
    )]
    pub fn open(&self, waiting: impl FnOnce() -> WaitingSubscription) -> Opened {
        match self {
            Self::Local => Opened::Now,
            #[cfg(any(debug_assertions, test, fuzzing))]
            Self::Late(late) => {
                // Without a receiver, the subscription joins after `OPENING_TIMEOUT`.
                let _ = late.send(waiting());
                Opened::Later
            }
        }
    }
}

/// The connections of a worker with waiting subscriptions, each with its earliest deadline.
pub(super) type OpeningDeadlines = RefCell<HashMap<Slot, Instant, BuildIntHasher>>;

impl Shard {
    /// Bounds the wait of a connection's subscriptions: at `by` its session gets a command.
    pub fn await_opening(&self, slot: Slot, by: Instant) {
        let mut deadlines = self.opening_deadlines.borrow_mut();
        let earliest = deadlines.entry(slot).or_insert(by);
        *earliest = by.min(*earliest);
    }

    pub(super) fn end_overdue_openings(&self, now: Instant) {
        let mut deadlines = self.opening_deadlines.borrow_mut();
        let table = self.table.borrow();
        deadlines.retain(|slot, by| {
            if *by <= now {
                let due = SessionCommand::OpeningsDue { at: now };
                table.sockets[*slot as usize].socket.command(due);
            }
            *by > now
        });
        shrink(&mut deadlines);
    }

    #[cfg(test)]
    pub fn opening_deadlines(&self) -> usize {
        self.opening_deadlines.borrow().len()
    }

    /// The connection may be gone meanwhile.
    pub(super) fn opened(&self, waiting: WaitingSubscription) {
        let WaitingSubscription { socket, channel, attempt } = waiting;
        let table = self.table.borrow();
        if let Some(slot) = table.by_id.get(&socket) {
            let entry = &table.sockets[*slot as usize];
            entry.socket.command(SessionCommand::Opened { channel, attempt });
        }
    }
}
