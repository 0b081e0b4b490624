//! The link to one master: a connection that talks and one that listens.
//!
//! Its owner adds commands, reads and topics, and takes the events. The link opens the connections,
//! proves that they lead to a usable master, and restores all topics before it sends what waits. It
//! is up with both alone: what the node hears is only worth something beside what it says.
//! A master that is silent for a second is away, while its connections are kept (`stall`).

mod activity;
mod answers;
mod closing;
mod connection;
mod endpoint;
mod error;
mod inbox;
mod listening;
mod live;
mod pair;
mod search;
mod stall;
mod timing;
pub mod tls;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Value};

pub use endpoint::{Endpoint, MasterAddress};
pub use error::LinkError;
use listening::Listening;
use live::Live;
use pair::{ConnectionPair, FloorRequest, OpenedConnections};
use timing::Backoff;

use super::{
    Id,
    checks::MasterRun,
    keys::Keys,
    lane::{Answered, CommandKind, Lane},
    listener::{TopicGroup, Topics},
    marks::Marks,
    messages::Mark,
    reads::QueuedRead,
    scripts::Scripts,
    snapshot::{Snapshot, SnapshotError},
};
use crate::cluster::names::Partition;

/// Events are kept for the other nodes for this time while the master is away.
pub const EVENT_LIFETIME: Duration = Duration::from_secs(10);

pub struct LinkSettings {
    pub endpoint: Endpoint,
    pub scripts: Arc<Scripts>,
    /// The most bytes of events that wait for the owner of the link.
    pub inbox_bytes: usize,
}

/// A partition that the master serves. It goes on with another link when its slot moves.
pub struct LinkPartition<T> {
    pub partition: Partition,
    /// Those of the partition; the names of channels are not used.
    pub keys: Keys,
    pub mark_topic: Bytes,
    pub lane: Lane<T>,
    /// The master and data that the node was on before, if any.
    pub came_from: Bytes,
    /// The greatest number that the node has seen.
    pub known: u64,
}

/// `T` tells the owner what a command or a read was.
pub enum LinkEvent<T> {
    /// A master is there, and no topic is subscribed yet: what is much older than its clock is a
    /// replay.
    Connected {
        engine_time_ms: u64,
    },
    /// All topics of before are subscribed, and all that waits is sent. Without `Connected` before it, the
    /// topics have been heard without a gap; `Subscribed` is told again for each of them. If the master or its data is another
    /// one, nothing counts as acknowledged any more.
    Up {
        run: MasterRun,
        changed: bool,
    },
    /// Also after each failed attempt. All snapshots on their way are lost. Messages and answers may
    /// still follow.
    Away(LinkError),
    Answered(Answered<T>),
    /// An event that nobody else will get.
    Expired(T),
    Read {
        token: T,
        answers: Vec<Value>,
    },
    ReadLost(T),
    /// The place of the snapshot among the messages is that of the event `Mark`.
    Snapshot {
        mark: Mark,
        snapshot: Result<Snapshot, SnapshotError>,
    },
    Mark(Mark),
    Message {
        topic: Bytes,
        message: Bytes,
    },
    /// All messages of the topic from now on are events.
    Subscribed(Bytes),
    Unsubscribed(Bytes),
    /// Events that arrived and did not fit.
    Dropped(u64),
}

pub struct MasterLink<T> {
    settings: Arc<LinkSettings>,
    partitions: Vec<LinkPartition<T>>,
    places: HashMap<Partition, usize>,
    mark_topics: HashSet<Bytes>,
    topics: Topics,
    marks: Marks,
    reads: VecDeque<QueuedRead<T>>,
    /// The places of partitions whose floor may be lost.
    floors: Vec<usize>,
    events: VecDeque<LinkEvent<T>>,
    last_run: Option<MasterRun>,
    backoff: Backoff,
    /// The listening connection, while there is no talking one.
    kept: Option<Listening>,
    phase: LinkPhase<T>,
}

type Opening = Pin<Box<dyn Future<Output = Result<OpenedConnections, LinkError>> + Send>>;

enum LinkPhase<T> {
    Paused { until: Instant },
    Opening(Opening),
    Live(Box<Live<T>>),
}

impl<T: Send + 'static> MasterLink<T> {
    pub fn new(settings: LinkSettings, partitions: Vec<LinkPartition<T>>) -> Self {
        let mut topics = Topics::default();
        for place in &partitions {
            topics.subscribe(TopicGroup::Partition(place.partition), place.mark_topic.clone());
        }
        Self {
            settings: Arc::new(settings),
            places: partitions.iter().map(|place| place.partition).zip(0..).collect(),
            mark_topics: partitions.iter().map(|place| place.mark_topic.clone()).collect(),
            partitions,
            topics,
            marks: Marks::new(random()),
            reads: VecDeque::new(),
            floors: Vec::new(),
            events: VecDeque::new(),
            last_run: None,
            backoff: Backoff::default(),
            kept: None,
            phase: LinkPhase::Paused { until: Instant::now() },
        }
    }

    /// True while commands reach the master and messages come back.
    pub fn is_up(&self) -> bool {
        matches!(&self.phase, LinkPhase::Live(live) if live.is_up())
    }

    /// True if no command waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.partitions.iter().all(|place| place.lane.is_empty())
    }

    /// False if the link does not have the partition.
    pub fn push(
        &mut self,
        partition: Partition,
        kind: CommandKind,
        command: Cmd,
        token: T,
    ) -> bool {
        let Some(place) = self.places.get(&partition) else { return false };
        self.partitions[*place].lane.push(kind, command, token, Instant::now());
        true
    }

    /// A read among the commands of a partition. Neither does it wait nor is it repeated: without a
    /// master the event `ReadLost` follows.
    pub fn read_in(&mut self, partition: Partition, commands: Vec<Cmd>, token: T) {
        match self.places.get(&partition).filter(|_| self.is_up()) {
            Some(place) => {
                self.partitions[*place].lane.push_read(QueuedRead::Plain { commands, token });
            }
            None => self.events.push_back(LinkEvent::ReadLost(token)),
        }
    }

    /// A read in no order.
    pub fn read(&mut self, commands: Vec<Cmd>, token: T) {
        match self.is_up() {
            true => self.reads.push_back(QueuedRead::Plain { commands, token }),
            false => self.events.push_back(LinkEvent::ReadLost(token)),
        }
    }

    /// Among the commands of the partition. `None` unless the link is up and has the partition: no
    /// snapshot waits for a master.
    pub fn snapshot(
        &mut self,
        partition: Partition,
        channel: Id,
        keys: Keys,
        log_after: Option<u64>,
    ) -> Option<Mark> {
        if !self.is_up() {
            return None;
        }
        let place = &mut self.partitions[*self.places.get(&partition)?];
        let mark = self.marks.draw(channel);
        let (mark_topic, keys) = (place.mark_topic.clone(), Box::new(keys));
        let read = QueuedRead::Snapshot { mark, mark_topic, keys, log_after, when_full: false };
        place.lane.push_read(read);
        Some(mark)
    }

    pub fn subscribe(&mut self, group: TopicGroup, topic: Bytes) {
        if self.topics.subscribe(group, topic.clone()) {
            self.events.push_back(LinkEvent::Subscribed(topic));
        }
    }

    pub fn unsubscribe(&mut self, topic: &Bytes) {
        self.topics.unsubscribe(topic);
    }

    /// The next master must not give out a number up to this one again.
    pub fn saw_number(&mut self, partition: Partition, number: u64) {
        if let Some(place) = self.places.get(&partition) {
            let place = &mut self.partitions[*place];
            place.known = place.known.max(number);
        }
    }

    /// Redis has lost the partition, and kept the connection. Before all that is added from now on.
    pub fn raise_floor(&mut self, partition: Partition) {
        self.floors.extend(self.places.get(&partition));
    }

    /// For another link. What has no answer will be sent again.
    pub fn into_partitions(mut self) -> Vec<LinkPartition<T>> {
        for place in &mut self.partitions {
            place.lane.connection_lost();
        }
        self.partitions
    }

    /// Can be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> LinkEvent<T> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            self.expire_events(Instant::now());
            if self.events.is_empty() {
                self.advance().await;
            }
        }
    }

    async fn advance(&mut self) {
        let expiry = self.expiry();
        match &mut self.phase {
            LinkPhase::Paused { until } => {
                let until = *until;
                tokio::select! {
                    biased;
                    step = Listening::next(&mut self.kept) => self.heard(step),
                    () = sleep_until(expiry.map_or(until, |expiry| expiry.min(until))) => {}
                }
                if until <= Instant::now() {
                    self.phase = LinkPhase::Opening(self.opening());
                }
            }
            LinkPhase::Opening(opening) => {
                let opened = tokio::select! {
                    biased;
                    opened = opening => opened,
                    step = Listening::next(&mut self.kept) => return self.heard(step),
                    () = sleep_until_any(expiry) => return,
                };
                match opened {
                    Ok(opened) => self.begin(opened),
                    Err(error) => self.pause(error),
                }
            }
            LinkPhase::Live(_) => self.advance_live(expiry).await,
        }
    }

    fn begin(&mut self, opened: OpenedConnections) {
        let OpenedConnections { talking, listening } = opened;
        let is_kept = listening.is_none();
        if !is_kept {
            self.drop_listening();
        }
        // The kept one may have ended in the meantime.
        let Some(listening) = listening.or_else(|| self.kept.take()) else {
            return self.pause(LinkError::Closed);
        };
        self.topics.connected();
        let mut live = Live::new(ConnectionPair::new(talking, listening));
        if is_kept {
            live.is_unsure = true;
            self.events.extend(self.topics.heard().cloned().map(LinkEvent::Subscribed));
        } else {
            let engine_time_ms = live.pair.engine_time_ms();
            self.events.push_back(LinkEvent::Connected { engine_time_ms });
        }
        self.phase = LinkPhase::Live(Box::new(live));
    }

    fn opening(&self) -> Opening {
        let floor = |place: &LinkPartition<T>| FloorRequest {
            keys: place.keys.clone(),
            came_from: place.came_from.clone(),
            known: place.known,
        };
        let floors = self.partitions.iter().map(floor).collect();
        let kept = self.kept.as_ref().map(|listening| listening.master().run.clone());
        Box::pin(OpenedConnections::open(self.settings.clone(), floors, kept))
    }

    fn pause(&mut self, error: LinkError) {
        self.events.push_back(LinkEvent::Away(error));
        self.wait_for_retry();
    }

    fn wait_for_retry(&mut self) {
        self.phase = LinkPhase::Paused { until: self.next_attempt() };
    }

    fn next_attempt(&mut self) -> Instant {
        let now = Instant::now();
        let part = random() as f64 / u64::MAX as f64;
        now + self.backoff.lost(now, part)
    }

    /// While the link is up, events are not late: they are on their way.
    fn expire_events(&mut self, now: Instant) {
        if self.is_up() {
            return;
        }
        let Some(before) = now.checked_sub(EVENT_LIFETIME) else { return };
        for place in &mut self.partitions {
            let expired = place.lane.expire(before);
            self.events.extend(expired.into_iter().map(LinkEvent::Expired));
        }
    }

    /// When the next event is too old.
    fn expiry(&self) -> Option<Instant> {
        if self.is_up() {
            return None;
        }
        let oldest = self.partitions.iter().filter_map(|place| place.lane.oldest_event()).min();
        oldest.map(|oldest| oldest + EVENT_LIFETIME)
    }
}

/// For pauses and the first of consecutive marks, neither of which is a secret.
fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}

async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// For ever, without a time.
async fn sleep_until_any(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
