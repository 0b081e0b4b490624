//! Draws actions from a seed. The same seed gives the same actions, whatever the servers do.

use std::collections::BTreeMap;

use super::action::{Action, ChannelName};
use super::disaster::Deck;
use super::engine::EngineKind;
use super::model::{FIRST_STEADFAST, Model, NodeState, RedisState, is_logged, is_presence};
use super::random::Random;

pub const CHANNELS: [ChannelName; 10] = [
    "presence-a",
    "presence-b",
    "presence-c",
    "presence-cache-d",
    "private-e",
    "private-cache-f",
    "private-log-h",
    "news",
    "sport",
    "cache-g",
];
const USERS: usize = 10;
const MOST_CLIENTS: usize = 36;
/// Clients that ended last, of which another one takes the place.
const RECENT: usize = 8;

/// Of 50 ms each.
const STEPS_PER_SECOND: usize = 20;

pub struct Plan {
    random: Random,
    step: usize,
    /// What ends a disaster, by its step.
    due: BTreeMap<usize, Vec<Action>>,
    deck: Deck,
    next_disaster: usize,
    steps_between: usize,
}

impl Plan {
    /// `steps_between`: of two disasters.
    pub fn new(seed: u64, steps_between: usize, engine: EngineKind) -> Self {
        let random = Random::new(seed);
        let next_disaster = steps_between;
        Self {
            random,
            step: 0,
            due: BTreeMap::new(),
            deck: Deck::of(engine),
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
            heir_of: None,
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
                let ended: Vec<_> =
                    (0..model.clients.len()).filter(|at| !model.clients[*at].is_open).collect();
                let recent = &ended[ended.len().saturating_sub(RECENT)..];
                let heir_of = random.one_of(recent);
                let heir_of = heir_of.filter(|_| channels.iter().any(|it| is_logged(it)));
                let (node, user) = (random.one_of(&up)?, random.below(USERS));
                Action::Connect { node, user, channels, heir_of }
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

    /// `None` if the next kind is not possible now.
    fn draw_disaster(&mut self, model: &Model) -> Option<Vec<Action>> {
        let disaster = self.deck.next(&mut self.random);
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
        self.deck.take(disaster);
        let mut at = self.step;
        for (action, seconds) in disaster.later(node) {
            let steps = self.random.within(steps(seconds.0)..steps(seconds.1));
            at += steps.max(1);
            self.due.entry(at).or_default().push(action);
        }
        Some(vec![disaster.first(node, &mut self.random)])
    }
}

fn steps(seconds: f64) -> usize {
    (seconds * STEPS_PER_SECOND as f64) as usize
}
