//! The two connections to one master, from their opening to their end.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use redis::{Cmd, Pipeline, PushKind, Value};

use super::{
    LinkError, LinkSettings,
    connection::{OPEN_TIMEOUT, RedisConnection, ask, pipeline},
    inbox::Inbox,
    listening::{Answers, Listening, ListeningStep},
    search::MasterSearch,
};
use crate::cluster::{
    redis::{
        checks::{self, MasterRun},
        keys::Keys,
        replies::Reply,
        scripts::Scripts,
        verbs::Verb,
    },
    url::RedisHost,
};

/// `S` tells what a pipeline was.
pub struct ConnectionPair<S> {
    talking: Talking,
    listening: Listening,
    outstanding: VecDeque<Outstanding<S>>,
    /// Answers and messages take turns, so that neither waits for the end of a flood of the other.
    answers_first: bool,
}

pub struct Talking {
    connection: RedisConnection,
    /// Nothing but its end arrives.
    inbox: Arc<Inbox>,
}

pub struct OpenedConnections {
    pub talking: Talking,
    /// `None`: the one that was kept leads to the same master.
    pub listening: Option<Listening>,
}

struct Outstanding<S> {
    answers: Answers,
    /// It goes out when it is polled for the first time.
    started: bool,
    sent_at: Instant,
    what: S,
}

pub enum PairStep<S> {
    Listening(ListeningStep),
    Answered { what: S, answers: Result<Vec<Value>, LinkError> },
    TalkingClosed,
}

/// What raises the floor of one partition.
pub struct FloorRequest {
    pub keys: Keys,
    pub came_from: bytes::Bytes,
    pub known: u64,
}

/// In the list of clients.
const TALKING: &str = "sealcast-talking";

impl OpenedConnections {
    /// Nothing of the node's state is sent before the scripts are loaded and the floors are raised.
    /// `kept` is the master of a listening connection that stays.
    pub async fn open(
        settings: Arc<LinkSettings>,
        floors: Vec<FloorRequest>,
        kept: Option<MasterRun>,
    ) -> Result<Self, LinkError> {
        let mut search = MasterSearch::new(&settings);
        while let Some(host) = search.next().await {
            match Self::open_at(&settings, &host, &floors, kept.as_ref()).await {
                Ok(opened) => return Ok(opened),
                Err(error) => search.failed(error),
            }
        }
        Err(search.error())
    }

    async fn open_at(
        settings: &LinkSettings,
        host: &RedisHost,
        floors: &[FloorRequest],
        kept: Option<&MasterRun>,
    ) -> Result<Self, LinkError> {
        let inbox = Arc::new(Inbox::new(0));
        let only_end = inbox.clone();
        let mut talking = RedisConnection::open(settings, host, TALKING, move |push| {
            if push.kind == PushKind::Disconnection {
                only_end.push(push);
            }
        })
        .await?;
        let run = talking.master.run.clone();
        let listening = match kept {
            Some(kept) if *kept == run => None,
            _ => Some(Listening::open(settings, host).await?),
        };
        if listening.as_ref().is_some_and(|listening| listening.master().run != run) {
            return Err(LinkError::SplitMasters);
        }
        let preparing = prepare(&mut talking, &settings.scripts, floors);
        tokio::time::timeout(OPEN_TIMEOUT, preparing).await.map_err(|_| LinkError::Silent)??;
        Ok(Self { talking: Talking { connection: talking, inbox }, listening })
    }
}

impl<S> ConnectionPair<S> {
    pub fn new(talking: Talking, listening: Listening) -> Self {
        Self { talking, listening, outstanding: VecDeque::new(), answers_first: false }
    }

    pub fn run(&self) -> &MasterRun {
        &self.talking.connection.master.run
    }

    /// Now, by what was read before the first subscription.
    pub fn engine_time_ms(&self) -> u64 {
        self.listening.master().now_ms()
    }

    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    pub fn send(&mut self, commands: Pipeline, what: S, now: Instant) {
        let mut connection = self.talking.connection.multiplexed.clone();
        let answers = Box::pin(async move { ask(&mut connection, &commands).await });
        self.outstanding.push_back(Outstanding { answers, started: false, sent_at: now, what });
    }

    pub fn send_topics(&mut self, command: Cmd) {
        self.listening.send_topics(command);
    }

    /// What the pipelines without an answer were, in order.
    pub fn sent_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.outstanding.iter_mut().map(|outstanding| &mut outstanding.what)
    }

    pub fn oldest_sent(&self) -> Option<Instant> {
        self.outstanding.front().map(|outstanding| outstanding.sent_at)
    }

    pub fn talking_last_read(&self) -> Instant {
        self.talking.connection.activity.last_read()
    }

    pub fn listening_last_read(&self) -> Instant {
        self.listening.last_read()
    }

    /// Starts what is to be sent, and waits for one thing to happen.
    pub async fn step(&mut self) -> PairStep<S> {
        std::future::poll_fn(|context| self.poll_step(context)).await
    }

    /// At the end: what has no answer, and the connection that may stay.
    pub fn into_rest(self) -> (Listening, impl Iterator<Item = S>) {
        (self.listening, self.outstanding.into_iter().map(|outstanding| outstanding.what))
    }

    fn poll_step(&mut self, context: &mut Context) -> Poll<PairStep<S>> {
        // A pipeline goes out when it is polled, so the order of these polls is that of sending. One
        // that is ready at once has failed, and says so again when it is the first.
        for outstanding in self.outstanding.iter_mut().filter(|it| !it.started) {
            outstanding.started = true;
            if let Poll::Ready(answers) = outstanding.answers.as_mut().poll(context) {
                outstanding.answers = Box::pin(std::future::ready(answers));
            }
        }
        if let Poll::Ready(answer) = self.listening.poll_topics(context) {
            return Poll::Ready(PairStep::Listening(ListeningStep::TopicsAnswered(answer)));
        }
        self.answers_first = !self.answers_first;
        if self.answers_first
            && let Poll::Ready(step) = self.poll_front(context)
        {
            return Poll::Ready(step);
        }
        if let Poll::Ready(taken) = self.listening.poll_arrived(context) {
            return Poll::Ready(PairStep::Listening(ListeningStep::Arrived(taken)));
        }
        if self.talking.inbox.poll_take(context).is_ready() {
            return Poll::Ready(PairStep::TalkingClosed);
        }
        self.poll_front(context)
    }

    fn poll_front(&mut self, context: &mut Context) -> Poll<PairStep<S>> {
        let Some(front) = self.outstanding.front_mut() else { return Poll::Pending };
        let Poll::Ready(answers) = front.answers.as_mut().poll(context) else {
            return Poll::Pending;
        };
        match self.outstanding.pop_front() {
            Some(Outstanding { what, .. }) => Poll::Ready(PairStep::Answered { what, answers }),
            None => Poll::Pending,
        }
    }
}

async fn prepare(
    talking: &mut RedisConnection,
    scripts: &Scripts,
    floors: &[FloorRequest],
) -> Result<(), LinkError> {
    let load = pipeline(scripts.load());
    for answer in ask(&mut talking.multiplexed, &load).await? {
        checks::accept(&answer, "SCRIPT LOAD")?;
    }
    let run = talking.master.run.as_bytes().clone();
    let verbs: Vec<_> = floors
        .iter()
        .map(|floor| Verb::Floor {
            came_from: floor.came_from.clone(),
            run: run.clone(),
            known: floor.known,
        })
        .collect();
    let commands = verbs.iter().zip(floors).map(|(verb, floor)| verb.command(scripts, &floor.keys));
    let answers = ask(&mut talking.multiplexed, &pipeline(commands)).await?;
    for (verb, answer) in verbs.iter().zip(answers) {
        checks::accept(&answer, "EVALSHA")?;
        match verb.parse(&answer) {
            Ok(Reply::Floor { .. }) => {}
            Ok(Reply::ClockBeyondRange) => return Err(LinkError::Clock),
            _ => return Err(LinkError::NotRedis),
        }
    }
    Ok(())
}
