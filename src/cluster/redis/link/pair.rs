//! The two connections to one master, from their opening to their end.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use redis::{Cmd, Pipeline, PushKind, Value};

use super::{
    LinkError, LinkSettings,
    connection::{OPEN_TIMEOUT, RedisConnection, ask, pipeline},
    inbox::{Inbox, Taken},
};
use crate::cluster::redis::{
    checks::{self, MasterRun},
    keys::Keys,
    replies::Reply,
    scripts::Scripts,
    verbs::Verb,
};

type Answers = Pin<Box<dyn Future<Output = Result<Vec<Value>, LinkError>> + Send>>;

/// `S` tells what a pipeline was.
pub struct ConnectionPair<S> {
    talking: RedisConnection,
    listening: RedisConnection,
    inbox: Arc<Inbox>,
    outstanding: VecDeque<Outstanding<S>>,
    topics_answer: Option<Answers>,
    /// Answers and messages take turns, so that neither waits for the end of a flood of the other.
    answers_first: bool,
}

struct Outstanding<S> {
    answers: Answers,
    /// It goes out when it is polled for the first time.
    started: bool,
    sent_at: Instant,
    what: S,
}

pub enum PairStep<S> {
    Arrived(Taken),
    Answered {
        what: S,
        answers: Result<Vec<Value>, LinkError>,
    },
    /// Confirmations arrive as messages. This is only of interest if it is an error.
    TopicsAnswered(Result<Vec<Value>, LinkError>),
}

/// What raises the floor of one partition.
pub struct FloorRequest {
    pub keys: Keys,
    pub came_from: bytes::Bytes,
    pub known: u64,
}

/// In the list of clients.
const TALKING: &str = "sealcast-talking";
const LISTENING: &str = "sealcast-listening";

impl<S> ConnectionPair<S> {
    /// Nothing of the node's state is sent before the scripts are loaded and the floors are raised.
    pub async fn open(
        settings: Arc<LinkSettings>,
        floors: Vec<FloorRequest>,
    ) -> Result<Self, LinkError> {
        let inbox = Arc::new(Inbox::new(settings.inbox_bytes));
        let only_end = inbox.clone();
        let mut talking = RedisConnection::open(&settings.endpoint, TALKING, move |push| {
            if push.kind == PushKind::Disconnection {
                only_end.push(push);
            }
        })
        .await?;
        let all = inbox.clone();
        let listening =
            RedisConnection::open(&settings.endpoint, LISTENING, move |push| all.push(push))
                .await?;
        if talking.master.run != listening.master.run {
            return Err(LinkError::SplitMasters);
        }
        let preparing = prepare(&mut talking, &settings.scripts, &floors);
        tokio::time::timeout(OPEN_TIMEOUT, preparing).await.map_err(|_| LinkError::Silent)??;
        Ok(Self {
            talking,
            listening,
            inbox,
            outstanding: VecDeque::new(),
            topics_answer: None,
            answers_first: false,
        })
    }

    pub fn run(&self) -> &MasterRun {
        &self.talking.master.run
    }

    /// Measured anew on each connection, before the first subscription.
    pub fn engine_time_ms(&self) -> u64 {
        self.listening.master.time_ms
    }

    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    pub fn send(&mut self, commands: Pipeline, what: S, now: Instant) {
        let mut connection = self.talking.multiplexed.clone();
        let answers = Box::pin(async move { ask(&mut connection, &commands).await });
        self.outstanding.push_back(Outstanding { answers, started: false, sent_at: now, what });
    }

    /// Only one at a time, as `Topics` does.
    pub fn send_topics(&mut self, command: Cmd) {
        let mut connection = self.listening.multiplexed.clone();
        self.topics_answer =
            Some(Box::pin(async move { ask(&mut connection, &pipeline([command])).await }));
    }

    /// What the pipelines without an answer were, in order.
    pub fn sent_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.outstanding.iter_mut().map(|outstanding| &mut outstanding.what)
    }

    pub fn oldest_sent(&self) -> Option<Instant> {
        self.outstanding.front().map(|outstanding| outstanding.sent_at)
    }

    pub fn talking_last_read(&self) -> Instant {
        self.talking.activity.last_read()
    }

    pub fn listening_last_read(&self) -> Instant {
        self.listening.activity.last_read()
    }

    /// Starts what is to be sent, and waits for one thing to happen.
    pub async fn step(&mut self) -> PairStep<S> {
        std::future::poll_fn(|context| self.poll_step(context)).await
    }

    /// What arrived and has no answer, at the end.
    pub fn into_rest(mut self) -> (Taken, impl Iterator<Item = S>) {
        let outstanding = std::mem::take(&mut self.outstanding);
        (self.inbox.take(), outstanding.into_iter().map(|outstanding| outstanding.what))
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
        if let Some(answer) = &mut self.topics_answer
            && let Poll::Ready(answer) = answer.as_mut().poll(context)
        {
            self.topics_answer = None;
            return Poll::Ready(PairStep::TopicsAnswered(answer));
        }
        self.answers_first = !self.answers_first;
        if self.answers_first
            && let Poll::Ready(step) = self.poll_front(context)
        {
            return Poll::Ready(step);
        }
        if let Poll::Ready(taken) = self.inbox.poll_take(context) {
            return Poll::Ready(PairStep::Arrived(taken));
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
