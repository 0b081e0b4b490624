//! The marks of snapshots on their way.
//!
//! A mark is published on the talking connection and heard on the listening one. If it does not come,
//! both are not on one master, or the listening one is dead. What it heard so far then says nothing.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{Id, messages::Mark};

/// From the answer to the snapshot on.
pub const MARK_TIMEOUT: Duration = Duration::from_secs(1);

pub struct Marks {
    next: u64,
    on_the_way: HashMap<u64, MarkStage>,
    /// The marks whose snapshots have been answered, by the time of the answer.
    awaited: BTreeSet<(Instant, u64)>,
}

#[derive(Clone, Copy)]
enum MarkStage {
    Sent,
    Heard,
    Answered { at: Instant },
}

impl Marks {
    /// `first` is random: an earlier process may have used the same topic.
    pub fn new(first: u64) -> Self {
        Self { next: first, on_the_way: HashMap::new(), awaited: BTreeSet::new() }
    }

    pub fn draw(&mut self, channel: Id) -> Mark {
        let snapshot = self.next;
        self.next = snapshot.wrapping_add(1);
        self.on_the_way.insert(snapshot, MarkStage::Sent);
        Mark { channel, snapshot }
    }

    /// Answers may come before or after the mark, since they come on two connections.
    pub fn answered(&mut self, mark: &Mark, now: Instant) {
        match self.on_the_way.get_mut(&mark.snapshot) {
            Some(stage @ MarkStage::Sent) => {
                *stage = MarkStage::Answered { at: now };
                self.awaited.insert((now, mark.snapshot));
            }
            Some(MarkStage::Heard) => self.cancel(mark),
            Some(MarkStage::Answered { .. }) | None => {}
        }
    }

    /// False if it is no mark of these connections.
    pub fn heard(&mut self, mark: &Mark) -> bool {
        match self.on_the_way.get_mut(&mark.snapshot) {
            Some(stage @ MarkStage::Sent) => *stage = MarkStage::Heard,
            Some(MarkStage::Answered { .. }) => self.cancel(mark),
            Some(MarkStage::Heard) | None => return false,
        }
        true
    }

    /// The snapshot was refused, so that no mark was published.
    pub fn cancel(&mut self, mark: &Mark) {
        if let Some(MarkStage::Answered { at }) = self.on_the_way.remove(&mark.snapshot) {
            self.awaited.remove(&(at, mark.snapshot));
        }
    }

    pub fn connection_lost(&mut self) {
        self.on_the_way.clear();
        self.awaited.clear();
    }

    /// Later than that, both connections are useless.
    pub fn deadline(&self) -> Option<Instant> {
        self.awaited.first().map(|(at, _)| *at + MARK_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: Id = [7; 16];

    #[test]
    fn mark_may_come_before_and_after_the_answer() {
        let now = Instant::now();
        let mut marks = Marks::new(u64::MAX);
        let (first, second) = (marks.draw(CHANNEL), marks.draw(CHANNEL));
        assert_ne!(first.snapshot, second.snapshot);
        assert!(marks.heard(&first));
        marks.answered(&first, now);
        assert_eq!(marks.deadline(), None);
        marks.answered(&second, now);
        assert_eq!(marks.deadline(), Some(now + MARK_TIMEOUT));
        assert!(marks.heard(&second));
        assert_eq!(marks.deadline(), None);
    }

    #[test]
    fn marks_of_other_connections_are_unknown() {
        let mut marks = Marks::new(5);
        let mark = marks.draw(CHANNEL);
        assert!(marks.heard(&mark) && !marks.heard(&mark));
        let lost = marks.draw(CHANNEL);
        marks.connection_lost();
        assert!(!marks.heard(&lost));
        marks.answered(&lost, Instant::now());
        assert_eq!(marks.deadline(), None);
    }

    #[test]
    fn unanswered_and_refused_snapshots_have_no_deadline() {
        let mut marks = Marks::new(5);
        let mark = marks.draw(CHANNEL);
        assert_eq!(marks.deadline(), None);
        marks.cancel(&mark);
        marks.answered(&mark, Instant::now());
        assert_eq!(marks.deadline(), None);
    }
}
