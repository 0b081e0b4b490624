//! The commands of one partition, in the order of their sending.
//!
//! A command without an answer is sent again with the same bytes, in its place: its receivers know
//! it by its counter. A command with an error as its answer was not done, while others behind it may
//! have been. The same bytes would then be refused as a replay. So its owner gets it back, seals it
//! anew and adds it at the end.
//!
//! A read of the partition has its place among the commands, so that its owner knows which of them it
//! shows. It is sent once.

use std::{collections::VecDeque, time::Instant};

use redis::{Arg, Cmd, Pipeline, Value};

use super::{backlog::Backlog, reads::QueuedRead, refusals::Refusal, scripts::Scripts};

/// `T` tells the owner of a command what it was.
pub struct Lane<T> {
    backlog: Backlog,
    /// Commands that wait for their answers.
    sent: VecDeque<QueuedCommand<T>>,
    waiting: VecDeque<LaneEntry<T>>,
}

enum LaneEntry<T> {
    Command(QueuedCommand<T>),
    Read(QueuedRead<T>),
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
    /// Their answers may be long.
    pub reads: usize,
}

/// What one lane has added to a pipeline, in order, with the number of commands.
pub enum LanePart<T> {
    Commands(usize),
    Read(QueuedRead<T>, usize),
}

impl<T> Lane<T> {
    pub fn new(backlog: Backlog) -> Self {
        Self { backlog, sent: VecDeque::new(), waiting: VecDeque::new() }
    }

    pub fn push(&mut self, kind: CommandKind, command: Cmd, token: T, now: Instant) {
        let bytes = size(&command);
        self.backlog.add(bytes);
        let queued = QueuedCommand { command, bytes, kind, since: now, token };
        self.waiting.push_back(LaneEntry::Command(queued));
    }

    pub fn push_read(&mut self, read: QueuedRead<T>) {
        self.waiting.push_back(LaneEntry::Read(read));
    }

    /// True if no command waits for an answer.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }

    /// True if a sent command waits for its answer.
    pub fn awaits_answers(&self) -> bool {
        !self.sent.is_empty()
    }

    /// One command is added however large it is.
    pub fn fill(
        &mut self,
        pipeline: &mut Pipeline,
        room: &mut PipelineRoom,
        scripts: &Scripts,
    ) -> Vec<LanePart<T>> {
        let mut parts = Vec::new();
        while room.commands > 0 && room.bytes > 0 {
            let is_read = matches!(self.waiting.front(), Some(LaneEntry::Read(_)));
            if is_read && room.reads == 0 {
                break;
            }
            match self.waiting.pop_front() {
                Some(LaneEntry::Command(queued)) => {
                    pipeline.add_command(queued.command.clone());
                    room.commands -= 1;
                    room.bytes = room.bytes.saturating_sub(queued.bytes);
                    self.sent.push_back(queued);
                    match parts.last_mut() {
                        Some(LanePart::Commands(count)) => *count += 1,
                        _ => parts.push(LanePart::Commands(1)),
                    }
                }
                Some(LaneEntry::Read(mut read)) => {
                    let commands = read.take_commands(scripts);
                    room.reads -= 1;
                    let count = commands.len();
                    commands.into_iter().for_each(|command| {
                        pipeline.add_command(command);
                    });
                    parts.push(LanePart::Read(read, count));
                }
                None => break,
            }
        }
        parts
    }

    /// `None` for an answer to nothing.
    pub fn answered(&mut self, reply: Value) -> Option<Answered<T>> {
        let QueuedCommand { token, bytes, .. } = self.sent.pop_front()?;
        self.backlog.remove(bytes);
        Some(match reply {
            Value::ServerError(error) => {
                Answered::NotDone { token, refusal: Refusal::of_server(&error) }
            }
            reply => Answered::Done { token, reply },
        })
    }

    /// All commands without an answer will be sent again. Returns the reads, which will not.
    pub fn connection_lost(&mut self) -> Vec<QueuedRead<T>> {
        let lost = self.take_reads();
        while let Some(queued) = self.sent.pop_back() {
            self.waiting.push_front(LaneEntry::Command(queued));
        }
        lost
    }

    /// The reads that are not sent.
    pub fn take_reads(&mut self) -> Vec<QueuedRead<T>> {
        let (mut reads, mut kept) = (Vec::new(), VecDeque::new());
        for entry in self.waiting.drain(..) {
            match entry {
                LaneEntry::Read(read) => reads.push(read),
                command => kept.push_back(command),
            }
        }
        self.waiting = kept;
        reads
    }

    /// Takes out the events that were added before that time and are not sent. Redis may still
    /// publish those that are.
    pub fn expire(&mut self, before: Instant) -> Vec<T> {
        let is_old = |entry: &LaneEntry<T>| match entry {
            LaneEntry::Command(queued) => queued.since < before,
            LaneEntry::Read(_) => false,
        };
        let old = self.waiting.partition_point(is_old);
        let (mut expired, mut kept) = (Vec::new(), Vec::new());
        for entry in self.waiting.drain(..old) {
            match entry {
                LaneEntry::Command(queued) if queued.kind == CommandKind::Event => {
                    self.backlog.remove(queued.bytes);
                    expired.push(queued.token);
                }
                entry => kept.push(entry),
            }
        }
        kept.into_iter().rev().for_each(|entry| self.waiting.push_front(entry));
        expired
    }

    /// The time of the oldest event that can expire.
    pub fn oldest_event(&self) -> Option<Instant> {
        self.waiting.iter().find_map(|entry| match entry {
            LaneEntry::Command(queued) if queued.kind == CommandKind::Event => Some(queued.since),
            _ => None,
        })
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        let waiting = self.waiting.iter().filter_map(|entry| match entry {
            LaneEntry::Command(queued) => Some(queued),
            LaneEntry::Read(_) => None,
        });
        self.backlog.remove(self.sent.iter().chain(waiting).map(|queued| queued.bytes).sum());
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
            self.fill(&mut pipeline, commands);
            pipeline.get_packed_pipeline()
        }

        /// The sizes of the parts, those of reads negative.
        fn fill(&mut self, pipeline: &mut Pipeline, commands: usize) -> Vec<i64> {
            let mut room = PipelineRoom { commands, bytes: 1000, reads: 2 };
            let parts = self.lane.fill(pipeline, &mut room, &Scripts::new());
            let sizes = parts.iter().map(|part| match part {
                LanePart::Commands(count) => *count as i64,
                LanePart::Read(_, count) => -(*count as i64),
            });
            let sizes: Vec<i64> = sizes.collect();
            assert_eq!(
                sizes.iter().map(|size| size.unsigned_abs() as usize).sum::<usize>(),
                pipeline.len()
            );
            sizes
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
        assert!(scene.send(2).is_empty());
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
    fn reads_have_their_place_among_commands_and_are_not_repeated() {
        let mut scene = LaneScene::new();
        let read = || QueuedRead::Plain { commands: vec![redis::cmd("PING"); 3], token: 9 };
        scene.push(CommandKind::State, 1);
        scene.lane.push_read(read());
        scene.push(CommandKind::State, 2);
        scene.push(CommandKind::State, 3);
        (0..3).for_each(|_| scene.lane.push_read(read()));
        scene.push(CommandKind::State, 4);
        // The bound of reads holds back what is behind them.
        assert_eq!(scene.fill(&mut Pipeline::new(), 9), [1, -3, 2, -3]);
        assert_eq!(scene.fill(&mut Pipeline::new(), 9), [-3, -3, 1]);
        assert_eq!([(); 2].map(|()| scene.answer()), [1, 2]);
        scene.lane.push_read(read());
        assert_eq!(scene.lane.connection_lost().len(), 1);
        assert_eq!(scene.fill(&mut Pipeline::new(), 9), [2]);
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
        scene.send(2);
        assert_eq!(scene.lane.oldest_event(), Some(scene.at(4)));
        assert_eq!(scene.lane.expire(scene.at(5)), [4]);
        assert_eq!(scene.answer(), 1);
        scene.lane.connection_lost();
        assert_eq!(scene.lane.expire(scene.at(3)), [2]);
        scene.send(9);
        assert_eq!([(); 2].map(|()| scene.answer()), [3, 5]);
        assert_eq!(scene.backlog.bytes(), 0);
    }
}
