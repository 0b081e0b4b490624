//! The commands of one partition, in the order of their sending.
//!
//! A command without an answer is sent again with the same bytes, in its place: its receivers know
//! it by its counter. A command with an error as its answer was not done, while others behind it may
//! have been. The same bytes would then be refused as a replay. So its owner gets it back, seals it
//! anew and adds it at the end.

use std::{collections::VecDeque, time::Instant};

use redis::{Arg, Cmd, Pipeline, Value};

use super::{backlog::Backlog, refusals::Refusal};

/// `T` tells the owner of a command what it was.
pub struct Lane<T> {
    backlog: Backlog,
    /// The first `sent` of them wait for their answers.
    entries: VecDeque<QueuedCommand<T>>,
    sent: usize,
}

struct QueuedCommand<T> {
    command: Cmd,
    bytes: usize,
    kind: CommandKind,
    since: Instant,
    token: T,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandKind {
    /// Is worth nothing after some time.
    Event,
    /// Part of the node's state.
    State,
}

#[derive(Debug)]
pub enum Answered<T> {
    Done {
        token: T,
        reply: Value,
    },
    /// Seal it anew, and add it again.
    NotDone {
        token: T,
        refusal: Refusal,
    },
}

/// The bounds of one pipeline.
pub struct PipelineRoom {
    pub commands: usize,
    pub bytes: usize,
}

impl<T> Lane<T> {
    pub fn new(backlog: Backlog) -> Self {
        Self { backlog, entries: VecDeque::new(), sent: 0 }
    }

    pub fn push(&mut self, kind: CommandKind, command: Cmd, token: T, now: Instant) {
        let bytes = size(&command);
        self.backlog.add(bytes);
        self.entries.push_back(QueuedCommand { command, bytes, kind, since: now, token });
    }

    pub fn has_unsent(&self) -> bool {
        self.sent < self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how many commands it added. One command is added however large it is.
    pub fn fill(&mut self, pipeline: &mut Pipeline, room: &mut PipelineRoom) -> usize {
        let first = self.sent;
        while let Some(entry) = self.entries.get(self.sent) {
            if room.commands == 0 || room.bytes == 0 {
                break;
            }
            pipeline.add_command(entry.command.clone());
            room.commands -= 1;
            room.bytes = room.bytes.saturating_sub(entry.bytes);
            self.sent += 1;
        }
        self.sent - first
    }

    /// `None` for an answer to nothing.
    pub fn answered(&mut self, reply: Value) -> Option<Answered<T>> {
        if self.sent == 0 {
            return None;
        }
        let QueuedCommand { token, bytes, .. } = self.entries.pop_front()?;
        self.sent -= 1;
        self.backlog.remove(bytes);
        Some(match reply {
            Value::ServerError(error) => {
                Answered::NotDone { token, refusal: Refusal::of_server(&error) }
            }
            reply => Answered::Done { token, reply },
        })
    }

    /// All that has no answer will be sent again.
    pub fn connection_lost(&mut self) {
        self.sent = 0;
    }

    /// Takes out the events that were added before that time. Only while nothing is sent: the answer
    /// to a command in between would be missing.
    pub fn expire(&mut self, before: Instant) -> Vec<T> {
        if self.sent > 0 {
            return Vec::new();
        }
        let old = self.entries.partition_point(|entry| entry.since < before);
        let (mut expired, mut kept) = (Vec::new(), Vec::new());
        for entry in self.entries.drain(..old) {
            match entry.kind {
                CommandKind::Event => {
                    self.backlog.remove(entry.bytes);
                    expired.push(entry.token);
                }
                CommandKind::State => kept.push(entry),
            }
        }
        kept.into_iter().rev().for_each(|entry| self.entries.push_front(entry));
        expired
    }

    /// The time of the oldest event that can expire.
    pub fn oldest_event(&self) -> Option<Instant> {
        if self.sent > 0 {
            return None;
        }
        let mut events = self.entries.iter().filter(|entry| entry.kind == CommandKind::Event);
        events.next().map(|entry| entry.since)
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        self.backlog.remove(self.entries.iter().map(|entry| entry.bytes).sum());
    }
}

/// Without the few bytes of lengths.
fn size(command: &Cmd) -> usize {
    let of = |arg: Arg<&[u8]>| match arg {
        Arg::Simple(bytes) => bytes.len(),
        _ => 0,
    };
    command.args_iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: usize = 100;

    struct LaneScene {
        lane: Lane<u32>,
        backlog: Backlog,
        start: Instant,
    }

    impl LaneScene {
        fn new() -> Self {
            let backlog = Backlog::new(LIMIT);
            Self { lane: Lane::new(backlog.clone()), backlog, start: Instant::now() }
        }

        fn push(&mut self, kind: CommandKind, token: u32) {
            let mut command = redis::cmd("SPUBLISH");
            command.arg("topic").arg(token);
            self.lane.push(kind, command, token, self.at(token));
        }

        fn at(&self, second: u32) -> Instant {
            self.start + Duration::from_secs(second.into())
        }

        /// The bytes that are sent.
        fn send(&mut self, commands: usize) -> Vec<u8> {
            let mut pipeline = Pipeline::new();
            let mut room = PipelineRoom { commands, bytes: 1000 };
            let added = self.lane.fill(&mut pipeline, &mut room);
            assert_eq!(added, pipeline.len());
            pipeline.get_packed_pipeline()
        }

        fn answer(&mut self) -> u32 {
            match self.lane.answered(Value::Int(1)) {
                Some(Answered::Done { token, .. }) => token,
                other => panic!("{other:?}"),
            }
        }

        fn refuse(&mut self, code: &str) -> u32 {
            match self.lane.answered(server_error(code)) {
                Some(Answered::NotDone { token, .. }) => token,
                other => panic!("{other:?}"),
            }
        }
    }

    fn server_error(code: &str) -> Value {
        let line = format!("-{code} a reason\r\n");
        redis::parse_redis_value(line.as_bytes()).expect("an error reply")
    }

    #[test]
    fn answers_belong_to_commands_in_order() {
        let mut scene = LaneScene::new();
        (1..=4).for_each(|token| scene.push(CommandKind::Event, token));
        scene.send(2);
        scene.send(2);
        assert!(!scene.lane.has_unsent());
        assert_eq!([(); 4].map(|()| scene.answer()), [1, 2, 3, 4]);
        assert!(scene.lane.answered(Value::Int(1)).is_none());
    }

    #[test]
    fn lost_answers_bring_the_same_bytes_in_the_same_order() {
        let mut scene = LaneScene::new();
        (1..=3).for_each(|token| scene.push(CommandKind::Event, token));
        scene.send(1);
        scene.answer();
        let sent = scene.send(9);
        scene.lane.connection_lost();
        scene.push(CommandKind::Event, 4);
        let again = scene.send(9);
        assert!(again.starts_with(&sent) && again.len() > sent.len());
        assert_eq!([(); 3].map(|()| scene.answer()), [2, 3, 4]);
    }

    #[test]
    fn je1_error_reply_gives_the_command_back_and_it_enters_at_the_end() {
        let mut scene = LaneScene::new();
        (1..=3).for_each(|token| scene.push(CommandKind::Event, token));
        scene.send(9);
        assert_eq!(scene.refuse("NOSCRIPT"), 1);
        scene.push(CommandKind::Event, 11);
        scene.send(9);
        assert_eq!([(); 3].map(|()| scene.answer()), [2, 3, 11]);
        // After a lost connection nothing of the refused bytes is sent.
        scene.lane.connection_lost();
        assert!(scene.send(9).is_empty());
    }

    #[test]
    fn backlog_counts_what_waits_and_state_goes_beyond_it() {
        let mut scene = LaneScene::new();
        let mut token = 0;
        while scene.backlog.has_room() {
            token += 1;
            scene.push(CommandKind::Event, token);
        }
        scene.push(CommandKind::State, 100);
        assert!(scene.backlog.bytes() > LIMIT);
        scene.send(1000);
        (0..=token).for_each(|_| {
            scene.answer();
        });
        assert_eq!(scene.backlog.bytes(), 0);
        scene.push(CommandKind::Event, 1);
        drop(scene.lane);
        assert_eq!(scene.backlog.bytes(), 0);
    }

    #[test]
    fn old_events_expire_and_state_stays_in_order() {
        let mut scene = LaneScene::new();
        for (kind, token) in [
            (CommandKind::State, 1),
            (CommandKind::Event, 2),
            (CommandKind::State, 3),
            (CommandKind::Event, 4),
            (CommandKind::Event, 5),
        ] {
            scene.push(kind, token);
        }
        assert_eq!(scene.lane.oldest_event(), Some(scene.at(2)));
        scene.send(1);
        assert!(scene.lane.expire(scene.at(9)).is_empty(), "one is sent");
        assert_eq!(scene.lane.oldest_event(), None);
        scene.lane.connection_lost();
        assert_eq!(scene.lane.expire(scene.at(5)), [2, 4]);
        scene.send(9);
        assert_eq!([(); 3].map(|()| scene.answer()), [1, 3, 5]);
        assert_eq!(scene.backlog.bytes(), 0);
    }
}
