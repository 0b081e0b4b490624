//! Reading the logs of channels.

use bytes::Bytes;

use super::{ClusterChannel, ClusterNode, opening::NodeOpening, queries::QueryError};
use crate::cluster::{
    content::EventContent,
    envelope::EnvelopePlace,
    redis::log::{LogEntry, LogHead, LogPart, LogQuery},
    rejection::ClusterRejectionCounters,
};

/// A part of a log, opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpenedLogPart {
    pub head: LogHead,
    pub entries: Vec<OpenedLogEntry>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedLogEntry {
    pub number: u64,
    pub previous: u64,
    /// An `EventContent`. `None`: its envelope did not open.
    pub content: Option<Bytes>,
}

impl ClusterNode {
    /// Opened with the keys of this node.
    pub async fn read_log(
        &self,
        channel: &ClusterChannel,
        query: &LogQuery,
    ) -> Result<OpenedLogPart, QueryError> {
        let command = query.command(&self.scripts, &self.keys(channel));
        let answer = self.read(vec![command]).await?.pop().ok_or(QueryError::Away)?;
        let part = LogPart::parse(answer).map_err(|error| {
            tracing::error!(%error, "a log was not read");
            QueryError::Away
        })?;
        let place = EnvelopePlace { app: &channel.app, channel: channel.channel.name() };
        let open = |entry: &LogEntry| {
            let opened = self.opener.lock().open(place, &entry.blob);
            self.rejected(opened).map(|opened| Bytes::copy_from_slice(&opened.content))
        };
        Ok(OpenedLogPart::of(part, open))
    }
}

impl OpenedLogPart {
    pub(super) fn opened_by(
        opening: &mut NodeOpening,
        channel: &ClusterChannel,
        part: LogPart,
        counters: &ClusterRejectionCounters,
    ) -> Self {
        Self::of(part, |entry| Some(opening.logged(channel, entry, counters)?.content))
    }

    fn of(part: LogPart, mut open: impl FnMut(&LogEntry) -> Option<Bytes>) -> Self {
        let entries = part.entries.iter().map(|entry| OpenedLogEntry {
            number: entry.number,
            previous: entry.previous,
            content: open(entry),
        });
        Self { entries: entries.collect(), head: part.head }
    }
}

impl OpenedLogEntry {
    /// `None`: it did not open.
    pub fn event(&self) -> Option<EventContent<'_>> {
        EventContent::parse(self.content.as_ref()?).ok()
    }
}
