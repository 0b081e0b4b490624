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
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

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

/// The connections that have not begun, and wait for their channels.
pub(super) type AwaitedAnswers =
    RefCell<HashMap<SocketId, UnboundedSender<OpeningAnswer>, BuildIntHasher>>;

/// What a subscription has waited for.
#[derive(Debug)]
pub enum OpeningAnswer {
    Opened,
    /// The channel has no room for its member.
    Full {
        channel: Arc<str>,
    },
}

/// The answers to the subscriptions of a connection that has not begun.
pub struct OpeningAnswers {
    socket: SocketId,
    answers: UnboundedReceiver<OpeningAnswer>,
    shard: Rc<Shard>,
}

impl OpeningAnswers {
    pub async fn next(&mut self) -> OpeningAnswer {
        match self.answers.recv().await {
            Some(answer) => answer,
            // The shard has the sender for as long as this lives.
            None => std::future::pending().await,
        }
    }
}

impl Drop for OpeningAnswers {
    fn drop(&mut self) {
        self.shard.awaited_answers.borrow_mut().remove(&self.socket);
    }
}

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
    pub(super) fn command(&self, socket: SocketId, command: SessionCommand) {
        let table = self.table.borrow();
        match table.by_id.get(&socket) {
            Some(slot) => table.sockets[*slot as usize].socket.command(command),
            None => self.answer_awaited(socket, command),
        }
    }

    /// For a connection that begins once its channels are open.
    pub fn await_answers(self: &Rc<Self>, socket: SocketId) -> OpeningAnswers {
        let (sender, answers) = unbounded_channel();
        self.awaited_answers.borrow_mut().insert(socket, sender);
        OpeningAnswers { socket, answers, shard: self.clone() }
    }

    fn answer_awaited(&self, socket: SocketId, command: SessionCommand) {
        let awaited = self.awaited_answers.borrow();
        let Some(sender) = awaited.get(&socket) else { return };
        let answer = match command {
            SessionCommand::Opened { .. } => OpeningAnswer::Opened,
            SessionCommand::ChannelFull { channel, .. } => OpeningAnswer::Full { channel },
            SessionCommand::End { .. }
            | SessionCommand::OpeningsDue { .. }
            | SessionCommand::Describe(_) => return,
        };
        // The receiver takes its entry out when it ends.
        let _ = sender.send(answer);
    }
}
