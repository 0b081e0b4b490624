//! A real Redis under test: each verb with all that it caused.

use std::{collections::BTreeMap, sync::mpsc};

use bytes::Bytes;
use redis::{Cmd, Connection, ConnectionLike, Pipeline, PushInfo, PushKind, Value};

use super::{
    contents::{Contents, DUMP, read_contents},
    names::{channel, control_keys, keys, mark_topic},
    server::{RedisServer, ask},
};
use crate::cluster::redis::{
    Id,
    control::ControlVerb,
    messages::{Mark, TopicMessage},
    refusals::Refusal,
    replies::Reply,
    scripts::Scripts,
    snapshot::{Snapshot, SnapshotError},
    verbs::Verb,
};

pub const CHANNELS: usize = 3;
const USER: &str = "sealcast";
const PASSWORD: &str = "secret";
/// What a node may do, as docs tell operators.
pub const ACL: &str = "resetkeys ~SC1* resetchannels &SC1* -@all +@hash +@set +@sortedset +@stream \
    +@string +exists +del +pexpire +pttl +ssubscribe +sunsubscribe +spublish +eval +evalsha \
    +script|load +multi +exec +discard +hello +auth +ping +client|setname +info +role +time \
    +cluster|slots +cluster|shards +cluster|myid";
const MOST_BLOB: usize = 1 << 20;

/// Everything that a verb caused.
#[derive(Debug)]
pub struct Observation {
    /// The channel of the verb's keys.
    pub on: Id,
    /// The engine's time before and after it, in microseconds.
    pub from: u64,
    pub to: u64,
    pub reply: Reply,
    pub messages: Vec<TopicMessage>,
    pub facts: Vec<Bytes>,
}

pub struct TestEngine {
    /// Talks and listens as the user that the documents describe.
    talking: Connection,
    listening: Connection,
    /// For what no node does.
    admin: Connection,
    pushed: mpsc::Receiver<PushInfo>,
    pub scripts: Scripts,
    last_fact: String,
    server: RedisServer,
}

impl TestEngine {
    pub fn start() -> Self {
        Self::over(RedisServer::start())
    }

    pub fn over(server: RedisServer) -> Self {
        let mut admin = server.connect();
        let mut set_user = redis::cmd("ACL");
        set_user.arg("SETUSER").arg(USER).arg("on").arg(format!(">{PASSWORD}"));
        ACL.split_whitespace().for_each(|rule| {
            set_user.arg(rule);
        });
        ask(&mut admin, &set_user).expect("a user");
        let login = format!("{USER}:{PASSWORD}@");
        let mut listening = server.connect_as(&login);
        let (sender, pushed) = mpsc::channel();
        listening.set_push_sender(sender);
        let mut subscribe = redis::cmd("SSUBSCRIBE");
        (0..CHANNELS).for_each(|at| {
            subscribe.arg(&keys(&[b'x'; 16], &channel(at)).t[..]);
        });
        subscribe.arg(&mark_topic()[..]).set_no_response(true);
        subscribe.exec(&mut listening).expect("topics");
        let talking = server.connect_as(&login);
        let last_fact = "0-0".into();
        let mut engine =
            Self { talking, listening, admin, pushed, scripts: Scripts::new(), last_fact, server };
        engine.load_scripts();
        engine.heard();
        engine
    }

    pub fn load_scripts(&mut self) {
        for command in self.scripts.load().collect::<Vec<_>>() {
            ask(&mut self.talking, &command).expect("a script");
        }
    }

    pub fn talk(&mut self, command: &Cmd) -> redis::RedisResult<Value> {
        ask(&mut self.talking, command)
    }

    pub fn pipelined(&mut self, pipeline: &Pipeline, answers: usize) -> Vec<Value> {
        pipelined(&mut self.talking, pipeline, answers)
    }

    pub fn administer(&mut self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(word);
        });
        self.ask_admin(&command)
    }

    pub fn ask_admin(&mut self, command: &Cmd) -> Value {
        ask(&mut self.admin, command).expect("an answer")
    }

    pub fn connect_as_node(&self) -> Connection {
        self.server.connect_as(&format!("{USER}:{PASSWORD}@"))
    }

    /// `on` names the channel of the verb, or any one.
    pub fn run(&mut self, verb: &Verb, node: &Id, on: &Id) -> Result<Observation, Refusal> {
        let keys = keys(node, on);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME").add_command(verb.command(&self.scripts, &keys)).cmd("TIME");
        pipeline.cmd("XRANGE").arg(&keys.w[..]).arg(format!("({}", self.last_fact)).arg("+");
        let answers = pipelined(&mut self.talking, &pipeline, 4);
        let [before, answer, after, facts] = <[Value; 4]>::try_from(answers).expect("four answers");
        let reply = match answer {
            Value::ServerError(error) => return Err(Refusal::of_server(&error)),
            answer => verb.parse(&answer).expect("a known reply"),
        };
        Ok(Observation {
            on: *on,
            from: micros(before),
            to: micros(after),
            reply,
            facts: self.read_facts(facts),
            messages: self.heard().into_iter().map(|(_, message)| message).collect(),
        })
    }

    pub fn control(&mut self, verb: &ControlVerb) -> Result<Reply, Refusal> {
        let command = verb.command(&self.scripts, &control_keys());
        match ask(&mut self.talking, &command) {
            Ok(answer) => Ok(verb.parse(&answer).expect("a known reply")),
            Err(error) => Err(Refusal::of_error(&error).expect("an error reply")),
        }
    }

    /// While nobody else writes.
    pub fn snapshot(&mut self, on: &Id, mark: Mark) -> Snapshot {
        let (before, snapshot, after) = self.snapshot_among_messages(on, mark);
        assert!(before.is_empty() && after.is_empty(), "{before:?} {after:?}");
        snapshot
    }

    /// What was heard before the mark, the snapshot, and what was heard behind the mark.
    pub fn snapshot_among_messages(
        &mut self,
        on: &Id,
        mark: Mark,
    ) -> (Vec<TopicMessage>, Snapshot, Vec<TopicMessage>) {
        let mut pipeline = Pipeline::new();
        for command in Snapshot::commands(&keys(&[b'x'; 16], on), &mark_topic(), &mark, None) {
            pipeline.add_command(command);
        }
        let snapshot = match Snapshot::parse(pipelined(&mut self.talking, &pipeline, 6)) {
            Err(SnapshotError::Refused(Refusal::Full)) => {
                let names = keys(&[b'x'; 16], on);
                let command =
                    Snapshot::command_when_full(&self.scripts, &names, &mark_topic(), &mark, None);
                Snapshot::parse(vec![self.talk(&command).expect("a state")])
            }
            snapshot => snapshot,
        };
        let snapshot = snapshot.expect("a snapshot");
        let pushes: Vec<_> = self.pushes().collect();
        let at = pushes.iter().position(|(topic, _)| *topic == mark_topic()).expect("a mark");
        assert_eq!(Mark::parse(&pushes[at].1), Ok(mark));
        let read = |pushes: &[(Bytes, Bytes)]| {
            pushes.iter().map(|(_, message)| read_message(message)).collect()
        };
        (read(&pushes[..at]), snapshot, read(&pushes[at + 1..]))
    }

    /// All channel messages so far. The answer to a PING comes behind them.
    pub fn heard(&mut self) -> Vec<(Bytes, TopicMessage)> {
        self.pushes().map(|(topic, message)| (topic, read_message(&message))).collect()
    }

    fn pushes(&mut self) -> impl Iterator<Item = (Bytes, Bytes)> + use<> {
        ask(&mut self.listening, &redis::cmd("PING")).expect("PONG");
        let pushed: Vec<_> = self.pushed.try_iter().collect();
        pushed.into_iter().filter(|push| push.kind == PushKind::SMessage).map(|push| {
            let [topic, message] = <[Value; 2]>::try_from(push.data).expect("topic and message");
            (bytes(topic), bytes(message))
        })
    }

    pub fn contents(&mut self) -> BTreeMap<Bytes, Contents> {
        let mut dump = redis::cmd("EVAL");
        read_contents(self.ask_admin(dump.arg(DUMP).arg(0)))
    }

    /// Afterwards only newer facts count.
    pub fn skip_facts(&mut self) {
        self.last_fact = "0-0".into();
        let key = keys(&[b'x'; 16], &channel(0)).w;
        let mut range = redis::cmd("XRANGE");
        let all = self.ask_admin(range.arg(&key[..]).arg("-").arg("+"));
        self.read_facts(all);
    }

    fn read_facts(&mut self, entries: Value) -> Vec<Bytes> {
        let Value::Array(entries) = entries else { panic!("{entries:?}") };
        entries
            .into_iter()
            .map(|entry| {
                let (name, fields): (String, Vec<Bytes>) =
                    redis::from_redis_value(entry).expect("an entry of a stream");
                self.last_fact = name;
                match &fields[..] {
                    [_, fact, _, number] => [&fact[..], b" ", &number[..]].concat().into(),
                    fields => fields[1].clone(),
                }
            })
            .collect()
    }
}

fn read_message(message: &Bytes) -> TopicMessage {
    let parsed = TopicMessage::parse(message, MOST_BLOB);
    parsed.unwrap_or_else(|error| panic!("{error}: {message:?}"))
}

fn pipelined(connection: &mut Connection, pipeline: &Pipeline, answers: usize) -> Vec<Value> {
    connection
        .req_packed_commands(&pipeline.get_packed_pipeline(), 0, answers)
        .expect("answers of a pipeline")
}

pub fn bytes(value: Value) -> Bytes {
    match value {
        Value::BulkString(bytes) => bytes.into(),
        Value::SimpleString(text) => text.into_bytes().into(),
        other => panic!("{other:?}"),
    }
}

fn micros(time: Value) -> u64 {
    let (seconds, micros): (u64, u64) = redis::from_redis_value(time).expect("a time");
    seconds * 1_000_000 + micros
}
