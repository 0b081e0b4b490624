//! The kinds of disasters, and what each is made of.

use super::action::Action;
use super::engine::EngineKind;
use super::proxy::Line;
use super::random::Random;
use super::slots::{MASTERS, SLOTS};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disaster {
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
    FailOver,
    Depose,
    MoveSlots,
}

/// Of nodes without anything between them and Redis.
const OF_PROCESSES: [Disaster; 4] =
    [Disaster::Kill, Disaster::Drain, Disaster::FreezeBriefly, Disaster::FreezeForLong];

const OF_CONNECTIONS: [Disaster; 9] = [
    Disaster::Cut(Line::Both),
    Disaster::Cut(Line::Talking),
    Disaster::Cut(Line::Listening),
    Disaster::StallBriefly,
    Disaster::StallForLong,
    Disaster::LoseReplies(Line::Both),
    Disaster::LoseReplies(Line::Talking),
    Disaster::SeverBriefly,
    Disaster::SeverForLong,
];

const OF_ONE_MASTER: [Disaster; 3] =
    [Disaster::FreezeRedisBriefly, Disaster::FreezeRedisForLong, Disaster::Flush];

const OF_ONE_SERVER: [Disaster; 2] = [Disaster::RedisEmpty, Disaster::RedisFull];

/// Seconds, at least and at most.
type Range = (f64, f64);

/// After five seconds of silence a node opens other connections: what is brief is over well before.
const BRIEF: Range = (0.2, 3.0);
const LONG: Range = (6.0, 9.0);

/// Each kind comes once before any comes again.
pub struct Deck {
    all: Vec<Disaster>,
    left: Vec<Disaster>,
    /// Of the engine alone: each second disaster is one of these.
    of_engine: &'static [Disaster],
    taken: usize,
}

impl Deck {
    pub fn of(engine: EngineKind) -> Self {
        let (all, of_engine) = match engine {
            EngineKind::Single => (
                [&OF_PROCESSES[..], &OF_CONNECTIONS, &OF_ONE_MASTER, &OF_ONE_SERVER].concat(),
                &[][..],
            ),
            EngineKind::Replicated => (
                [&OF_PROCESSES[..], &OF_CONNECTIONS, &OF_ONE_MASTER].concat(),
                &[Disaster::FailOver, Disaster::Depose][..],
            ),
            EngineKind::Masters => (OF_PROCESSES.to_vec(), &[Disaster::MoveSlots][..]),
        };
        Self { all, left: Vec::new(), of_engine, taken: 0 }
    }

    /// The next one, again and again until it is taken.
    pub fn next(&mut self, random: &mut Random) -> Disaster {
        if self.taken.is_multiple_of(2) && !self.of_engine.is_empty() {
            return self.of_engine[self.taken / 2 % self.of_engine.len()];
        }
        if self.left.is_empty() {
            self.left = self.all.clone();
            random.shuffle(&mut self.left);
        }
        self.left[self.left.len() - 1]
    }

    pub fn take(&mut self, disaster: Disaster) {
        self.taken += 1;
        self.left.pop_if(|it| *it == disaster);
    }
}

impl Disaster {
    pub fn is_of_redis(self) -> bool {
        OF_ONE_MASTER.contains(&self)
            || OF_ONE_SERVER.contains(&self)
            || matches!(self, Self::FailOver | Self::Depose | Self::MoveSlots)
    }

    pub fn first(self, node: usize, random: &mut Random) -> Action {
        let both = Line::Both;
        match self {
            Self::Kill => Action::Kill { node },
            Self::Drain => Action::Drain { node },
            Self::FreezeBriefly => Action::Freeze { node, is_long: false },
            Self::FreezeForLong => Action::Freeze { node, is_long: true },
            Self::Cut(line) => Action::Cut { node, line },
            Self::StallBriefly => Action::Stall { node, line: both, is_long: false },
            Self::StallForLong => Action::Stall { node, line: both, is_long: true },
            Self::LoseReplies(line) => Action::LoseReplies { node, line },
            Self::SeverBriefly => Action::Sever { node, is_long: false },
            Self::SeverForLong => Action::Sever { node, is_long: true },
            Self::FreezeRedisBriefly => Action::FreezeRedis { is_long: false },
            Self::FreezeRedisForLong => Action::FreezeRedis { is_long: true },
            Self::RedisEmpty | Self::RedisFull => Action::KillRedis,
            Self::Flush => Action::Flush,
            Self::FailOver | Self::Depose => Action::HoldReplication,
            Self::MoveSlots => {
                let count = random.within(4..24);
                let (first, to) = (random.below(SLOTS - count), random.below(MASTERS));
                Action::MoveSlots { first, count, to }
            }
        }
    }

    /// The other actions, each with the time after the one before.
    pub fn later(self, node: usize) -> Vec<(Action, Range)> {
        let mend = Action::Mend { node };
        match self {
            Self::Kill => vec![(Action::Start { node }, (0.2, 8.0))],
            Self::Drain => vec![(Action::Start { node }, (1.5, 6.0))],
            Self::FreezeBriefly => vec![(Action::Thaw { node }, BRIEF)],
            Self::FreezeForLong => vec![(Action::Thaw { node }, LONG)],
            Self::StallBriefly | Self::SeverBriefly => vec![(mend, BRIEF)],
            Self::StallForLong | Self::SeverForLong => vec![(mend, LONG)],
            Self::LoseReplies(_) => vec![(mend, (0.1, 1.5))],
            Self::FreezeRedisBriefly => vec![(Action::ThawRedis, BRIEF)],
            Self::FreezeRedisForLong => vec![(Action::ThawRedis, (5.5, 7.0))],
            Self::RedisEmpty => vec![(Action::StartRedis { is_empty: true }, (0.1, 4.0))],
            Self::RedisFull => vec![(Action::StartRedis { is_empty: false }, (0.1, 4.0))],
            Self::FailOver => vec![
                (Action::KillRedis, (0.2, 2.5)),
                (Action::Promote, (0.1, 2.0)),
                (Action::Rejoin, (1.0, 4.0)),
            ],
            // The former one goes on for as long as nodes need to notice.
            Self::Depose => {
                vec![(Action::Depose, (0.2, 2.5)), (Action::Rejoin, (5.0, 8.0))]
            }
            Self::Cut(_) | Self::Flush | Self::MoveSlots => Vec::new(),
        }
    }
}
