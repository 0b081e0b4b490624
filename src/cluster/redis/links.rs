//! All masters of Redis, as one: a link to each, and the way of each command.
//!
//! Without a Redis Cluster there is one link. With one, the survey says which master serves which
//! slot, and groups without a known master are at home on a link without an address. A group
//! leaves a link that is up by that link's own evidence alone, since a map may be old.

mod moves;
mod reads;
mod survey;

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Instant,
};

use bytes::Bytes;
use redis::Cmd;

use moves::RecentMoves;
use reads::{GatheredReads, RoutedToken};
use survey::Survey;

use super::{
    Id,
    backlog::Backlog,
    keys::Keys,
    lane::{Answered, CommandKind},
    link::{
        LinkError, LinkEvent, LinkPartition, LinkReach, LinkSettings, MasterAddress, MasterLink,
        PartitionNames, RedisAccess,
    },
    listener::TopicGroup,
    messages::Mark,
    scripts::Scripts,
    slots::SlotMap,
};
use crate::cluster::{names::Partition, url::RedisHost};

pub struct EngineSettings {
    pub address: EngineAddress,
    pub access: Arc<RedisAccess>,
    pub scripts: Arc<Scripts>,
    /// The most bytes of events that wait for the owner of the links, from each master.
    pub inbox_bytes: usize,
    /// Of the one key without a hash tag.
    pub identity_slot: u16,
}

pub enum EngineAddress {
    One(MasterAddress),
    /// Some servers of a Redis Cluster. They know the others.
    Cluster(Vec<RedisHost>),
}

/// `T` tells the owner what a command or a read was.
pub struct MasterLinks<T> {
    access: Arc<RedisAccess>,
    scripts: Arc<Scripts>,
    inbox_bytes: usize,
    identity_slot: u16,
    /// By number. `None`: it served nothing any more.
    links: Vec<Option<HostLink<T>>>,
    /// The number of each group's link.
    homes: BTreeMap<TopicGroup, usize>,
    /// `None` without a Redis Cluster.
    survey: Option<Survey>,
    recent_moves: RecentMoves,
    gathered: GatheredReads<T>,
    events: VecDeque<LinkEvent<T>>,
    /// The control group is up, and the master of the identity is not.
    is_control_held: bool,
    /// The link that is asked first.
    turn: usize,
}

struct HostLink<T> {
    /// `None` for the first link, which needs no map.
    host: Option<RedisHost>,
    link: MasterLink<RoutedToken<T>>,
}

/// The link that is there from the beginning: the only one, or the one without an address.
const FIRST: usize = 0;

enum LinksStep<T> {
    Event(usize, LinkEvent<RoutedToken<T>>),
    Surveyed(Result<SlotMap, LinkError>),
}

impl<T: Send + 'static> MasterLinks<T> {
    pub fn new(
        settings: EngineSettings,
        partitions: impl IntoIterator<Item = PartitionNames>,
        backlog: &Backlog,
    ) -> Self {
        let EngineSettings { address, access, scripts, inbox_bytes, identity_slot } = settings;
        let (address, survey) = match address {
            EngineAddress::One(address) => (address, None),
            EngineAddress::Cluster(seeds) => {
                (MasterAddress::Nowhere, Some(Survey::new(seeds, access.clone())))
            }
        };
        let mut links = Self {
            access,
            scripts,
            inbox_bytes,
            identity_slot,
            links: Vec::new(),
            homes: super::link::groups().map(|group| (group, FIRST)).collect(),
            survey,
            recent_moves: RecentMoves::default(),
            gathered: GatheredReads::default(),
            events: VecDeque::new(),
            is_control_held: false,
            turn: 0,
        };
        let mut link = links.open_link(address);
        link.serve_control();
        for names in partitions {
            link.serve(LinkPartition::new(names, backlog));
        }
        links.links.push(Some(HostLink { host: None, link }));
        links
    }

    /// True if no command waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.links.iter().flatten().all(|it| it.link.is_idle())
    }

    /// True while a master refuses what needs memory.
    pub fn is_full(&self) -> bool {
        self.links.iter().flatten().any(|it| it.link.is_full())
    }

    pub fn push(&mut self, partition: Partition, kind: CommandKind, command: Cmd, token: T) {
        if let Some(link) = self.home(TopicGroup::Partition(partition)) {
            link.push(partition, kind, command, RoutedToken::Whole(token));
        }
    }

    /// A read among the commands of a partition. Neither does it wait nor is it repeated: without a
    /// master the event `ReadLost` follows.
    pub fn read_in(&mut self, partition: Partition, commands: Vec<Cmd>, token: T) {
        if let Some(link) = self.home(TopicGroup::Partition(partition)) {
            link.read_in(partition, commands, RoutedToken::Whole(token));
        }
    }

    /// Among the commands of the partition. `None` unless it is up: no snapshot waits for a master.
    pub fn snapshot(
        &mut self,
        partition: Partition,
        channel: Id,
        keys: Keys,
        log_after: Option<u64>,
    ) -> Option<Mark> {
        self.home(TopicGroup::Partition(partition))?.snapshot(partition, channel, keys, log_after)
    }

    pub fn subscribe(&mut self, group: TopicGroup, topic: Bytes) {
        if let Some(link) = self.home(group) {
            link.subscribe(group, topic);
        }
    }

    pub fn unsubscribe(&mut self, group: TopicGroup, topic: &Bytes) {
        if let Some(link) = self.home(group) {
            link.unsubscribe(topic);
        }
    }

    /// All messages of the topic are events.
    pub fn hears(&self, group: TopicGroup, topic: &Bytes) -> bool {
        let home = self.homes.get(&group).and_then(|at| self.links[*at].as_ref());
        home.is_some_and(|it| it.link.hears(topic))
    }

    /// The next master must not give out a number up to this one again.
    pub fn saw_number(&mut self, partition: Partition, number: u64) {
        if let Some(link) = self.home(TopicGroup::Partition(partition)) {
            link.saw_number(partition, number);
        }
    }

    /// Redis has lost the partition, and kept the connection. Before all that is added from now on.
    pub fn raise_floor(&mut self, partition: Partition) {
        if let Some(link) = self.home(TopicGroup::Partition(partition)) {
            link.raise_floor(partition);
        }
    }

    /// Can be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> LinkEvent<T> {
        loop {
            if let Some(event) = self.ready_event() {
                return event;
            }
            match self.step().await {
                LinksStep::Event(at, event) => self.take(at, event),
                LinksStep::Surveyed(map) => self.surveyed(map, Instant::now()),
            }
        }
    }

    fn ready_event(&mut self) -> Option<LinkEvent<T>> {
        while self.events.is_empty() {
            let links = self.links.iter_mut().enumerate();
            let ready = |(at, link): (usize, &mut Option<HostLink<T>>)| {
                Some((at, link.as_mut()?.link.ready_event()?))
            };
            let (at, event) = links.filter_map(ready).next()?;
            self.take(at, event);
        }
        self.events.pop_front()
    }

    async fn step(&mut self) -> LinksStep<T> {
        if let (None, [Some(only)]) = (&self.survey, &mut self.links[..]) {
            return LinksStep::Event(FIRST, only.link.next().await);
        }
        self.turn = self.turn.wrapping_add(1);
        let links = self.links.iter_mut().enumerate();
        let mut nexts: Vec<_> = links
            .filter_map(|(at, link)| Some((at, Box::pin(link.as_mut()?.link.next()))))
            .collect();
        let first = self.turn % nexts.len().max(1);
        nexts.rotate_left(first);
        let mut surveyed = pin!(Survey::next(&mut self.survey));
        poll_fn(|context| {
            for (at, next) in &mut nexts {
                if let Poll::Ready(event) = next.as_mut().poll(context) {
                    return Poll::Ready(LinksStep::Event(*at, event));
                }
            }
            surveyed.as_mut().poll(context).map(LinksStep::Surveyed)
        })
        .await
    }

    /// Brings an event of a link to the owner.
    fn take(&mut self, at: usize, event: LinkEvent<RoutedToken<T>>) {
        let event = match event {
            LinkEvent::Connected { reach, engine_time_ms } => {
                LinkEvent::Connected { reach, engine_time_ms }
            }
            LinkEvent::Up { reach, changed } => {
                let reach = self.held_back(reach);
                if reach.is_empty() {
                    return;
                }
                LinkEvent::Up { reach, changed }
            }
            LinkEvent::Away { reach, error } => {
                // The survey repeats its own failures.
                if at != FIRST {
                    self.refresh();
                }
                self.is_control_held &= !reach.control;
                if reach.is_empty() {
                    return;
                }
                LinkEvent::Away { reach, error }
            }
            LinkEvent::Moved(group) => return self.moved(at, group, Instant::now()),
            LinkEvent::Answered(answered) => match answered.into_whole() {
                Some(answered) => LinkEvent::Answered(answered),
                None => return,
            },
            LinkEvent::Expired(RoutedToken::Whole(token)) => LinkEvent::Expired(token),
            LinkEvent::Read { token, answers } => return self.read_answered(token, answers),
            LinkEvent::ReadLost(token) => return self.read_lost(token),
            LinkEvent::Expired(RoutedToken::Part { .. }) => return,
            LinkEvent::Snapshot { mark, snapshot } => LinkEvent::Snapshot { mark, snapshot },
            LinkEvent::Mark(mark) => LinkEvent::Mark(mark),
            LinkEvent::Message { topic, message } => LinkEvent::Message { topic, message },
            LinkEvent::Subscribed(topic) => LinkEvent::Subscribed(topic),
            LinkEvent::Unsubscribed(topic) => LinkEvent::Unsubscribed(topic),
            LinkEvent::Dropped(events) => LinkEvent::Dropped(events),
            LinkEvent::MemoryChanged => LinkEvent::MemoryChanged,
        };
        self.events.push_back(event);
    }

    /// A node enters its cluster by the control group and the identity, which may be on two masters.
    fn held_back(&mut self, mut reach: LinkReach) -> LinkReach {
        let is_control_up = reach.control || self.is_control_held;
        reach.control = is_control_up && self.is_identity_up();
        self.is_control_held = is_control_up && !reach.control;
        reach
    }

    fn is_identity_up(&self) -> bool {
        let Some(survey) = &self.survey else { return true };
        let host = survey.map.as_ref().and_then(|map| map.master(self.identity_slot));
        let link = host.and_then(|host| self.number_of(host));
        link.and_then(|at| self.links[at].as_ref()).is_some_and(|it| it.link.is_up())
    }

    fn home(&mut self, group: TopicGroup) -> Option<&mut MasterLink<RoutedToken<T>>> {
        let at = *self.homes.get(&group)?;
        self.links[at].as_mut().map(|it| &mut it.link)
    }

    fn number_of(&self, host: &RedisHost) -> Option<usize> {
        let is_its =
            |it: &Option<HostLink<T>>| it.as_ref().is_some_and(|it| it.host.as_ref() == Some(host));
        self.links.iter().position(is_its)
    }

    fn open_link(&self, address: MasterAddress) -> MasterLink<RoutedToken<T>> {
        MasterLink::new(LinkSettings {
            address,
            access: self.access.clone(),
            scripts: self.scripts.clone(),
            inbox_bytes: self.inbox_bytes,
        })
    }
}

impl<T> Answered<RoutedToken<T>> {
    /// Commands are never split.
    fn into_whole(self) -> Option<Answered<T>> {
        match self {
            Self::Done { token: RoutedToken::Whole(token), reply } => {
                Some(Answered::Done { token, reply })
            }
            Self::NotDone { token: RoutedToken::Whole(token), refusal } => {
                Some(Answered::NotDone { token, refusal })
            }
            Self::Done { .. } | Self::NotDone { .. } => None,
        }
    }
}
