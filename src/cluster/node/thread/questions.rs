//! Questions to other nodes that have no answer yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::cluster::{
    names::{Incarnation, NodeSlot},
    node::asking::{AskError, NodeAnnouncement, NodeQuestion, Unacknowledged},
};

pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

const MAX_QUESTIONS: usize = 10_000;

pub struct PendingQuestions {
    /// Of the next question.
    number: u64,
    questions: HashMap<u64, Question>,
    /// In this order, as all have the same timeout. An answered one stays until its time.
    deadlines: VecDeque<(Instant, u64)>,
}

pub enum Question {
    ToOne(QuestionToOne),
    ToAll(QuestionToAll),
}

pub struct QuestionToOne {
    pub question: NodeQuestion,
    /// `None` until Redis has said how many nodes it has reached.
    reached: Option<usize>,
    /// Those that it was not for.
    not_for: BTreeSet<Incarnation>,
}

pub struct QuestionToAll {
    pub announcement: NodeAnnouncement,
    /// The other living nodes. `None` until Redis has named them.
    nodes: Option<BTreeMap<Incarnation, NodeSlot>>,
    acknowledged: BTreeSet<Incarnation>,
    is_kept: bool,
}

impl PendingQuestions {
    /// `first` is a random number.
    pub fn new(first: u64) -> Self {
        Self { number: first, questions: HashMap::new(), deadlines: VecDeque::new() }
    }

    /// `None`: too many are pending, and the question is answered.
    pub fn ask(&mut self, question: NodeQuestion, now: Instant) -> Option<u64> {
        let to_one = QuestionToOne { question, reached: None, not_for: BTreeSet::new() };
        self.add(Question::ToOne(to_one), now)
    }

    pub fn announce(&mut self, announcement: NodeAnnouncement, now: Instant) -> Option<u64> {
        let acknowledged = BTreeSet::new();
        let to_all = QuestionToAll { announcement, nodes: None, acknowledged, is_kept: false };
        self.add(Question::ToAll(to_all), now)
    }

    fn add(&mut self, question: Question, now: Instant) -> Option<u64> {
        if self.questions.len() >= MAX_QUESTIONS {
            question.time_out();
            return None;
        }
        let number = self.number;
        self.number = number.wrapping_add(1);
        self.questions.insert(number, question);
        self.deadlines.push_back((now + ANSWER_TIMEOUT, number));
        Some(number)
    }

    pub fn get(&self, number: u64) -> Option<&Question> {
        self.questions.get(&number)
    }

    /// All, to be sent on a new connection. It does no harm if one of them is answered twice.
    pub fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.questions.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// The question was sent to so many nodes.
    pub fn reached(&mut self, number: u64, nodes: usize) {
        if let Some(Question::ToOne(question)) = self.questions.get_mut(&number) {
            question.reached = Some(nodes);
        }
        self.settle(number);
    }

    /// The revocation was sent while these other nodes were alive. `is_kept`: also for those that
    /// join later.
    pub fn sent_to(&mut self, number: u64, nodes: BTreeMap<Incarnation, NodeSlot>, is_kept: bool) {
        if let Some(Question::ToAll(question)) = self.questions.get_mut(&number) {
            question.nodes = Some(nodes);
            question.is_kept |= is_kept;
        }
        self.settle(number);
    }

    /// `None`: the question is not for this node.
    pub fn replied(&mut self, number: u64, node: Incarnation, body: Option<&[u8]>) {
        match (self.questions.get_mut(&number), body) {
            (Some(Question::ToOne(question)), None) => {
                question.not_for.insert(node);
            }
            (Some(Question::ToOne(_)), Some(body)) => {
                let body = Bytes::copy_from_slice(body);
                self.answer(number, Ok(body));
            }
            (Some(Question::ToAll(question)), Some(_)) => {
                question.acknowledged.insert(node);
            }
            // It could not take it.
            (Some(Question::ToAll(_)), None) | (None, _) => {}
        }
        self.settle(number);
    }

    /// A node that is gone has nothing to acknowledge.
    pub fn living(&mut self, living: &BTreeSet<Incarnation>) {
        for number in self.numbers() {
            if let Some(Question::ToAll(question)) = self.questions.get_mut(&number)
                && let Some(nodes) = &mut question.nodes
            {
                nodes.retain(|node, _| living.contains(node));
            }
            self.settle(number);
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    pub fn expire(&mut self, now: Instant) {
        while let Some((_, number)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            if let Some(question) = self.questions.remove(&number) {
                question.time_out();
            }
        }
    }

    fn settle(&mut self, number: u64) {
        match self.questions.get(&number) {
            Some(Question::ToOne(question)) if question.is_for_nobody() => {
                self.answer(number, Err(AskError::Nobody));
            }
            Some(Question::ToAll(question)) if question.is_done() => {
                if let Some(Question::ToAll(question)) = self.questions.remove(&number) {
                    // Who asked may have gone.
                    let _ = question.announcement.done.send(Ok(()));
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, number: u64, answer: Result<Bytes, AskError>) {
        if let Some(Question::ToOne(question)) = self.questions.remove(&number) {
            // Who asked may have gone.
            let _ = question.question.answer.send(answer);
        }
    }
}

impl Question {
    fn time_out(self) {
        match self {
            Self::ToOne(QuestionToOne { question, .. }) => {
                drop(question.answer.send(Err(AskError::Busy)));
            }
            Self::ToAll(question) => {
                let error = match question.missing() {
                    None => Unacknowledged::Away,
                    Some(missing) if missing.is_empty() => Unacknowledged::NotKept,
                    Some(missing) => Unacknowledged::Nodes(missing),
                };
                drop(question.announcement.done.send(Err(error)));
            }
        }
    }
}

impl QuestionToOne {
    fn is_for_nobody(&self) -> bool {
        self.reached.is_some_and(|reached| self.not_for.len() >= reached)
    }
}

impl QuestionToAll {
    fn is_done(&self) -> bool {
        self.is_kept && self.missing().is_some_and(|missing| missing.is_empty())
    }

    fn missing(&self) -> Option<BTreeSet<NodeSlot>> {
        let nodes = self.nodes.as_ref()?.iter();
        let missing = nodes.filter(|(node, _)| !self.acknowledged.contains(node));
        Some(missing.map(|(_, slot)| *slot).collect())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::{self, Receiver};

    use super::*;
    use crate::cluster::node::asking::ForAllNodes;

    type AnswerReceiver = Receiver<Result<Bytes, AskError>>;
    type DoneReceiver = Receiver<Result<(), Unacknowledged>>;

    fn node(number: u8) -> Incarnation {
        Incarnation::from_bytes([number; 16])
    }

    fn slot(number: u16) -> NodeSlot {
        NodeSlot::new(number).expect("a slot")
    }

    fn ask(pending: &mut PendingQuestions, now: Instant) -> (Option<u64>, AnswerReceiver) {
        let (answer, answered) = oneshot::channel();
        let question = NodeQuestion { to: slot(1), body: Bytes::new(), answer };
        (pending.ask(question, now), answered)
    }

    fn revoke(pending: &mut PendingQuestions, now: Instant) -> (u64, DoneReceiver) {
        let (done, acknowledged) = oneshot::channel();
        let what = ForAllNodes::Revocation(Bytes::new());
        let announcement = NodeAnnouncement { app: "app".into(), what, done };
        (pending.announce(announcement, now).expect("room"), acknowledged)
    }

    fn nodes(numbers: impl IntoIterator<Item = u8>) -> BTreeMap<Incarnation, NodeSlot> {
        numbers.into_iter().map(|number| (node(number), slot(number.into()))).collect()
    }

    fn pending() -> PendingQuestions {
        PendingQuestions::new(u64::MAX)
    }

    #[test]
    fn first_reply_answers_before_and_after_the_number_of_nodes_is_known() {
        for is_reached_first in [true, false] {
            let mut pending = pending();
            let (number, mut answered) = ask(&mut pending, Instant::now());
            let number = number.expect("room");
            if is_reached_first {
                pending.reached(number, 2);
            }
            pending.replied(number, node(1), None);
            pending.replied(number, node(2), Some(b"yes"));
            pending.replied(number, node(3), Some(b"late"));
            pending.reached(number, 2);
            assert_eq!(answered.try_recv(), Ok(Ok(Bytes::from_static(b"yes"))));
        }
    }

    #[test]
    fn question_that_reaches_nobody_is_answered_at_once() {
        let mut pending = pending();
        let (number, mut answered) = ask(&mut pending, Instant::now());
        pending.reached(number.expect("room"), 0);
        assert_eq!(answered.try_recv(), Ok(Err(AskError::Nobody)));
    }

    #[test]
    fn question_for_none_of_the_nodes_waits_for_all_of_them() {
        let mut pending = pending();
        let (number, mut answered) = ask(&mut pending, Instant::now());
        let number = number.expect("room");
        pending.reached(number, 2);
        // The same node twice, after a question that was sent twice.
        (0..2).for_each(|_| pending.replied(number, node(1), None));
        assert!(answered.try_recv().is_err());
        pending.replied(number, node(2), None);
        assert_eq!(answered.try_recv(), Ok(Err(AskError::Nobody)));
    }

    #[test]
    fn silence_ends_after_the_timeout() {
        let (mut pending, now) = (pending(), Instant::now());
        let (number, mut answered) = ask(&mut pending, now);
        let (to_all, mut acknowledged) = revoke(&mut pending, now);
        let (_, mut untold) = revoke(&mut pending, now);
        let (unkept, mut not_kept) = revoke(&mut pending, now);
        pending.sent_to(unkept, nodes([]), false);
        pending.reached(number.expect("room"), 1);
        pending.sent_to(to_all, nodes([1, 2, 3]), true);
        pending.replied(to_all, node(2), Some(b""));
        // It could not take it.
        pending.replied(to_all, node(3), None);
        assert_eq!(pending.next_deadline(), Some(now + ANSWER_TIMEOUT));
        pending.expire(now + ANSWER_TIMEOUT - Duration::from_millis(1));
        assert!(answered.try_recv().is_err() && acknowledged.try_recv().is_err());
        pending.expire(now + ANSWER_TIMEOUT);
        assert_eq!(answered.try_recv(), Ok(Err(AskError::Busy)));
        let missing = Unacknowledged::Nodes([slot(1), slot(3)].into());
        let text = "2 of the other nodes have not confirmed it (slots 1, 3)";
        assert_eq!(missing.to_string(), text);
        assert_eq!(acknowledged.try_recv(), Ok(Err(missing)));
        assert_eq!(untold.try_recv(), Ok(Err(Unacknowledged::Away)));
        assert_eq!(not_kept.try_recv(), Ok(Err(Unacknowledged::NotKept)));
        assert!(pending.questions.is_empty() && pending.next_deadline().is_none());
    }

    #[test]
    fn revocation_waits_for_all_nodes_that_still_live() {
        let (mut pending, now) = (pending(), Instant::now());
        let (number, mut acknowledged) = revoke(&mut pending, now);
        // Before Redis has named the nodes.
        pending.replied(number, node(1), Some(b""));
        pending.sent_to(number, nodes([1, 2, 3]), true);
        pending.replied(number, node(2), Some(b""));
        assert!(acknowledged.try_recv().is_err());
        pending.living(&[node(1), node(2)].into());
        assert_eq!(acknowledged.try_recv(), Ok(Ok(())));
        let (alone, mut acknowledged) = revoke(&mut pending, now);
        pending.sent_to(alone, nodes([]), true);
        assert_eq!(acknowledged.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn questions_are_bounded_and_numbered_anew() {
        let (mut pending, now) = (pending(), Instant::now());
        let kept: Vec<_> = (0..MAX_QUESTIONS).map(|_| ask(&mut pending, now)).collect();
        let numbers: BTreeSet<_> = kept.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), MAX_QUESTIONS);
        let (number, mut answered) = ask(&mut pending, now);
        assert_eq!((number, answered.try_recv()), (None, Ok(Err(AskError::Busy))));
        assert_eq!(pending.numbers().len(), MAX_QUESTIONS);
    }
}
