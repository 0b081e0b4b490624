//! The publications without an answer, in the order of their lanes.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::cluster::{
    node::{
        commands::{Publication, PublicationEnd},
        opening::NodeOpening,
    },
    replica::input::SentId,
};

/// A posted event with an answer may still come back for this long, on a slow connection.
const RETURN_TIME: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct PendingPublications {
    next: u64,
    pending: BTreeMap<u64, PendingPublication>,
    numbers: HashMap<SentId, u64>,
    /// Events that were posted early and have left their lanes.
    left: VecDeque<(Instant, SentId)>,
}

pub struct PendingPublication {
    pub publication: Publication,
    pub id: SentId,
    /// Stays, when the event is sealed anew.
    pub sent_ms: u64,
    /// The time of its first way into a lane.
    pub since: Instant,
    pub delivery: OwnDelivery,
}

/// What this node's subscribers have of an own event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OwnDelivery {
    OnItsWay,
    /// It has come back.
    CameBack,
    /// It was posted before it came back.
    PostedEarly,
}

impl PendingPublications {
    /// At the end of the order. Returns its number.
    pub fn add(&mut self, publication: PendingPublication) -> u64 {
        let number = self.next;
        self.next += 1;
        self.numbers.insert(publication.id, number);
        self.pending.insert(number, publication);
        number
    }

    pub fn remove(&mut self, number: u64, now: Instant) -> Option<PendingPublication> {
        let publication = self.pending.remove(&number)?;
        self.numbers.remove(&publication.id);
        if publication.delivery == OwnDelivery::PostedEarly {
            self.left.push_back((now, publication.id));
        }
        Some(publication)
    }

    pub fn came_back(&mut self, id: &SentId) {
        let pending = self.numbers.get(id).and_then(|number| self.pending.get_mut(number));
        if let Some(pending) = pending.filter(|it| it.delivery == OwnDelivery::OnItsWay) {
            pending.delivery = OwnDelivery::CameBack;
        }
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut PendingPublication> {
        self.pending.values_mut()
    }

    pub fn forget_returned(&mut self, now: Instant, opening: &mut NodeOpening) {
        while let Some((_, id)) = self.left.pop_front_if(|(left, _)| now - *left >= RETURN_TIME) {
            opening.forget_posted(&id);
        }
    }
}

impl PendingPublication {
    /// It is never posted before Redis has it.
    pub fn is_logged(&self) -> bool {
        self.publication.log.is_some()
    }

    pub fn answer(&mut self, publishing: PublicationEnd) {
        answer(&mut self.publication.done, publishing);
    }
}

pub fn answer(done: &mut Option<oneshot::Sender<PublicationEnd>>, publishing: PublicationEnd) {
    if let Some(done) = done.take() {
        // Who asked may have given up.
        let _ = done.send(publishing);
    }
}
