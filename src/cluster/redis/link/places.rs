//! The groups of topics that a link serves: partitions, each with its lane, and the control group.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{LinkPartition, timing::SILENCE_TIMEOUT};
use crate::cluster::{
    names::{Partition, PartitionSet},
    redis::{lane::Lane, listener::TopicGroup},
};

/// What an event of a link is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkReach {
    pub partitions: PartitionSet,
    /// The keys and topics of the nodes.
    pub control: bool,
}

/// A group at home on a link.
pub struct LinkPlace<T> {
    /// `None` for the control group, which has no lane.
    pub served: Option<LinkPartition<T>>,
    pub stage: PlaceStage,
    /// Nothing is sent before then.
    pub hold_until: Option<Instant>,
    pub lapse: Option<Lapse>,
}

/// A time without an answer, although the link may be up.
#[derive(Clone, Copy)]
pub struct Lapse {
    pub since: Instant,
    /// The owner of the link knows that the group is away.
    pub is_told: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlaceStage {
    /// It comes and goes with the link.
    Settled,
    /// It came to a link that is up, and needs its floor.
    New,
    /// The floor is on its way.
    Raising,
    /// The floor is raised. Topics may not be subscribed yet.
    Raised,
    /// Redis serves it elsewhere.
    Leaving,
}

pub struct LinkPlaces<T>(Vec<Option<LinkPlace<T>>>);

/// A group on its way to another link.
pub struct MovedGroup<T> {
    pub group: TopicGroup,
    pub place: LinkPlace<T>,
    pub topics: Vec<Bytes>,
}

impl LinkReach {
    pub fn is_empty(self) -> bool {
        self.partitions.is_empty() && !self.control
    }

    fn insert(&mut self, group: TopicGroup) {
        match group {
            TopicGroup::Control => self.control = true,
            TopicGroup::Partition(partition) => self.partitions.insert(partition),
        }
    }
}

impl From<TopicGroup> for LinkReach {
    fn from(group: TopicGroup) -> Self {
        [group].into_iter().collect()
    }
}

impl FromIterator<TopicGroup> for LinkReach {
    fn from_iter<I: IntoIterator<Item = TopicGroup>>(groups: I) -> Self {
        let mut reach = Self::default();
        groups.into_iter().for_each(|group| reach.insert(group));
        reach
    }
}

impl<T> LinkPlace<T> {
    pub fn new(served: Option<LinkPartition<T>>) -> Self {
        Self { served, stage: PlaceStage::Settled, hold_until: None, lapse: None }
    }

    /// On a link that is up.
    pub fn may_send(&self) -> bool {
        self.stage == PlaceStage::Settled && self.hold_until.is_none()
    }

    pub fn begin_lapse(&mut self, now: Instant) {
        self.lapse.get_or_insert(Lapse { since: now, is_told: false });
    }

    /// When it counts as away.
    pub fn away_at(&self) -> Option<Instant> {
        let lapse = self.lapse.filter(|lapse| !lapse.is_told)?;
        Some(lapse.since + SILENCE_TIMEOUT)
    }

    pub fn hold(&mut self, until: Instant) {
        self.hold_until = self.hold_until.max(Some(until));
    }

    pub fn has_nothing_to_send(&self) -> bool {
        self.served.as_ref().is_none_or(|served| served.lane.is_empty())
    }

    pub fn has_answers_to_come(&self) -> bool {
        self.served.as_ref().is_some_and(|served| served.lane.awaits_answers())
    }
}

impl<T> LinkPlaces<T> {
    pub fn new() -> Self {
        Self((0..=Partition::COUNT).map(|_| None).collect())
    }

    pub fn insert(&mut self, group: TopicGroup, place: LinkPlace<T>) {
        self.0[index(group)] = Some(place);
    }

    pub fn remove(&mut self, group: TopicGroup) -> Option<LinkPlace<T>> {
        self.0[index(group)].take()
    }

    pub fn get(&self, group: TopicGroup) -> Option<&LinkPlace<T>> {
        self.0[index(group)].as_ref()
    }

    pub fn get_mut(&mut self, group: TopicGroup) -> Option<&mut LinkPlace<T>> {
        self.0[index(group)].as_mut()
    }

    /// A partition with commands that may go out.
    pub fn sending_mut(&mut self, index: usize) -> Option<&mut LinkPartition<T>> {
        let place = self.0.get_mut(index)?.as_mut().filter(|place| place.may_send())?;
        place.served.as_mut()
    }

    /// One whose answers show that the master takes writes.
    pub fn proving(&self) -> Option<&LinkPartition<T>> {
        let sending = self.iter().filter(|(_, place)| place.may_send());
        sending.filter_map(|(_, place)| place.served.as_ref()).next()
    }

    pub fn partition(&self, partition: Partition) -> Option<&LinkPartition<T>> {
        self.get(TopicGroup::Partition(partition))?.served.as_ref()
    }

    pub fn partition_mut(&mut self, partition: Partition) -> Option<&mut LinkPartition<T>> {
        self.get_mut(TopicGroup::Partition(partition))?.served.as_mut()
    }

    pub fn lane_mut(&mut self, partition: Partition) -> Option<&mut Lane<T>> {
        self.partition_mut(partition).map(|served| &mut served.lane)
    }

    pub fn iter(&self) -> impl Iterator<Item = (TopicGroup, &LinkPlace<T>)> {
        groups().zip(&self.0).filter_map(|(group, place)| Some((group, place.as_ref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (TopicGroup, &mut LinkPlace<T>)> {
        groups().zip(&mut self.0).filter_map(|(group, place)| Some((group, place.as_mut()?)))
    }

    pub fn partitions(&self) -> impl Iterator<Item = &LinkPartition<T>> {
        self.iter().filter_map(|(_, place)| place.served.as_ref())
    }

    pub fn partitions_mut(&mut self) -> impl Iterator<Item = &mut LinkPartition<T>> {
        self.iter_mut().filter_map(|(_, place)| place.served.as_mut())
    }

    pub fn reach(&self) -> LinkReach {
        self.iter().map(|(group, _)| group).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// All groups of a cluster.
pub fn groups() -> impl Iterator<Item = TopicGroup> {
    Partition::all().map(TopicGroup::Partition).chain([TopicGroup::Control])
}

fn index(group: TopicGroup) -> usize {
    match group {
        TopicGroup::Partition(partition) => partition.index(),
        TopicGroup::Control => Partition::COUNT,
    }
}

/// After an error reply that says that the slot is moving.
pub const MOVING_PAUSE: Duration = Duration::from_millis(100);

/// Since a move. Other nodes subscribe at the new master as well, and would miss earlier events.
pub const MOVE_HOLD: Duration = Duration::from_millis(500);

/// From the first sign of a move to the end of all topics. Both connections end otherwise.
pub const LEAVING_TIMEOUT: Duration = Duration::from_secs(2);
