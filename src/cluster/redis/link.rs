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
mod event;
mod inbox;
mod listening;
mod live;
mod memory;
mod moving;
mod pair;
mod places;
mod search;
mod served;
mod stall;
mod timing;
pub mod tls;

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::Cmd;

pub use connection::ask_once;
pub use endpoint::{MasterAddress, RedisAccess};
pub use error::LinkError;
pub use event::LinkEvent;
use listening::Listening;
use live::Live;
use pair::{ConnectionPair, FloorRequest, OpenedConnections};
use places::{LinkPlace, LinkPlaces, PlaceStage};
pub use places::{LinkReach, MovedGroup, groups};
pub use served::{LinkPartition, PartitionNames};
pub use timing::Backoff;

use super::{
    Id,
    keys::Keys,
    lane::{CommandKind, Lane},
    listener::{TopicGroup, Topics},
    marks::Marks,
    messages::Mark,
    reads::QueuedRead,
    scripts::Scripts,
};
use crate::cluster::names::{Partition, PartitionSet};

/// Events are kept for the other nodes for this time while the master is away.
pub const EVENT_LIFETIME: Duration = Duration::from_secs(10);

pub struct LinkSettings {
    pub address: MasterAddress,
    pub access: Arc<RedisAccess>,
    pub scripts: Arc<Scripts>,
    /// The most bytes of events that wait for the owner of the link.
    pub inbox_bytes: usize,
}

pub struct MasterLink<T> {
    settings: Arc<LinkSettings>,
    places: LinkPlaces<T>,
    mark_topics: HashSet<Bytes>,
    topics: Topics,
    marks: Marks,
    reads: VecDeque<QueuedRead<T>>,
    /// Partitions whose floor may be lost.
    floors: PartitionSet,
    events: VecDeque<LinkEvent<T>>,
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
    /// Without anything to serve.
    pub fn new(settings: LinkSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            places: LinkPlaces::new(),
            mark_topics: HashSet::new(),
            topics: Topics::default(),
            marks: Marks::new(random()),
            reads: VecDeque::new(),
            floors: PartitionSet::default(),
            events: VecDeque::new(),
            backoff: Backoff::default(),
            kept: None,
            phase: LinkPhase::Paused { until: Instant::now() },
        }
    }

    pub fn serve(&mut self, partition: LinkPartition<T>) {
        let group = TopicGroup::Partition(partition.names.partition);
        let place = LinkPlace::new(Some(partition));
        self.adopt(MovedGroup { group, place, topics: Vec::new() });
    }

    pub fn serve_control(&mut self) {
        let (group, place) = (TopicGroup::Control, LinkPlace::new(None));
        self.adopt(MovedGroup { group, place, topics: Vec::new() });
    }

    /// True while commands reach the master and messages come back.
    pub fn is_up(&self) -> bool {
        matches!(&self.phase, LinkPhase::Live(live) if live.is_up())
    }

    /// True if no command waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.places.partitions().all(|served| served.lane.is_empty())
    }

    /// True if it serves nothing, and nothing waits for an answer or its owner.
    pub fn is_vacant(&self) -> bool {
        let is_live = matches!(self.phase, LinkPhase::Live(_));
        self.places.is_empty() && !is_live && self.reads.is_empty() && self.events.is_empty()
    }

    /// All messages of the topic are events.
    pub fn hears(&self, topic: &Bytes) -> bool {
        self.topics.is_heard(topic)
    }

    /// False if the link does not have the partition.
    pub fn push(
        &mut self,
        partition: Partition,
        kind: CommandKind,
        command: Cmd,
        token: T,
    ) -> bool {
        let Some(lane) = self.places.lane_mut(partition) else { return false };
        lane.push(kind, command, token, Instant::now());
        true
    }

    /// A read among the commands of a partition. Neither does it wait nor is it repeated: without a
    /// master the event `ReadLost` follows.
    pub fn read_in(&mut self, partition: Partition, commands: Vec<Cmd>, token: T) {
        match self.lane_in_use(partition) {
            Some(lane) => lane.push_read(QueuedRead::Plain { commands, token }),
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
        self.lane_in_use(partition)?;
        let mark = self.marks.draw(channel);
        let served = self.places.partition_mut(partition)?;
        let (mark_topic, keys) = (served.names.mark_topic.clone(), Box::new(keys));
        let read = QueuedRead::Snapshot { mark, mark_topic, keys, log_after, when_full: false };
        served.lane.push_read(read);
        Some(mark)
    }

    /// `None` unless its commands go out.
    fn lane_in_use(&mut self, partition: Partition) -> Option<&mut Lane<T>> {
        let is_up = self.is_up();
        let place = self.places.get_mut(TopicGroup::Partition(partition))?;
        let is_settled = is_up && place.stage == PlaceStage::Settled;
        place.served.as_mut().filter(|_| is_settled).map(|served| &mut served.lane)
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
        if let Some(served) = self.places.partition_mut(partition) {
            served.known = served.known.max(number);
        }
    }

    /// Redis has lost the partition, and kept the connection. Before all that is added from now on.
    pub fn raise_floor(&mut self, partition: Partition) {
        if self.places.partition(partition).is_some() {
            self.floors.insert(partition);
        }
    }

    fn is_of_cluster(&self) -> bool {
        matches!(self.settings.address, MasterAddress::OfCluster(_))
    }

    /// The next event that is there already.
    pub fn ready_event(&mut self) -> Option<LinkEvent<T>> {
        self.events.pop_front()
    }

    /// Can be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> LinkEvent<T> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let now = Instant::now();
            self.expire_events(now);
            if self.run_place_timers(now) {
                self.close(LinkError::SlotMoved);
            }
            if self.events.is_empty() {
                self.advance().await;
            }
        }
    }

    async fn advance(&mut self) {
        let expiry = self.expiry().into_iter().chain(self.next_place_timer()).min();
        let has_address = !matches!(self.settings.address, MasterAddress::Nowhere);
        match &mut self.phase {
            LinkPhase::Paused { .. } if !has_address => sleep_until_any(expiry).await,
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
        let staying = self.places.iter_mut().filter(|(_, it)| it.stage != PlaceStage::Leaving);
        staying.for_each(|(_, place)| {
            place.stage = PlaceStage::Settled;
        });
        if is_kept {
            live.is_unsure = true;
            self.events.extend(self.topics.heard().cloned().map(LinkEvent::Subscribed));
        } else {
            let engine_time_ms = live.pair.engine_time_ms();
            let reach = self.places.reach();
            self.events.push_back(LinkEvent::Connected { reach, engine_time_ms });
        }
        self.phase = LinkPhase::Live(Box::new(live));
    }

    fn opening(&self) -> Opening {
        let floor = |served: &LinkPartition<T>| FloorRequest {
            keys: served.names.keys.clone(),
            came_from: served.came_from.clone(),
            known: served.known,
        };
        let floors = self.places.partitions().map(floor).collect();
        let kept = self.kept.as_ref().map(|listening| listening.master().run.clone());
        Box::pin(OpenedConnections::open(self.settings.clone(), floors, kept))
    }

    fn pause(&mut self, error: LinkError) {
        self.tell_away(error);
        self.wait_for_retry();
    }

    fn tell_away(&mut self, error: LinkError) {
        let now = Instant::now();
        for (_, place) in self.places.iter_mut() {
            place.begin_lapse(now);
            place.lapse.iter_mut().for_each(|lapse| lapse.is_told = true);
        }
        let reach = self.places.reach();
        self.events.push_back(LinkEvent::Away { reach, error });
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
        let Some(before) = now.checked_sub(EVENT_LIFETIME) else { return };
        let is_up = self.is_up();
        for served in waiting(&mut self.places, is_up) {
            let expired = served.lane.expire(before);
            self.events.extend(expired.into_iter().map(LinkEvent::Expired));
        }
    }

    /// When the next event is too old.
    fn expiry(&mut self) -> Option<Instant> {
        let is_up = self.is_up();
        let lanes = waiting(&mut self.places, is_up);
        let oldest = lanes.filter_map(|served| served.lane.oldest_event()).min();
        oldest.map(|oldest| oldest + EVENT_LIFETIME)
    }
}

/// The partitions whose commands do not go out.
fn waiting<T>(
    places: &mut LinkPlaces<T>,
    is_up: bool,
) -> impl Iterator<Item = &mut LinkPartition<T>> {
    let waiting = places.iter_mut().filter(move |(_, place)| !is_up || place.lapse.is_some());
    waiting.filter_map(|(_, place)| place.served.as_mut())
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
