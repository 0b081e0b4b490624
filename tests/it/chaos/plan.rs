//! Draws actions from a seed. The same seed gives the same actions, whatever the servers do.

use std::collections::BTreeMap;

use super::action::{Action, ChannelName};
use super::model::{FIRST_STEADFAST, Model, NodeState, RedisState, is_presence};
use super::proxy::Line;
use super::random::Random;

pub const CHANNELS: [ChannelName; 9] = [
    "presence-a",
    "presence-b",
    "presence-c",
    "presence-cache-d",
    "private-e",
    "private-cache-f",
    "news",
    "sport",
    "cache-g",
];
const USERS: usize = 10;
const MOST_CLIENTS: usize = 36;

/// Of 50 ms each.
const STEPS_PER_SECOND: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Disaster {
    Kill,
    Drain,
    FreezeBriefly,
    FreezeForLong,
    Cut(Line),
    StallBriefly,
    StallForLong,
    LoseReplies(Line),
    SeverBriefly,
    SeverForLong,
    FreezeRedisBriefly,
    FreezeRedisForLong,
    RedisEmpty,
    RedisFull,
    Flush,
}

const DISASTERS: [Disaster; 18] = [
    Disaster::Kill,
    Disaster::Drain,
    Disaster::FreezeBriefly,
    Disaster::FreezeForLong,
    Disaster::Cut(Line::Both),
    Disaster::Cut(Line::Talking),
    Disaster::Cut(Line::Listening),
    Disaster::StallBriefly,
    Disaster::StallForLong,
    Disaster::LoseReplies(Line::Both),
    Disaster::LoseReplies(Line::Talking),
    Disaster::SeverBriefly,
    Disaster::SeverForLong,
    Disaster::FreezeRedisBriefly,
    Disaster::FreezeRedisForLong,
    Disaster::RedisEmpty,
    Disaster::RedisFull,
    Disaster::Flush,
];

pub struct Plan {
    random: Random,
    step: usize,
    /// What ends a disaster, by its step.
    due: BTreeMap<usize, Vec<Action>>,
    deck: Vec<Disaster>,
    next_disaster: usize,
    steps_between: usize,
}

impl Plan {
    /// `steps_between`: of two disasters.
    pub fn new(seed: u64, steps_between: usize) -> Self {
        let random = Random::new(seed);
        let next_disaster = steps_between;
        Self {
            random,
            step: 0,
            due: BTreeMap::new(),
            deck: Vec::new(),
            next_disaster,
            steps_between,
        }
    }

    pub fn next(&mut self, model: &Model) -> Vec<Action> {
        self.step += 1;
        let due = self.due.remove(&self.step).unwrap_or_default();
        if !due.is_empty() {
            return due;
        }
        if self.step >= self.next_disaster
            && let Some(actions) = self.draw_disaster(model)
        {
            let half = self.steps_between / 2;
            self.next_disaster = self.step + half + self.random.below(self.steps_between.max(1));
            return actions;
        }
        self.draw_traffic(model).into_iter().collect()
    }

    /// What ends all present disasters.
    pub fn calm(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.due).into_values().flatten().collect()
    }

    /// One user on each node who stays until the next time of calm. Those from before leave.
    pub fn steadfast(&self, model: &Model) -> Vec<Action> {
        let before = (0..model.clients.len())
            .filter(|at| model.clients[*at].is_open && model.clients[*at].is_steadfast())
            .map(|client| Action::Close { client });
        let channels: Vec<_> = CHANNELS.into_iter().filter(|it| *it != "sport").collect();
        let first = FIRST_STEADFAST + model.clients.len();
        let new = (0..model.nodes.len()).map(|node| Action::Connect {
            node,
            user: first + node,
            channels: channels.clone(),
        });
        before.chain(new).collect()
    }

    fn draw_traffic(&mut self, model: &Model) -> Option<Action> {
        let random = &mut self.random;
        let open = model.open_clients();
        let guests: Vec<_> =
            open.iter().copied().filter(|at| !model.clients[*at].is_steadfast()).collect();
        let channel = CHANNELS[random.below(CHANNELS.len())];
        let up = model.nodes_up();
        Some(match random.below(100) {
            0..26 => {
                let events = random.within(1..4);
                Action::Publish { node: random.one_of(&up)?, channel, events }
            }
            26..36 => Action::Crowd { nodes: up, channel },
            36..46 => {
                let client = random.one_of(&open)?;
                let may = |it: &&ChannelName| it.starts_with("private") || is_presence(it);
                let channels: Vec<_> =
                    model.clients[client].channels.iter().filter(may).copied().collect();
                Action::Say { client, channel: random.one_of(&channels)? }
            }
            46..62 if open.len() < MOST_CLIENTS => {
                let mut channels = CHANNELS.to_vec();
                random.shuffle(&mut channels);
                channels.truncate(random.within(1..4));
                Action::Connect { node: random.one_of(&up)?, user: random.below(USERS), channels }
            }
            46..72 => {
                let client = random.one_of(&guests)?;
                if model.clients[client].channels.contains(channel) {
                    return None;
                }
                Action::Subscribe { client, channel }
            }
            72..84 => {
                let client = random.one_of(&guests)?;
                let channels: Vec<_> = model.clients[client].channels.iter().copied().collect();
                let channel = random.one_of(&channels)?;
                match random.percent(50) {
                    true => Action::Reload { client, channel },
                    false => Action::Unsubscribe { client, channel },
                }
            }
            84..94 => Action::Close { client: random.one_of(&guests)? },
            _ => Action::Vanish { client: random.one_of(&guests)? },
        })
    }

    /// Each kind once before any comes again. `None` if it is not possible now.
    fn draw_disaster(&mut self, model: &Model) -> Option<Vec<Action>> {
        if self.deck.is_empty() {
            self.deck = DISASTERS.to_vec();
            self.random.shuffle(&mut self.deck);
        }
        let disaster = *self.deck.last()?;
        let calm: Vec<_> = (0..model.nodes.len())
            .filter(|at| model.nodes[*at] == NodeState::Up && !model.is_troubled[*at])
            .collect();
        if disaster.is_of_redis() {
            if model.redis != RedisState::Up {
                return None;
            }
        } else if calm.len() < 2 {
            return None;
        }
        let node = self.random.one_of(&calm).unwrap_or_default();
        self.deck.pop();
        let (begin, end, seconds) = disaster.actions(node);
        if let Some(end) = end {
            let steps = self.random.within(steps(seconds.0)..steps(seconds.1));
            self.due.entry(self.step + steps.max(1)).or_default().push(end);
        }
        Some(vec![begin])
    }
}

fn steps(seconds: f64) -> usize {
    (seconds * STEPS_PER_SECOND as f64) as usize
}

impl Disaster {
    fn is_of_redis(self) -> bool {
        use Disaster::*;
        matches!(self, FreezeRedisBriefly | FreezeRedisForLong | RedisEmpty | RedisFull | Flush)
    }

    /// The first action, the last one, and the seconds between them. After five seconds of silence a
    /// node opens other connections: what is brief is over well before.
    fn actions(self, node: usize) -> (Action, Option<Action>, (f64, f64)) {
        let brief = (0.2, 3.0);
        let long = (6.0, 9.0);
        let (mend, both) = (Some(Action::Mend { node }), Line::Both);
        match self {
            Self::Kill => (Action::Kill { node }, Some(Action::Start { node }), (0.2, 8.0)),
            Self::Drain => (Action::Drain { node }, Some(Action::Start { node }), (1.5, 6.0)),
            Self::FreezeBriefly => {
                (Action::Freeze { node, is_long: false }, Some(Action::Thaw { node }), brief)
            }
            Self::FreezeForLong => {
                (Action::Freeze { node, is_long: true }, Some(Action::Thaw { node }), long)
            }
            Self::Cut(line) => (Action::Cut { node, line }, None, brief),
            Self::StallBriefly => (Action::Stall { node, line: both, is_long: false }, mend, brief),
            Self::StallForLong => (Action::Stall { node, line: both, is_long: true }, mend, long),
            Self::LoseReplies(line) => (Action::LoseReplies { node, line }, mend, (0.1, 1.5)),
            Self::SeverBriefly => (Action::Sever { node, is_long: false }, mend, brief),
            Self::SeverForLong => (Action::Sever { node, is_long: true }, mend, long),
            Self::FreezeRedisBriefly => {
                (Action::FreezeRedis { is_long: false }, Some(Action::ThawRedis), brief)
            }
            Self::FreezeRedisForLong => {
                (Action::FreezeRedis { is_long: true }, Some(Action::ThawRedis), (5.5, 7.0))
            }
            Self::RedisEmpty => {
                (Action::KillRedis, Some(Action::StartRedis { is_empty: true }), (0.1, 4.0))
            }
            Self::RedisFull => {
                (Action::KillRedis, Some(Action::StartRedis { is_empty: false }), (0.1, 4.0))
            }
            Self::Flush => (Action::Flush, None, brief),
        }
    }
}
