//! What a worker tells operators of its connections. It is read when they ask: a connection keeps
//! nothing for them but its client's name and its user.

use std::{cell::Cell, collections::BinaryHeap, fmt, rc::Rc, sync::Arc, time::Instant};

use tokio::sync::oneshot;

use super::{
    client_names::{ClientName, ClientNameId},
    record::TopicId,
    rekey::rekey_policy::AppRuntimeId,
    shard::{Shard, SocketEntry, Table},
    socket::{SessionCommand, Socket},
    topics::Slot,
};
use crate::{
    crypto::keytable::Version,
    domain::ids::SocketId,
    protocol::{code::Close, disconnect::DisconnectCode, form::Form},
};

/// A request of an operator to one worker.
pub enum OperatorRequest {
    List(ConnectionsRequest),
    Describe(ConnectionRequest),
    Disconnect(DisconnectRequest),
}

/// Asks a worker for one page of an app's connections.
pub struct ConnectionsRequest {
    pub runtime: AppRuntimeId,
    /// The first slot of the page. A connection never changes its slot, so one that stays is listed
    /// once.
    pub from: Slot,
    /// Subscribers of this topic only.
    pub topic: Option<TopicId>,
    /// Connections signed in as this user only.
    pub user: Option<Arc<str>>,
    pub limit: usize,
    pub answer: oneshot::Sender<ConnectionPage>,
}

#[derive(Default, Debug)]
pub struct ConnectionPage {
    pub connections: Vec<ConnectionSummary>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Slot>,
}

#[derive(Clone, Debug)]
pub struct ConnectionSummary {
    pub socket: SocketId,
    pub form: Form,
    pub client: ClientName,
    /// The signed-in user.
    pub user: Option<Arc<str>>,
    pub opened: Instant,
    /// `None` for event streams: their clients send nothing.
    pub last_heard: Option<Instant>,
    /// Bytes that wait for the client to take them.
    pub waiting_bytes: usize,
}

/// Asks for one connection with its subscriptions.
pub struct ConnectionRequest {
    pub runtime: AppRuntimeId,
    pub socket: SocketId,
    pub answer: oneshot::Sender<ConnectionDetail>,
}

#[derive(Debug)]
pub struct ConnectionDetail {
    pub summary: ConnectionSummary,
    /// Ordered by name.
    pub subscriptions: Vec<SubscriptionDetail>,
}

#[derive(Clone, Debug)]
pub struct SubscriptionDetail {
    pub channel: Arc<str>,
    /// False while it waits for its channel.
    pub joined: bool,
    /// The member, on a presence channel.
    pub user: Option<Arc<str>>,
    /// The version of its secret; `None` during a rekey, and on channels not sealed here.
    pub version: Option<Version>,
}

/// An operator ends a connection. Answers false if the app has none with this id.
pub struct DisconnectRequest {
    pub runtime: AppRuntimeId,
    pub socket: SocketId,
    pub code: DisconnectCode,
    pub answer: oneshot::Sender<bool>,
}

/// The question to a session for its subscriptions. Two are equal if they are the same one.
#[derive(Clone)]
pub struct SessionInquiry(Rc<Inquiry>);

struct Inquiry {
    summary: ConnectionSummary,
    answer: Cell<Option<oneshot::Sender<ConnectionDetail>>>,
}

impl SessionInquiry {
    fn new(summary: ConnectionSummary, answer: oneshot::Sender<ConnectionDetail>) -> Self {
        Self(Rc::new(Inquiry { summary, answer: Cell::new(Some(answer)) }))
    }

    pub fn answer(&self, subscriptions: Vec<SubscriptionDetail>) {
        if let Some(answer) = self.0.answer.take() {
            let summary = self.0.summary.clone();
            // The requester may have gone meanwhile.
            let _ = answer.send(ConnectionDetail { summary, subscriptions });
        }
    }
}

impl PartialEq for SessionInquiry {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SessionInquiry {}

impl fmt::Debug for SessionInquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionInquiry")
    }
}

/// Slots looked at in one command, so that other commands get their turn.
const MAX_WALK: usize = 10_000;

impl ConnectionsRequest {
    fn matches(&self, entry: &SocketEntry) -> bool {
        entry.peer.runtime == Some(self.runtime)
            && (self.user.is_none() || self.user == entry.user)
            && !entry.socket.outbox().is_closing()
    }
}

impl Shard {
    /// Keeps the name for connections to come.
    pub fn client_name_id(&self, name: ClientName) -> ClientNameId {
        self.client_names.borrow_mut().id(name)
    }

    /// Notes the signed-in user of a connection.
    pub fn set_user(&self, slot: Slot, user: Option<Arc<str>>) {
        self.table.borrow_mut().sockets[slot as usize].user = user;
    }

    /// The version of a subscriber's secret; `None` during a rekey.
    pub fn version_of(&self, topic: TopicId, slot: Slot) -> Option<Version> {
        let table = self.table.borrow();
        let version = table.topics.subscription(topic, slot)?.version;
        (version != Version::BLIND && version != Version::REKEYING).then_some(version)
    }

    pub(super) fn serve_operator(&self, ask: OperatorRequest, dirty: &mut Vec<Rc<dyn Socket>>) {
        match ask {
            OperatorRequest::List(ask) => self.list_connections(ask),
            OperatorRequest::Describe(ask) => self.describe_connection(ask),
            OperatorRequest::Disconnect(ask) => self.disconnect(ask, dirty),
        }
    }

    fn list_connections(&self, ask: ConnectionsRequest) {
        let table = self.table.borrow();
        let (slots, next) = match ask.topic {
            Some(topic) => table.subscribers_from(topic, &ask),
            None => table.connections_from(&ask),
        };
        let entries = slots.into_iter().map(|slot| &table.sockets[slot as usize]);
        let connections = entries.map(|entry| self.summary(entry)).collect();
        let _ = ask.answer.send(ConnectionPage { connections, next });
    }

    fn describe_connection(&self, ask: ConnectionRequest) {
        let table = self.table.borrow();
        // Without an answer the requester learns that there is no such connection.
        let Some(entry) = table.live(ask.socket, ask.runtime) else { return };
        let inquiry = SessionInquiry::new(self.summary(entry), ask.answer);
        entry.socket.command(SessionCommand::Describe(inquiry));
    }

    fn disconnect(&self, ask: DisconnectRequest, dirty: &mut Vec<Rc<dyn Socket>>) {
        let table = self.table.borrow();
        let entry = table.live(ask.socket, ask.runtime);
        let found = entry.inspect(|entry| entry.close(Close::Disconnected(ask.code), dirty));
        let _ = ask.answer.send(found.is_some());
    }

    fn summary(&self, entry: &SocketEntry) -> ConnectionSummary {
        let outbox = entry.socket.outbox();
        ConnectionSummary {
            socket: entry.id,
            form: outbox.form(),
            client: self.client_names.borrow().get(entry.peer.client),
            user: entry.user.clone(),
            opened: entry.opened,
            last_heard: entry.socket.last_heard(),
            waiting_bytes: outbox.queued_bytes(),
        }
    }
}

impl Table {
    fn connections_from(&self, ask: &ConnectionsRequest) -> (Vec<Slot>, Option<Slot>) {
        let (from, capacity) = (ask.from as usize, self.sockets.capacity());
        let end = capacity.min(from.saturating_add(MAX_WALK));
        let mut slots = Vec::new();
        for slot in from..end {
            if slots.len() == ask.limit {
                return (slots, Some(slot as Slot));
            }
            if self.sockets.get(slot).is_some_and(|entry| ask.matches(entry)) {
                slots.push(slot as Slot);
            }
        }
        (slots, (end < capacity).then_some(end as Slot))
    }

    /// The list of subscribers has no order that lasts, so the lowest slots are taken.
    fn subscribers_from(
        &self,
        topic: TopicId,
        ask: &ConnectionsRequest,
    ) -> (Vec<Slot>, Option<Slot>) {
        let subscribers = self.topics.subscribers(topic).iter().map(|it| it.slot);
        let asked = subscribers
            .filter(|slot| *slot >= ask.from && ask.matches(&self.sockets[*slot as usize]));
        let mut lowest = BinaryHeap::with_capacity(ask.limit + 2);
        for slot in asked {
            lowest.push(slot);
            // One more than the page: it begins the next.
            if lowest.len() > ask.limit + 1 {
                lowest.pop();
            }
        }
        let mut slots = lowest.into_sorted_vec();
        let next = slots.get(ask.limit).copied();
        slots.truncate(ask.limit);
        (slots, next)
    }
}

#[cfg(test)]
mod tests;
