//! What the clients and publishers of a run have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::action::ChannelName;

/// One subscription of one client, from its answer on.
pub struct Stay {
    pub client: usize,
    pub node: usize,
    pub channel: ChannelName,
    pub user: String,
    pub answered: Instant,
    /// The client has unsubscribed, or its connection has ended.
    pub ended: Option<Instant>,
    /// The answer may be that of an earlier subscription, which was given up meanwhile.
    pub is_doubtful: bool,
    /// It goes on in the log where another stay was.
    pub resumed: Option<ReadSoFar>,
    /// It gets all that it missed. If not, a gap follows.
    pub is_recovered: bool,
    /// As the answer has them.
    pub members: BTreeSet<String>,
    pub told: Vec<(Instant, Told)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    Event(u64),
    Added(String),
    Removed(String),
    Count(u64),
    CacheMiss,
    /// In the log, with its reason.
    Gap(String),
}

/// How far the log of a channel was read.
#[derive(Clone, Debug)]
pub struct ReadSoFar {
    pub position: String,
    /// When the position was told.
    pub at: Instant,
    /// All events that were seen until then.
    pub seen: BTreeSet<u64>,
}

impl Stay {
    pub fn events(&self) -> impl Iterator<Item = u64> {
        self.told.iter().filter_map(|(_, told)| match told {
            Told::Event(event) => Some(*event),
            _ => None,
        })
    }

    /// When gaps were told.
    pub fn gaps(&self) -> impl Iterator<Item = (Instant, &str)> {
        self.told.iter().filter_map(|(at, told)| match told {
            Told::Gap(reason) => Some((*at, reason.as_str())),
            _ => None,
        })
    }

    pub fn awaits_gap(&self) -> bool {
        self.resumed.is_some() && !self.is_recovered && self.gaps().next().is_none()
    }

    /// What was sent after it is promised.
    pub fn since(&self) -> Instant {
        self.resumed.as_ref().map_or(self.answered, |it| it.at)
    }

    pub fn last_count(&self) -> Option<u64> {
        self.told.iter().rev().find_map(|(_, told)| match told {
            Told::Count(count) => Some(*count),
            _ => None,
        })
    }

    /// The members after all that was told, or what contradicts what was told before.
    pub fn members_now(&self) -> Result<BTreeSet<String>, String> {
        let mut members = self.members.clone();
        for (_, told) in &self.told {
            match told {
                Told::Added(user) if !members.insert(user.clone()) => {
                    return Err(format!("{self} was told twice that {user} was added"));
                }
                Told::Removed(user) if !members.remove(user) => {
                    return Err(format!(
                        "{self} was told that {user} was removed, who was not there"
                    ));
                }
                _ => {}
            }
        }
        Ok(members)
    }
}

impl std::fmt::Display for Stay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { client, node, channel, user, .. } = self;
        write!(f, "client {client} ({user} on {channel}, node {node})")
    }
}

/// The requests of a client about one channel.
#[derive(Default)]
struct Asked {
    is_wanted: bool,
    is_answered: bool,
    /// One was given up before its answer, which may come later.
    is_confused: bool,
}

/// What one client has seen.
#[derive(Default)]
pub struct Seen {
    pub stays: Vec<Stay>,
    /// The present stay on each channel.
    current: BTreeMap<ChannelName, usize>,
    asked: BTreeMap<ChannelName, Asked>,
    /// As it was when the last subscription to a log was asked for.
    asked_from: Option<ReadSoFar>,
    pub is_connected: bool,
    /// Of the channel with a log, from this client or the one in whose place it came.
    pub read: Option<ReadSoFar>,
    /// Why the connection is over.
    pub end: Option<String>,
    /// What must not happen at all.
    pub faults: Vec<String>,
}

impl Seen {
    /// It goes on where the log was read before.
    pub fn heir_of(read: Option<ReadSoFar>) -> Self {
        Self { read, ..Self::default() }
    }

    pub fn ask(&mut self, channel: ChannelName) {
        let asked = self.asked.entry(channel).or_default();
        (asked.is_wanted, asked.is_answered) = (true, false);
    }

    pub fn give_up(&mut self, channel: ChannelName) {
        let asked = self.asked.entry(channel).or_default();
        asked.is_confused |= !asked.is_answered;
        asked.is_wanted = false;
        self.end_stay(channel);
    }

    pub fn begin(&mut self, mut stay: Stay) {
        self.end_stay(stay.channel);
        let asked = self.asked.entry(stay.channel).or_default();
        asked.is_answered = true;
        stay.is_doubtful = asked.is_confused;
        stay.ended = (!asked.is_wanted).then_some(stay.answered);
        self.current.insert(stay.channel, self.stays.len());
        self.stays.push(stay);
    }

    pub fn is_on(&self, channel: &str) -> bool {
        self.present().any(|stay| stay.channel == channel)
    }

    fn end_stay(&mut self, channel: ChannelName) {
        if let Some(at) = self.current.get(channel) {
            self.stays[*at].ended.get_or_insert_with(Instant::now);
        }
    }

    /// False if there was no answer before.
    pub fn tell(&mut self, channel: &str, told: Told) -> bool {
        let Some(at) = self.current.get(channel) else { return false };
        self.stays[*at].told.push((Instant::now(), told));
        true
    }

    pub fn close(&mut self, why: String) {
        self.end.get_or_insert(why);
        let now = Instant::now();
        self.stays.iter_mut().for_each(|stay| _ = stay.ended.get_or_insert(now));
    }

    /// The position to ask for.
    pub fn ask_log(&mut self) -> Option<&str> {
        self.asked_from = self.read.clone();
        self.asked_from.as_ref().map(|read| read.position.as_str())
    }

    /// The answer: where the stay goes on, if it does. `end`: of the log, without what was missed.
    pub fn answer_log(&mut self, end: Option<&str>) -> Option<ReadSoFar> {
        let resumed = self.asked_from.clone();
        self.read = resumed.clone();
        if let Some(end) = end {
            self.reach(end, None);
        }
        resumed
    }

    /// The client's position in the log.
    pub fn reach(&mut self, position: &str, event: Option<u64>) {
        let (position, at) = (position.to_owned(), Instant::now());
        let mut seen = self.read.take().map(|read| read.seen).unwrap_or_default();
        seen.extend(event);
        self.read = Some(ReadSoFar { position, at, seen });
    }

    pub fn awaits_gap(&self, channel: &str) -> bool {
        let stay = self.current.get(channel).map(|at| &self.stays[*at]);
        stay.is_some_and(Stay::awaits_gap)
    }

    pub fn present(&self) -> impl Iterator<Item = &Stay> {
        self.current.values().map(|at| &self.stays[*at]).filter(|stay| stay.ended.is_none())
    }
}

/// What came of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Not answered yet, or never.
    Unknown,
    /// 200: Redis has it.
    Taken,
    /// 200 with `Sealcast-Delivery: local`.
    Local,
    Refused,
    /// A client event, which nobody answers.
    Said,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Taken => "taken",
            Self::Local => "local",
            Self::Refused => "refused",
            Self::Said => "said",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Event {
    pub channel: ChannelName,
    pub node: usize,
    pub sent: Instant,
    pub answered: Instant,
    pub outcome: Outcome,
    /// The client that said it.
    pub client: Option<usize>,
}

/// All events, by their number.
#[derive(Default)]
pub struct Events(pub Vec<Event>);

impl Events {
    pub fn begin(&mut self, channel: ChannelName, node: usize, client: Option<usize>) -> u64 {
        let (now, outcome) = (Instant::now(), Outcome::Unknown);
        self.0.push(Event { channel, node, sent: now, answered: now, outcome, client });
        self.0.len() as u64 - 1
    }

    /// A client sends it now.
    pub fn said(&mut self, number: u64) {
        let event = &mut self.0[number as usize];
        (event.sent, event.outcome) = (Instant::now(), Outcome::Said);
    }

    pub fn end(&mut self, number: u64, outcome: Outcome) {
        let event = &mut self.0[number as usize];
        (event.answered, event.outcome) = (Instant::now(), outcome);
    }

    pub fn get(&self, number: u64) -> Option<&Event> {
        self.0.get(number as usize)
    }
}
