//! Short forms of verbs, for tests of one story on channel 0.

use super::{
    engine::TestEngine,
    names::{added, channel, node, occupied, removed, text, user, vacated},
    world::{ANY, World},
};
use crate::cluster::redis::{
    control::ControlVerb,
    lingering::{Lingering, LingeringKind},
    messages::TopicMessage,
    replies::Reply,
    verbs::{Fence, Verb},
};

pub const HOUR_MS: u64 = 3_600_000;

pub struct Scene {
    pub world: World,
}

impl Scene {
    /// Nodes 1 to `nodes` are in the cluster.
    pub fn with(nodes: usize) -> Self {
        Self::over(TestEngine::start(), nodes)
    }

    pub fn over(engine: TestEngine, nodes: usize) -> Self {
        let mut scene = Self { world: World::over(engine) };
        (1..=nodes).for_each(|at| scene.enter(at));
        scene
    }

    pub fn enter(&mut self, at: usize) {
        self.floor(at, "", "run 1", 0);
        self.beat(at);
        assert_eq!(self.admit(at, None), Reply::New);
    }

    pub fn admit(&mut self, at: usize, known: Option<u64>) -> Reply {
        let announcement = known.unwrap_or_default() + 1;
        self.run(at, &Verb::Admit { node: node(at), known, announcement })
    }

    pub fn floor(&mut self, at: usize, came_from: &str, run: &str, known: u64) -> u64 {
        let (came_from, run) = (came_from.to_owned().into(), run.to_owned().into());
        match self.run(at, &Verb::Floor { came_from, run, known }) {
            Reply::Floor { number } => number,
            other => panic!("{other:?}"),
        }
    }

    pub fn beat(&mut self, at: usize) -> Reply {
        let (node, slot) = (node(at), at as u16);
        self.world.control(&ControlVerb::Beat { node, slot, beat: "beat".into() }, 0)
    }

    pub fn run(&mut self, at: usize, verb: &Verb) -> Reply {
        self.try_run(at, verb).expect("the engine has room")
    }

    pub fn try_run(&mut self, at: usize, verb: &Verb) -> Option<Reply> {
        let on = if matches!(verb.script(), crate::cluster::redis::scripts::Script::Admit) {
            ANY
        } else {
            channel(0)
        };
        self.world.run(verb, &node(at), &on, 0)
    }

    /// The total, and the milliseconds until it may be told.
    pub fn count(&mut self, at: usize, count: u32, linger_ms: u64) -> Reply {
        self.run(at, &count_verb(at, count, linger_ms, Fence::Heeded))
    }

    pub fn join(&mut self, at: usize, member: usize) -> Reply {
        self.run(at, &join_verb(at, member, *b"info one", 0))
    }

    pub fn leave(&mut self, at: usize, member: usize, linger_ms: u64) -> Reply {
        self.run(at, &leave_verb(at, member, linger_ms, Fence::Heeded))
    }

    /// A node with one member on the channel.
    pub fn arrive(&mut self, at: usize, member: usize) -> Reply {
        self.count(at, 1, 0);
        self.join(at, member)
    }

    /// A node that drains has its member taken elsewhere.
    pub fn drain(&mut self, at: usize, member: usize, linger_ms: u64) {
        let reply = self.leave(at, member, linger_ms);
        assert!(matches!(reply, Reply::Lingers { .. }), "{reply:?}");
        self.count(at, 0, linger_ms);
        assert_eq!(self.run(at, &Verb::Retire { node: node(at) }), Reply::Retired);
    }

    pub fn bury(&mut self, at: usize) {
        self.run(at, &Verb::Bury);
    }

    /// What its reaper does for a node with one member.
    pub fn reap(&mut self, at: usize, member: usize) {
        self.bury(at);
        self.run(at, &leave_verb(at, member, 0, Fence::Passed));
        self.run(at, &count_verb(at, 0, 0, Fence::Passed));
        assert_eq!(self.run(at, &Verb::Retire { node: node(at) }), Reply::Retired);
    }

    pub fn last(&mut self, event: &str, sent_ms: u64) -> Reply {
        let blob = format!("\u{1}{event}").into();
        self.run(1, &Verb::Last { channel: channel(0), blob, ttl_ms: HOUR_MS, sent_ms })
    }

    pub fn end_all(&mut self) -> Vec<Reply> {
        let entries: Vec<_> = self.world.book.lingering.keys().copied().collect();
        entries.iter().filter_map(|entry| self.world.end(entry, 0)).collect()
    }

    pub fn elapse_all(&mut self) {
        let entries: Vec<_> = self.world.book.lingering.keys().copied().collect();
        entries.iter().for_each(|entry| self.world.elapse(entry));
    }

    /// Everything heard of the channel since the last call, in short: `+` added, `-` removed,
    /// `*` last event, `=` event, `#` total.
    pub fn heard(&mut self) -> String {
        self.world.heard.drain(..).map(|message| short(&message)).collect()
    }

    /// The facts since the last call, without the channel.
    pub fn written(&mut self) -> Vec<String> {
        let facts = self.world.written.drain(..);
        let channel = format!(" {}", text(&channel(0)));
        facts
            .map(|fact| {
                let fact = str::from_utf8(&fact).expect("facts of tests are text");
                fact.replace(&channel, "")
            })
            .collect()
    }

    /// The kinds of the facts since the last call.
    pub fn facts(&mut self) -> Vec<String> {
        let facts = self.world.written.drain(..);
        facts
            .map(|fact| {
                let fact = str::from_utf8(&fact).expect("facts of tests are text");
                fact.split(' ').next().unwrap_or_default().to_owned()
            })
            .collect()
    }
}

fn short(message: &TopicMessage) -> String {
    use crate::cluster::redis::messages::NumberedKind::{
        Added, Cleared, LastEvent, Logged, LoggedLast, Removed,
    };
    match message {
        TopicMessage::Event(_) => "=".into(),
        TopicMessage::Total(total) => format!("#{total}"),
        TopicMessage::Numbered(message) => match message.kind {
            Added => "+".into(),
            Removed => "-".into(),
            LastEvent => "*".into(),
            Logged => "l".into(),
            LoggedLast => "L".into(),
            Cleared => "~".into(),
        },
    }
}

pub fn count_verb(at: usize, count: u32, linger_ms: u64, fence: Fence) -> Verb {
    let id = channel(0);
    Verb::Count {
        fence,
        node: node(at),
        channel: id,
        count,
        name: "name".into(),
        occupied: Some(occupied(&id)),
        vacated: Some(vacated(&id)),
        total: None,
        linger_ms,
        log: None,
    }
}

pub fn join_verb(at: usize, member: usize, tag: [u8; 8], limit: u32) -> Verb {
    let (id, member) = (channel(0), user(member));
    Verb::Join {
        node: node(at),
        channel: id,
        member,
        tag,
        record: "record".into(),
        limit,
        added: added(&id, &member),
        removed: removed(&id, &member),
    }
}

pub fn leave_verb(at: usize, member: usize, linger_ms: u64, fence: Fence) -> Verb {
    let (id, member) = (channel(0), user(member));
    let removed = removed(&id, &member);
    Verb::Leave { fence, node: node(at), channel: id, member, removed, linger_ms }
}

pub fn vacant_channel() -> Lingering {
    Lingering { channel: channel(0), kind: LingeringKind::Channel }
}

pub fn lingering_member(member: usize) -> Lingering {
    Lingering { channel: channel(0), kind: LingeringKind::Member(user(member)) }
}
