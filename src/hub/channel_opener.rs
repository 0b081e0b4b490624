//! Opens channels for subscriptions. A channel is open while this node knows its state.
//!
//! With one node, every channel is open, and each subscription is answered in the call. If a
//! channel opens later, the worker gets a `WorkerCommand::Opened`; without one the session joins
//! after `OPENING_TIMEOUT`.

#[cfg(any(debug_assertions, test, fuzzing))]
use std::sync::mpsc::Sender;
use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{shard::Shard, socket::SessionCommand};
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

/// The waiting subscriptions of a worker with their deadlines, the earliest first. An answered one
/// stays until its deadline; its session ignores the second answer.
#[derive(Default)]
pub(super) struct OpeningDeadlines(RefCell<VecDeque<(Instant, WaitingSubscription)>>);

impl OpeningDeadlines {
    fn add(&self, by: Instant, waiting: WaitingSubscription) {
        self.0.borrow_mut().push_back((by, waiting));
    }

    fn take_due(&self, now: Instant) -> Option<WaitingSubscription> {
        let mut deadlines = self.0.borrow_mut();
        if deadlines.is_empty() {
            deadlines.shrink_to_fit();
        }
        deadlines.pop_front_if(|(by, _)| *by <= now).map(|(_, waiting)| waiting)
    }
}

impl Shard {
    /// Bounds the wait of a subscription.
    pub fn await_opening(&self, waiting: WaitingSubscription, now: Instant) {
        self.opening_deadlines.add(now + OPENING_TIMEOUT, waiting);
    }

    pub(super) fn end_overdue_openings(&self, now: Instant) {
        while let Some(waiting) = self.opening_deadlines.take_due(now) {
            self.opened(waiting);
        }
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
