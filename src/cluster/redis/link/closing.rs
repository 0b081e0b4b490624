//! How the two connections end.

use std::time::Instant;

use super::{
    LinkError, LinkEvent, LinkPhase, MasterLink,
    inbox::{Arrival, Taken},
    live::{LinkStage, Sent},
    places::PlaceStage,
    timing::silence_deadline,
};
use crate::cluster::{
    names::PartitionSet,
    redis::{lane::LanePart, reads::QueuedRead},
};

impl<T: Send + 'static> MasterLink<T> {
    /// Sends nothing more, and ends when all answers are there.
    pub(super) fn close(&mut self, error: LinkError) {
        match &mut self.phase {
            LinkPhase::Live(live) => live.keeps_listening = false,
            _ => self.drop_listening(),
        }
        self.begin_closing(error);
    }

    /// The listening connection stays.
    pub(super) fn close_talking(&mut self, error: LinkError) {
        if let LinkPhase::Live(live) = &mut self.phase {
            live.keeps_listening |= !live.is_closing();
        }
        self.begin_closing(error);
    }

    /// The next listening connection begins without topics.
    pub(super) fn drop_listening(&mut self) {
        if self.kept.take().is_some() {
            self.topics.connection_lost();
        }
    }

    fn begin_closing(&mut self, error: LinkError) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        if !live.is_closing() {
            live.stage = LinkStage::Closing(error);
            live.stall = None;
            self.tell_away(error);
        }
        self.finish_closing();
    }

    pub(super) fn finish_closing(&mut self) {
        let LinkPhase::Live(live) = &self.phase else { return };
        if live.is_closing() && live.pair.outstanding() == 0 {
            self.end();
        }
    }

    /// Ends without the answers.
    pub(super) fn fail(&mut self, error: LinkError) {
        self.close(error);
        self.end();
    }

    /// The read of a pipeline without an answer.
    pub(super) fn lost(&mut self, what: Sent<T>) {
        match what {
            Sent::Reads(reads) => reads.into_iter().for_each(|(read, _)| self.read_lost(read)),
            Sent::Lanes(parts) => {
                for (_, part) in parts {
                    if let LanePart::Read(read, _) = part {
                        self.read_lost(read);
                    }
                }
            }
            Sent::Scripts | Sent::Floors(_) | Sent::LostFloors | Sent::Proof { .. } => {}
        }
    }

    pub(super) fn read_lost(&mut self, read: QueuedRead<T>) {
        match read {
            QueuedRead::Plain { token, .. } => self.events.push_back(LinkEvent::ReadLost(token)),
            QueuedRead::Snapshot { mark, .. } => self.marks.cancel(&mark),
            QueuedRead::Abandoned => {}
        }
    }

    pub(super) fn end(&mut self) {
        let paused = LinkPhase::Paused { until: Instant::now() };
        let LinkPhase::Live(live) = std::mem::replace(&mut self.phase, paused) else { return };
        // The end of a group's topics cannot be awaited on a connection that is kept.
        let is_leaving = self.places.iter().any(|(_, it)| it.stage == PlaceStage::Leaving);
        let keeps_listening = live.keeps_listening && !is_leaving;
        let (listening, sent) = live.pair.into_rest();
        let rest = listening.take();
        self.kept = Some(listening);
        if keeps_listening {
            self.arrived(rest);
        } else {
            self.hear_last(rest);
            self.drop_listening();
        }
        sent.for_each(|what| self.lost(what));
        // Floors come first on each connection.
        self.floors = PartitionSet::default();
        let mut unsent: Vec<_> = std::mem::take(&mut self.reads).into();
        for served in self.places.partitions_mut() {
            unsent.append(&mut served.lane.connection_lost());
        }
        unsent.into_iter().for_each(|read| self.read_lost(read));
        self.marks.connection_lost();
        self.wait_for_retry();
        self.check_all_left();
    }

    /// The last messages of a connection that is given up.
    fn hear_last(&mut self, rest: Taken) {
        for arrival in rest.arrivals {
            if let Arrival::Message { topic, message } = arrival {
                self.message(topic, message);
            }
        }
        if rest.dropped > 0 {
            self.events.push_back(LinkEvent::Dropped(rest.dropped));
        }
    }

    /// The next time at which something has to be done without an arrival.
    pub(super) fn next_timer(&self, now: Instant) -> Option<Instant> {
        let LinkPhase::Live(live) = &self.phase else { return None };
        let asks = !live.is_closing() && live.stall.is_none();
        let topics = self.topics.next_at(now).filter(|_| asks);
        let proves = live.is_up() && self.places.proving().is_some();
        let proof = proves.then(|| live.proof_due());
        let end = self.deadline().map(|(deadline, _)| match &live.stall {
            Some(stall) => stall.replacement_due(deadline),
            None => Some(live.grace.wake(deadline)),
        });
        [topics, proof, end.flatten()].into_iter().flatten().min()
    }

    pub(super) fn check_deadlines(&mut self, now: Instant) {
        let deadline = self.deadline();
        let LinkPhase::Live(live) = &mut self.phase else { return };
        let Some((deadline, error)) = deadline else { return self.end_stall() };
        if live.stall.is_some() {
            self.open_replacement(deadline, now);
        } else if live.grace.is_over(deadline, now) {
            match live.is_closing() {
                true => self.fail(error),
                false => self.begin_stall(error, now),
            }
        }
    }

    /// The master is away from then on, unless something arrives. `None` if nothing is awaited.
    fn deadline(&self) -> Option<(Instant, LinkError)> {
        let LinkPhase::Live(live) = &self.phase else { return None };
        let pair = &live.pair;
        let answers = silence_deadline(pair.oldest_sent(), pair.talking_last_read());
        let topics = silence_deadline(self.topics.asked_at(), pair.listening_last_read());
        let silent = answers.into_iter().chain(topics).map(|at| (at, LinkError::Silent));
        let marks = self.marks.deadline().filter(|_| !live.is_closing());
        let marks = marks.map(|at| (at, LinkError::MarkMissing));
        silent.chain(marks).min_by_key(|(at, _)| *at)
    }

    pub(super) fn load_scripts_again(&mut self) {
        if let LinkPhase::Live(live) = &mut self.phase {
            live.scripts_missing = true;
        }
    }
}
