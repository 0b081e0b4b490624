//! The logs of a cluster, for requests: pages, the newest event, clearings.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{super::event::EventBody, events::body, log_entries::gap_reason};
use crate::{
    app::App,
    channels::log::{GapReason, LogNumber, PageOrder, PageQuery},
    cluster::{
        content::EventContent,
        node::{
            ClusterNode,
            commands::{LogWrite, Publication},
            logs::OpenedLogPart,
            queries::QueryError,
        },
        redis::log::{LogBounds, LogCondition, LogLife, LogQuery},
    },
    domain::{
        channel::Channel,
        channel_settings::{HistorySettings, HistoryStore},
    },
    engine::{
        AppRuntime, Engine,
        history::{
            condition::Condition,
            last::{LastForReader, Logged},
            outcome::{EventOutcome, Publishing},
            reading::{HistoryPage, Reader, ReaderView},
        },
    },
};

impl Engine {
    /// The part of the log for a page. `None` without a cluster: then `history_page` has it.
    pub async fn read_log(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        query: &PageQuery,
        view: ReaderView,
    ) -> Result<Option<OpenedLogPart>, QueryError> {
        let Some(node) = self.cluster.node() else { return Ok(None) };
        let Some(settings) = runtime.app().channel_settings(channel).history else {
            return Ok(None);
        };
        let place = node.channel(&runtime.id, channel);
        node.read_log(&place, &log_query(&settings, query, view)).await.map(Some)
    }

    /// The page of a part that was read with this query. Seals where needed.
    pub fn log_page(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        query: &PageQuery,
        view: ReaderView,
        part: &OpenedLogPart,
    ) -> HistoryPage {
        let app = runtime.app_snapshot();
        let version = view.version.unwrap_or_else(|| AppRuntime::target(&app, channel));
        let store = HistoryStore::Redis;
        let reader =
            Reader { engine: self, runtime, app: &app, channel, record: None, store, version };
        let mut gap = page_gap(part, query);
        let mut events = Vec::with_capacity(part.entries.len());
        for entry in &part.entries {
            let entry = self.read_entry(&app, channel, entry);
            match entry.and_then(|entry| reader.event(&entry)) {
                Some(event) => events.push(event),
                // Sealed under a key that is retired.
                None => gap = gap.or(Some(GapReason::Evicted)),
            }
        }
        let last = LogNumber(part.head.newest.unwrap_or_default());
        HistoryPage { store, events, more: part.head.more, gap, last }
    }

    /// The last event of a cache channel. `None` without a cluster: then this node has it.
    pub async fn read_last(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        view: ReaderView,
    ) -> Result<Option<Option<LastForReader>>, QueryError> {
        let Some(node) = self.cluster.node() else { return Ok(None) };
        let last = node.last_event(&node.channel(&runtime.id, channel)).await?;
        let app = runtime.app_snapshot();
        Ok(Some(last.and_then(|last| last_event(&app, channel, &last.content, last.number, view))))
    }

    /// Empty on a channel without a log.
    pub(in crate::engine) fn clear_in_cluster(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        channel: &Channel,
    ) -> Publishing {
        if runtime.app().channel_settings(channel).history.is_none() {
            return Publishing::default();
        }
        self.publish_clearing(node, runtime, channel)
    }

    /// Clears the log and the last event in Redis. The outcome has the number 0 if there were none.
    pub(in crate::engine) fn publish_clearing(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        channel: &Channel,
    ) -> Publishing {
        let (done, outcome) = oneshot::channel();
        node.publish(Publication {
            channel: node.channel(&runtime.id, channel),
            content: Default::default(),
            keep: None,
            log: Some(LogWrite::Clear),
            done: Some(done),
        });
        Publishing { outcomes: vec![EventOutcome::InLog(outcome)] }
    }
}

fn last_event(
    app: &App,
    channel: &Channel,
    content: &[u8],
    number: u64,
    view: ReaderView,
) -> Option<LastForReader> {
    let heard = EventContent::parse(content).ok()?;
    let data = match body(app, channel, &heard)? {
        EventBody::Clear { data, .. } => data.into(),
        EventBody::Sealed { payload, frames } => {
            let version = view.version.unwrap_or_else(|| AppRuntime::target(app, channel));
            let frames = frames.adapted(&[version], |version| app.seal(channel, &payload, version));
            frames.ok()?.envelope()?.clone()
        }
    };
    let logged = heard.is_logged.then(|| Logged {
        number: LogNumber(number),
        store: HistoryStore::Redis,
        at_micros: number,
        user_id: heard.user_id.map(Arc::from),
    });
    Some(LastForReader { name: heard.name.into(), data, logged })
}

fn page_gap(part: &OpenedLogPart, query: &PageQuery) -> Option<GapReason> {
    let reason = |bound: Option<LogNumber>, believed: Option<bool>| {
        bound.filter(|_| believed == Some(false)).map(|bound| gap_reason(part, bound))
    };
    reason(query.after, part.head.believes_after)
        .or_else(|| reason(query.before, part.head.believes_before))
        .or_else(|| part.head.hides.then_some(GapReason::UnknownPosition))
}

fn log_query(settings: &HistorySettings, query: &PageQuery, view: ReaderView) -> LogQuery {
    LogQuery {
        after: query.after.map(|number| number.0),
        before: query.before.map(|number| number.0),
        newest_first: query.order == PageOrder::NewestFirst,
        limit: query.limit,
        bytes: query.bytes,
        ttl_ms: millis(settings.ttl),
        not_before: view.not_before,
    }
}

pub(super) fn life(settings: &HistorySettings) -> LogLife {
    LogLife { idle_ms: millis(settings.idle), vacant_ms: millis(settings.vacant) }
}

pub(super) fn append(settings: &HistorySettings, condition: Option<Condition>) -> LogWrite {
    let condition = match condition {
        None => LogCondition::None,
        Some(Condition::Empty) => LogCondition::Empty,
        Some(Condition::Newest(Some(LogNumber(number)))) => LogCondition::Newest(number),
        Some(Condition::Newest(None)) => LogCondition::Never,
    };
    let bounds =
        LogBounds { events: settings.events, bytes: settings.bytes, ttl_ms: millis(settings.ttl) };
    LogWrite::Append { bounds, life: life(settings), condition }
}

pub(super) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
