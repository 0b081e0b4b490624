//! Groups that come to a link that is up, and those that Redis serves elsewhere.

use std::time::Instant;

use redis::Value;

use super::{
    LinkError, LinkEvent, LinkPhase, MasterLink,
    live::LinkStage,
    places::{
        LEAVING_TIMEOUT, LinkPlace, LinkReach, MOVE_HOLD, MOVING_PAUSE, MovedGroup, PlaceStage,
    },
};
use crate::cluster::{
    names::Partition,
    redis::{checks, listener::TopicGroup},
};

impl<T: Send + 'static> MasterLink<T> {
    /// Redis serves the group elsewhere. `LinkEvent::Moved` follows when nothing of it is on its way
    /// here any more.
    pub fn leave(&mut self, group: TopicGroup, now: Instant) {
        let Some(place) = self.places.get_mut(group) else { return };
        if place.stage != PlaceStage::Leaving {
            place.stage = PlaceStage::Leaving;
            place.begin_lapse(now);
            place.hold(now + MOVE_HOLD);
            self.topics.begin_leaving(group);
            self.lose_reads(group);
        }
        self.check_left(group);
    }

    /// Takes a group that has left, or is on a link without connections.
    pub fn release(&mut self, group: TopicGroup) -> Option<MovedGroup<T>> {
        let mut place = self.places.remove(group)?;
        let mut topics = self.topics.take_group(group);
        if let Some(served) = &mut place.served {
            self.mark_topics.remove(&served.names.mark_topic);
            served.lane.connection_lost().into_iter().for_each(|read| self.read_lost(read));
            topics.retain(|topic| *topic != served.names.mark_topic);
        }
        self.reopen();
        Some(MovedGroup { group, place, topics })
    }

    /// A group of another link.
    pub fn adopt(&mut self, moved: MovedGroup<T>) {
        let MovedGroup { group, mut place, topics } = moved;
        place.stage = match &self.phase {
            LinkPhase::Live(_) => PlaceStage::New,
            LinkPhase::Paused { .. } | LinkPhase::Opening(_) => PlaceStage::Settled,
        };
        let mark_topic = place.served.as_ref().map(|served| served.names.mark_topic.clone());
        self.mark_topics.extend(mark_topic.clone());
        for topic in mark_topic.into_iter().chain(topics) {
            self.topics.subscribe(group, topic);
        }
        self.places.insert(group, place);
        self.reopen();
    }

    /// What is being opened raises the floors of the former places.
    fn reopen(&mut self) {
        match &mut self.phase {
            LinkPhase::Opening(_) => self.phase = LinkPhase::Opening(self.opening()),
            LinkPhase::Live(live) => live.restart_replacement(Instant::now()),
            LinkPhase::Paused { .. } => {}
        }
    }

    /// What it serves has no master that could be asked.
    pub fn stay_away(&mut self, error: LinkError) {
        self.tell_away(error);
    }

    /// What it serves counts as away after a second.
    pub fn begin_lapses(&mut self, now: Instant) {
        self.places.iter_mut().for_each(|(_, place)| place.begin_lapse(now));
    }

    pub fn serves_nothing(&self) -> bool {
        self.places.is_empty()
    }

    /// Ends both connections, if there are any. Every group can be released then.
    pub fn give_up(&mut self, error: LinkError) {
        if matches!(self.phase, LinkPhase::Live(_)) {
            self.fail(error);
        }
    }

    /// An error reply to a command of the partition.
    pub(super) fn note_move(&mut self, partition: Partition, answer: &Value, now: Instant) {
        let group = TopicGroup::Partition(partition);
        match checks::accept(answer, "EVALSHA") {
            Err(LinkError::SlotMoved) if self.is_of_cluster() => self.leave(group, now),
            Err(LinkError::SlotMoving) => {
                let Some(place) = self.places.get_mut(group) else { return };
                place.begin_lapse(now);
                place.hold(now + MOVING_PAUSE);
            }
            Err(_) => {}
            Ok(()) => {
                let is_told = |place: &LinkPlace<T>| place.lapse.is_some_and(|lapse| lapse.is_told);
                if let Some(place) = self.places.get_mut(group).filter(|it| !is_told(it))
                    && place.stage == PlaceStage::Settled
                {
                    place.lapse = None;
                }
            }
        }
    }

    pub(super) fn floors_raised(&mut self, raised: &[Partition], answers: &[Value], now: Instant) {
        for (partition, answer) in raised.iter().zip(answers) {
            let group = TopicGroup::Partition(*partition);
            let accepted = checks::accept(answer, "EVALSHA");
            if let Some(place) = self.places.get_mut(group)
                && place.stage == PlaceStage::Raising
            {
                place.stage = if accepted.is_ok() { PlaceStage::Raised } else { PlaceStage::New };
                if accepted.is_err() {
                    place.hold(now + MOVING_PAUSE);
                }
            }
            self.note_move(*partition, answer, now);
        }
    }

    /// The new places that are ready: floor and topics stand.
    pub(super) fn settle_places(&mut self) {
        let LinkPhase::Live(live) = &self.phase else { return };
        if !live.is_up() {
            return;
        }
        let (run, engine_time_ms) = (live.pair.run().clone(), live.pair.engine_time_ms());
        let topics = &self.topics;
        let ready = self.places.iter_mut().filter(|(group, place)| {
            let is_raised = match place.stage {
                PlaceStage::Raised => true,
                PlaceStage::New => place.served.is_none(),
                _ => false,
            };
            is_raised && topics.is_settled(*group)
        });
        let (mut reach, mut changed) = (Vec::new(), Vec::new());
        for (group, place) in ready {
            place.stage = PlaceStage::Settled;
            place.lapse = None;
            reach.push(group);
            if let Some(served) = &mut place.served
                && served.comes_from_another(&run)
            {
                changed.push(group);
            }
            if let Some(served) = &mut place.served {
                served.came_from = run.as_bytes().clone();
            }
        }
        if !reach.is_empty() {
            let reach: LinkReach = reach.into_iter().collect();
            let changed = changed.into_iter().collect::<LinkReach>().partitions;
            self.events.push_back(LinkEvent::Connected { reach, engine_time_ms });
            self.events.push_back(LinkEvent::Up { reach, changed });
        }
    }

    /// Places that wait: some may go on, some are away now. False unless a group has not left in
    /// time.
    pub(super) fn run_place_timers(&mut self, now: Instant) -> bool {
        let (mut late, mut is_stuck) = (Vec::new(), false);
        for (group, place) in self.places.iter_mut() {
            place.hold_until = place.hold_until.filter(|until| *until > now);
            // Nothing has waited.
            if place.stage == PlaceStage::Settled && place.has_nothing_to_send() {
                place.lapse = place.lapse.filter(|lapse| lapse.is_told);
            }
            if place.away_at().is_some_and(|at| at <= now)
                && let Some(lapse) = &mut place.lapse
            {
                lapse.is_told = true;
                late.push(group);
                // It shows with a floor that it may go on.
                if place.stage == PlaceStage::Settled {
                    place.stage = PlaceStage::New;
                }
            }
            let since = place.lapse.map(|lapse| lapse.since);
            is_stuck |= place.stage == PlaceStage::Leaving
                && since.is_some_and(|since| since + LEAVING_TIMEOUT <= now);
        }
        late.iter().for_each(|group| self.lose_reads(*group));
        let reach: LinkReach = late.into_iter().collect();
        if !reach.is_empty() {
            let error = LinkError::Unserved;
            self.events.push_back(LinkEvent::Away { reach, error });
        }
        is_stuck
    }

    pub(super) fn next_place_timer(&self) -> Option<Instant> {
        let is_live = matches!(self.phase, LinkPhase::Live(_));
        let times = self.places.iter().flat_map(|(_, place)| {
            let leaving = place.lapse.filter(|_| place.stage == PlaceStage::Leaving && is_live);
            let leaving = leaving.map(|lapse| lapse.since + LEAVING_TIMEOUT);
            [place.away_at(), place.hold_until, leaving]
        });
        times.flatten().min()
    }

    pub(super) fn check_left(&mut self, group: TopicGroup) {
        let Some(place) = self.places.get(group) else { return };
        let has_left = match &self.phase {
            LinkPhase::Live(_) => !place.has_answers_to_come() && self.topics.has_ended(group),
            LinkPhase::Paused { .. } | LinkPhase::Opening(_) => true,
        };
        if place.stage == PlaceStage::Leaving && has_left {
            self.events.push_back(LinkEvent::Moved(group));
        }
    }

    pub(super) fn check_all_left(&mut self) {
        let groups: Vec<_> = self.places.iter().map(|(group, _)| group).collect();
        groups.into_iter().for_each(|group| self.check_left(group));
    }

    /// They are read where the group goes.
    fn lose_reads(&mut self, group: TopicGroup) {
        let served = self.places.get_mut(group).and_then(|place| place.served.as_mut());
        let reads = served.map(|served| served.lane.take_reads()).unwrap_or_default();
        reads.into_iter().for_each(|read| self.read_lost(read));
    }

    /// Places that share the fate of a link from now on, and whether their master is another one.
    pub(super) fn settle_all(&mut self) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        live.stage = LinkStage::Up;
        let run = live.pair.run().clone();
        let (mut reach, mut changed) = (Vec::new(), Vec::new());
        for (group, place) in self.places.iter_mut() {
            if place.stage != PlaceStage::Settled {
                continue;
            }
            place.lapse = None;
            reach.push(group);
            if let Some(served) = &mut place.served {
                if served.comes_from_another(&run) {
                    changed.push(group);
                }
                served.came_from = run.as_bytes().clone();
            }
        }
        let changed = changed.into_iter().collect::<LinkReach>().partitions;
        let reach = reach.into_iter().collect();
        self.events.push_back(LinkEvent::Up { reach, changed });
    }
}
