//! Reads parts of logs for the holders of channels.

use std::sync::Arc;

use redis::Value;

use super::{NodeDriver, token::NodeToken};
use crate::cluster::{
    node::{commands::FollowedChannel, logs::OpenedLogPart, news::ReplicaNews},
    redis::log::{LogPart, LogQuery},
};

impl NodeDriver {
    pub(super) fn read_log(
        &mut self,
        followed: Arc<FollowedChannel>,
        number: u64,
        query: &LogQuery,
    ) {
        let command = query.command(&self.scripts, &self.sealing.keys(&followed.channel));
        let after = query.after.unwrap_or_default();
        self.links.read(vec![command], NodeToken::Log { followed, number, after });
    }

    pub(super) fn log_read(
        &mut self,
        followed: &FollowedChannel,
        (number, after): (u64, u64),
        mut answers: Vec<Value>,
    ) {
        let part = LogPart::parse(answers.pop().unwrap_or(Value::Nil));
        let part = part.inspect_err(|error| tracing::error!(%error, "a log was not read")).ok();
        let (channel, rejected) = (&followed.channel, &self.status.rejected);
        let part =
            part.map(|part| OpenedLogPart::opened_by(&mut self.opening, channel, part, rejected));
        followed.holder.take(ReplicaNews::LogRead { number, after, part });
    }
}
