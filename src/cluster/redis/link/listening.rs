//! The listening connection. It stays when the talking one alone is lost: what other nodes publish
//! in the meantime is heard.

use std::{
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use redis::{Cmd, Value};

use super::{
    LinkError, LinkSettings,
    connection::{RedisConnection, ask, pipeline},
    inbox::{Inbox, Taken},
};
use crate::cluster::{redis::checks::Master, url::RedisHost};

pub type Answers = Pin<Box<dyn Future<Output = Result<Vec<Value>, LinkError>> + Send>>;

pub struct Listening {
    connection: RedisConnection,
    inbox: Arc<Inbox>,
    topics_answer: Option<Answers>,
}

pub enum ListeningStep {
    Arrived(Taken),
    /// Confirmations arrive as messages. This is only of interest if it is an error.
    TopicsAnswered(Result<Vec<Value>, LinkError>),
}

/// In the list of clients.
const LISTENING: &str = "sealcast-listening";

impl Listening {
    pub async fn open(settings: &LinkSettings, host: &RedisHost) -> Result<Self, LinkError> {
        let inbox = Arc::new(Inbox::new(settings.inbox_bytes));
        let all = inbox.clone();
        let push = move |push| all.push(push);
        let connection = RedisConnection::open(settings, host, LISTENING, push).await?;
        Ok(Self { connection, inbox, topics_answer: None })
    }

    pub fn master(&self) -> &Master {
        &self.connection.master
    }

    pub fn last_read(&self) -> Instant {
        self.connection.activity.last_read()
    }

    /// Only one at a time, as `Topics` does.
    pub fn send_topics(&mut self, command: Cmd) {
        let mut connection = self.connection.multiplexed.clone();
        self.topics_answer =
            Some(Box::pin(async move { ask(&mut connection, &pipeline([command])).await }));
    }

    /// Never, without a connection.
    pub async fn next(listening: &mut Option<Self>) -> ListeningStep {
        let Some(listening) = listening else { return pending().await };
        let next = |context: &mut Context| match listening.poll_topics(context) {
            Poll::Pending => listening.inbox.poll_take(context).map(ListeningStep::Arrived),
            answered => answered.map(ListeningStep::TopicsAnswered),
        };
        poll_fn(next).await
    }

    pub fn poll_topics(&mut self, context: &mut Context) -> Poll<Result<Vec<Value>, LinkError>> {
        let Some(answer) = &mut self.topics_answer else { return Poll::Pending };
        let answered = answer.as_mut().poll(context);
        if answered.is_ready() {
            self.topics_answer = None;
        }
        answered
    }

    pub fn poll_arrived(&self, context: &Context) -> Poll<Taken> {
        self.inbox.poll_take(context)
    }

    /// What arrived and is not taken yet.
    pub fn take(&self) -> Taken {
        self.inbox.take()
    }
}
