//! What the two connections bring.

use std::time::Instant;

use bytes::Bytes;
use redis::Value;

use super::{
    LinkError, LinkEvent, MasterLink,
    inbox::{Arrival, Taken},
    listening::ListeningStep,
    live::{NO_CHANNEL, Sent},
};
use crate::cluster::{
    names::Partition,
    redis::{
        checks,
        lane::LanePart,
        listener::{Confirmation, TopicGroup},
        messages::Mark,
        reads::QueuedRead,
        refusals::Refusal,
        snapshot::{Snapshot, SnapshotError},
    },
};

impl<T: Send + 'static> MasterLink<T> {
    pub(super) fn heard(&mut self, step: ListeningStep) {
        match step {
            ListeningStep::Arrived(taken) => self.arrived(taken),
            ListeningStep::TopicsAnswered(answer) => self.topics_answered(answer),
        }
    }

    pub(super) fn arrived(&mut self, taken: Taken) {
        let Taken { arrivals, dropped, overrun } = taken;
        for arrival in arrivals {
            self.arrival(arrival);
        }
        if dropped > 0 {
            self.events.push_back(LinkEvent::Dropped(dropped));
        }
        if overrun {
            self.close(LinkError::Overrun);
        }
    }

    fn arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Message { topic, message } => self.message(topic, message),
            Arrival::Confirmed { change, topic } => match self.topics.confirmed(change, &topic) {
                Confirmation::Subscribed => {
                    self.events.push_back(LinkEvent::Subscribed(topic));
                    self.settle_places();
                }
                Confirmation::Unsubscribed => {
                    self.events.push_back(LinkEvent::Unsubscribed(topic));
                    self.settle_places();
                }
                Confirmation::Outdated => {}
                Confirmation::Ended(group) if self.is_of_cluster() => {
                    self.leave(group, Instant::now());
                }
                Confirmation::Ended(_) => self.close(LinkError::SlotMoved),
            },
            Arrival::Closed => self.close(LinkError::Closed),
        }
    }

    pub(super) fn message(&mut self, topic: Bytes, message: Bytes) {
        if !self.mark_topics.contains(&topic) {
            return self.events.push_back(LinkEvent::Message { topic, message });
        }
        // What is no mark, or one of earlier connections, says nothing.
        let Ok(mark) = Mark::parse(&message) else { return };
        if self.marks.heard(&mark) && mark.channel != NO_CHANNEL {
            self.events.push_back(LinkEvent::Mark(mark));
        }
    }

    fn topics_answered(&mut self, answer: Result<Vec<Value>, LinkError>) {
        let accepted = answer.and_then(|answers| {
            answers.iter().try_for_each(|answer| checks::accept(answer, "SSUBSCRIBE"))
        });
        match accepted {
            Err(LinkError::SlotMoved) if self.is_of_cluster() => {
                let group = self.topics.refused();
                group.into_iter().for_each(|group| self.leave(group, Instant::now()));
            }
            Err(error) => self.close(error),
            Ok(()) => self.settle_places(),
        }
    }

    pub(super) fn answered(&mut self, what: Sent<T>, answers: Result<Vec<Value>, LinkError>) {
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                self.lost(what);
                self.close_talking(error);
                return self.end();
            }
        };
        match what {
            Sent::Lanes(parts) => self.lanes_answered(parts, answers),
            Sent::Reads(reads) => {
                let mut answers = answers.into_iter();
                for (read, count) in reads {
                    self.read_answered(read, answers.by_ref().take(count).collect());
                }
            }
            Sent::Scripts => {
                for answer in &answers {
                    if let Err(error) = checks::accept(answer, "SCRIPT LOAD") {
                        self.close(error);
                    }
                }
            }
            Sent::Floors(raised) => {
                answers.iter().for_each(|answer| self.note_error(answer));
                self.floors_raised(&raised, &answers, Instant::now());
                self.settle_places();
            }
            Sent::LostFloors => answers.iter().for_each(|answer| self.note_error(answer)),
            Sent::Proof { listener } => {
                answers.iter().for_each(|answer| self.note_error(answer));
                if let [_, room, ..] = &answers[..] {
                    self.note_room(room, Instant::now());
                }
                if let Some(mark) = listener {
                    self.marks.answered(&mark, Instant::now());
                }
            }
        }
        self.finish_closing();
    }

    fn lanes_answered(&mut self, parts: Vec<(Partition, LanePart<T>)>, answers: Vec<Value>) {
        let mut answers = answers.into_iter();
        for (partition, part) in parts {
            match part {
                LanePart::Commands(count) => {
                    for answer in answers.by_ref().take(count) {
                        self.note_error(&answer);
                        self.note_move(partition, &answer, Instant::now());
                        let lane = self.places.lane_mut(partition);
                        let answered = lane.and_then(|lane| lane.answered(answer));
                        self.events.extend(answered.map(LinkEvent::Answered));
                    }
                    self.check_left(TopicGroup::Partition(partition));
                }
                LanePart::Read(read, count) => {
                    self.read_answered(read, answers.by_ref().take(count).collect());
                }
            }
        }
    }

    fn read_answered(&mut self, read: QueuedRead<T>, answers: Vec<Value>) {
        answers.iter().for_each(|answer| self.note_error(answer));
        match read {
            QueuedRead::Abandoned => {}
            QueuedRead::Plain { token, .. } => {
                self.events.push_back(LinkEvent::Read { token, answers });
            }
            QueuedRead::Snapshot { mark, mark_topic, keys, log_after, when_full } => {
                match Snapshot::parse(answers) {
                    // Later than its place, it shows what was sent before it as well.
                    Err(SnapshotError::Refused(Refusal::Full)) if !when_full => {
                        let when_full = true;
                        let read =
                            QueuedRead::Snapshot { mark, mark_topic, keys, log_after, when_full };
                        self.reads.push_front(read);
                    }
                    snapshot => self.snapshot_answered(mark, snapshot),
                }
            }
        }
    }

    fn snapshot_answered(&mut self, mark: Mark, snapshot: Result<Snapshot, SnapshotError>) {
        match snapshot {
            Ok(_) => self.marks.answered(&mark, Instant::now()),
            Err(_) => self.marks.cancel(&mark),
        }
        self.events.push_back(LinkEvent::Snapshot { mark, snapshot });
    }

    /// An error reply may say something of the whole master.
    fn note_error(&mut self, answer: &Value) {
        match checks::accept(answer, "EVALSHA") {
            Err(LinkError::ScriptMissing) => self.load_scripts_again(),
            Err(LinkError::SlotMoved) if self.is_of_cluster() => {}
            Err(LinkError::Full) => self.note_full(Instant::now()),
            Err(error) if error.is_of_master() => self.close(error),
            _ => {}
        }
    }
}
