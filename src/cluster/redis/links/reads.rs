//! Plain reads: each command goes to the master of its key, and the answers come back as one.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use redis::{Cmd, Value};

use super::{FIRST, LinkEvent, MasterLinks};
use crate::cluster::redis::{
    link::groups,
    listener::TopicGroup,
    refusals::Refusal,
    slots::{slot_of, slot_of_command},
};

/// What a command or a read was, for one of the links.
pub enum RoutedToken<T> {
    Whole(T),
    /// Some commands of a question.
    Part {
        question: u64,
        places: Vec<usize>,
    },
}

/// Questions to several masters.
pub struct GatheredReads<T> {
    next: u64,
    questions: HashMap<u64, GatheredRead<T>>,
}

struct GatheredRead<T> {
    token: T,
    answers: Vec<Value>,
    parts_left: usize,
    is_answered: bool,
}

impl<T> Default for GatheredReads<T> {
    fn default() -> Self {
        Self { next: 0, questions: HashMap::new() }
    }
}

impl<T: Send + 'static> MasterLinks<T> {
    /// A read in no order. What cannot be asked is answered as by a Redis Cluster that is not whole.
    /// `ReadLost` follows if nothing can.
    pub fn read(&mut self, commands: Vec<Cmd>, token: T) {
        if self.survey.is_none() {
            if let Some(only) = &mut self.links[FIRST] {
                only.link.read(commands, RoutedToken::Whole(token));
            }
            return;
        }
        let mut parts: BTreeMap<usize, (Vec<Cmd>, Vec<usize>)> = BTreeMap::new();
        let count = commands.len();
        for (place, command) in commands.into_iter().enumerate() {
            let (of_link, places) = parts.entry(self.way_of(&command)).or_default();
            of_link.push(command);
            places.push(place);
        }
        let question = self.gathered.next;
        self.gathered.next += 1;
        let (answers, parts_left) = (vec![down(); count], parts.len());
        let gathered = GatheredRead { token, answers, parts_left, is_answered: false };
        self.gathered.questions.insert(question, gathered);
        for (at, (commands, places)) in parts {
            if let Some(it) = &mut self.links[at] {
                it.link.read(commands, RoutedToken::Part { question, places });
            }
        }
    }

    /// The number of the link that serves the command's key.
    fn way_of(&self, command: &Cmd) -> usize {
        let Some(slot) = slot_of_command(command) else {
            return self.homes.get(&TopicGroup::Control).copied().unwrap_or(FIRST);
        };
        if let Some(group) = group_of_slot(slot) {
            return self.homes.get(&group).copied().unwrap_or(FIRST);
        }
        let map = self.survey.as_ref().and_then(|survey| survey.map.as_ref());
        let host = map.and_then(|map| map.master(slot));
        host.and_then(|host| self.number_of(host)).unwrap_or(FIRST)
    }

    pub(super) fn read_answered(&mut self, token: RoutedToken<T>, answers: Vec<Value>) {
        let is_moved = |answer: &Value| {
            matches!(answer, Value::ServerError(error)
                if Refusal::of_server(error) == Refusal::SlotMoved)
        };
        if self.survey.is_some() && answers.iter().any(is_moved) {
            self.refresh();
        }
        match token {
            RoutedToken::Whole(token) => self.events.push_back(LinkEvent::Read { token, answers }),
            RoutedToken::Part { question, places } => {
                self.part_answered(question, Some((places, answers)));
            }
        }
    }

    pub(super) fn read_lost(&mut self, token: RoutedToken<T>) {
        match token {
            RoutedToken::Whole(token) => self.events.push_back(LinkEvent::ReadLost(token)),
            RoutedToken::Part { question, .. } => self.part_answered(question, None),
        }
    }

    fn part_answered(&mut self, question: u64, part: Option<(Vec<usize>, Vec<Value>)>) {
        let Some(gathered) = self.gathered.questions.get_mut(&question) else { return };
        gathered.parts_left -= 1;
        if let Some((places, answers)) = part {
            gathered.is_answered = true;
            for (place, answer) in places.into_iter().zip(answers) {
                gathered.answers[place] = answer;
            }
        }
        if gathered.parts_left > 0 {
            return;
        }
        let Some(gathered) = self.gathered.questions.remove(&question) else { return };
        let GatheredRead { token, answers, is_answered, .. } = gathered;
        self.events.push_back(match is_answered {
            true => LinkEvent::Read { token, answers },
            false => LinkEvent::ReadLost(token),
        });
    }
}

fn down() -> Value {
    redis::parse_redis_value(b"-CLUSTERDOWN a master is away\r\n").unwrap_or(Value::Nil)
}

/// `None` for a slot without keys of partitions and of the control group.
fn group_of_slot(slot: u16) -> Option<TopicGroup> {
    groups().find(|group| slot_of_group(*group) == slot)
}

pub fn slot_of_group(group: TopicGroup) -> u16 {
    match group {
        TopicGroup::Control => slot_of(b"ctl"),
        TopicGroup::Partition(partition) => slot_of(partition.hash_tag().as_bytes()),
    }
}

impl<T> MasterLinks<T> {
    pub(super) fn refresh(&mut self) {
        if let Some(survey) = &mut self.survey {
            survey.refresh(Instant::now());
        }
    }
}
