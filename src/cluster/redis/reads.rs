//! What is read on the talking connection.

use bytes::Bytes;
use redis::Cmd;

use super::{keys::Keys, messages::Mark, scripts::Scripts, snapshot::Snapshot};

/// `T` tells the owner of a read what it was.
pub enum QueuedRead<T> {
    Plain {
        commands: Vec<Cmd>,
        token: T,
    },
    Snapshot {
        mark: Mark,
        mark_topic: Bytes,
        keys: Box<Keys>,
        /// With the logged events behind this number.
        log_after: Option<u64>,
        /// Redis has no memory for a transaction.
        when_full: bool,
    },
    /// It was sent, and its owner has been told that it is lost.
    Abandoned,
}

impl<T> QueuedRead<T> {
    /// Once: a read is not repeated.
    pub fn take_commands(&mut self, scripts: &Scripts) -> Vec<Cmd> {
        match self {
            Self::Plain { commands, .. } => std::mem::take(commands),
            Self::Snapshot { mark, mark_topic, keys, log_after, when_full: false } => {
                Snapshot::commands(keys, mark_topic, mark, *log_after)
            }
            Self::Snapshot { mark, mark_topic, keys, log_after, when_full: true } => {
                vec![Snapshot::command_when_full(scripts, keys, mark_topic, mark, *log_after)]
            }
            Self::Abandoned => Vec::new(),
        }
    }
}
