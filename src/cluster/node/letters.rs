//! The undelivered webhooks of an app in Redis, as this node reads and writes them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::sync::{mpsc::UnboundedSender, oneshot};
use zeroize::Zeroizing;

use super::{
    ClusterNode,
    commands::{NodeCommand, NodeRead},
    queries::{QueryError, TIMEOUT},
    status::NodeStatus,
};
use crate::cluster::{
    redis::{
        letters::{
            EndedLetters, LetterEnd, LetterKeys, StoredLetter, read_claimed, read_ended, read_page,
            read_written,
        },
        replies::integer,
    },
    stored::{StoredPlace, StoredValues},
};

/// A replay that has not ended after this time may be begun by another node.
const CLAIM: Duration = Duration::from_secs(15 * 60);

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LetterError {
    #[error("Redis does not answer at the moment; try again")]
    Away,
    #[error("Redis has as many undelivered webhooks of the app as it may have; discard some")]
    Full,
    #[error("Redis takes no webhooks: its memory is full, or the rights of its user do not do")]
    Refused,
}

/// The letters of one app. For threads that may wait.
pub struct LetterBox {
    commands: UnboundedSender<NodeCommand>,
    stored: Arc<StoredValues>,
    status: Arc<NodeStatus>,
    keys: LetterKeys,
}

/// A letter as its writer sealed it, with its number.
pub struct OpenedLetter {
    pub number: u64,
    pub content: Zeroizing<Vec<u8>>,
}

impl ClusterNode {
    pub fn letters(&self, app: &str) -> LetterBox {
        let (names, hash) = (self.layout.control(), self.names.app(app));
        LetterBox {
            commands: self.commands.clone(),
            stored: self.stored.clone(),
            status: self.status.clone(),
            keys: LetterKeys {
                letters: names.letters(&hash).into(),
                claims: names.letter_claims(&hash).into(),
            },
        }
    }
}

impl LetterBox {
    /// Returns the number of letters then.
    pub fn write(&self, contents: &[Vec<u8>]) -> Result<u64, LetterError> {
        let seal = |content: &Vec<u8>| self.stored.seal(self.place(), content).map(Bytes::from);
        let sealed: Result<Vec<_>, _> = contents.iter().map(seal).collect();
        let sealed = sealed.map_err(|_| LetterError::Refused)?;
        let written = read_written(self.ask(self.keys.write(&sealed))?);
        written.ok_or(LetterError::Refused)?.ok_or(LetterError::Full)
    }

    /// Up to `most` letters behind a number, and the number of the last one that was read. `None`:
    /// there are no more.
    pub fn page(
        &self,
        after: u64,
        most: usize,
    ) -> Result<Option<(Vec<OpenedLetter>, u64)>, LetterError> {
        let page = read_page(self.ask(self.keys.page(after, most))?).ok_or(LetterError::Refused)?;
        let Some(last) = page.last().map(|letter| letter.number) else { return Ok(None) };
        let open = |StoredLetter { number, sealed }: StoredLetter| {
            let opened = self.status.rejected.counted(self.stored.open(self.place(), &sealed));
            Some(OpenedLetter { number, content: opened.ok()? })
        };
        Ok(Some((page.into_iter().filter_map(open).collect(), last)))
    }

    /// Those that no node replays at the moment. They are this node's for some time.
    pub fn claim(&self, numbers: &[u64]) -> Result<Vec<u64>, LetterError> {
        let answer = self.ask(self.keys.claim(CLAIM.as_millis() as u64, numbers))?;
        read_claimed(answer).ok_or(LetterError::Refused)
    }

    pub fn end(&self, end: LetterEnd, numbers: &[u64]) -> Result<EndedLetters, LetterError> {
        read_ended(self.ask(self.keys.end(end, numbers))?).ok_or(LetterError::Refused)
    }

    /// Does not wait: `read_count` reads what comes.
    pub fn ask_count(&self) -> oneshot::Receiver<Vec<Value>> {
        let (done, answers) = oneshot::channel();
        let commands = vec![self.keys.count()];
        let _ = self.commands.send(NodeCommand::Read(NodeRead { commands, done }));
        answers
    }

    pub fn read_count(answers: &[Value]) -> Option<u64> {
        integer(answers.first()?)
    }

    fn place(&self) -> StoredPlace<'_> {
        StoredPlace { key: &self.keys.letters, field: b"", generation: 0 }
    }

    fn ask(&self, command: Cmd) -> Result<Value, LetterError> {
        let (done, answers) = oneshot::channel();
        let read = NodeRead { commands: vec![command], done };
        self.commands.send(NodeCommand::Read(read)).map_err(|_| LetterError::Away)?;
        let waiting = async { tokio::time::timeout(TIMEOUT, answers).await };
        let answers = tokio::runtime::Handle::current().block_on(waiting);
        let answers = answers.ok().and_then(Result::ok).ok_or(LetterError::Away)?;
        match answers.into_iter().next() {
            None => Err(LetterError::Away),
            Some(Value::ServerError(_)) => Err(LetterError::Refused),
            Some(answer) => Ok(answer),
        }
    }
}

impl From<QueryError> for LetterError {
    fn from(_: QueryError) -> Self {
        Self::Away
    }
}
