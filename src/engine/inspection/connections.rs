//! An app's connections to this server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    crypto::key::Fingerprint,
    domain::{channel::Channel, ids::SocketId, time::UnixSeconds},
    engine::{AppRuntime, Engine},
    hub::{
        connections::{
            ConnectionDetail, ConnectionPage, ConnectionRequest, ConnectionSummary,
            ConnectionsRequest, DisconnectRequest, OperatorRequest, SubscriptionDetail,
        },
        mailbox::WorkerCommand,
        topics::Slot,
    },
    platform::clock::unix_now,
    protocol::{disconnect::DisconnectCode, form::Form},
};

#[derive(Serialize, Deserialize, Debug, utoipa::ToSchema)]
pub struct ConnectionRows {
    pub connections: Vec<ConnectionRow>,
    /// The value of `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Serialize, Deserialize, Debug, utoipa::ToSchema)]
pub struct ConnectionRow {
    pub socket_id: String,
    /// `websocket` or `event_stream`.
    pub transport: String,
    /// As the client library names itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// The signed-in user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Arc<str>>,
    pub since: UnixSeconds,
    /// Seconds since the client's last message; absent on event streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_seconds: Option<u64>,
    /// Bytes that wait for the client to take them.
    pub waiting_bytes: usize,
}

#[derive(Serialize, Deserialize, Debug, utoipa::ToSchema)]
pub struct ConnectionView {
    #[serde(flatten)]
    pub row: ConnectionRow,
    /// Ordered by name, at most `MAX_SUBSCRIPTIONS`.
    pub channels: Vec<SubscriptionRow>,
    pub channel_count: usize,
}

#[derive(Serialize, Deserialize, Debug, utoipa::ToSchema)]
pub struct SubscriptionRow {
    pub name: Arc<str>,
    /// True while the subscription waits for its channel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opening: bool,
    /// The member, on a presence channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Arc<str>>,
    /// The key and the epoch of its secret, on a channel sealed here; absent during a rekey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

pub const MAX_SUBSCRIPTIONS: usize = 1000;

/// The connections of a page.
#[derive(Clone, Default, Debug)]
pub struct ConnectionsQuery {
    pub user: Option<Arc<str>>,
    pub channel: Option<Channel>,
    pub after: Option<ConnectionCursor>,
    pub limit: usize,
}

/// The place of the next page: a worker, and a slot in its table.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ConnectionCursor {
    worker: usize,
    slot: Slot,
}

impl ConnectionCursor {
    /// `None` for a text that is none of ours. A forged one finds nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let (worker, slot) = text.split_once('-')?;
        Some(Self { worker: worker.parse().ok()?, slot: slot.parse().ok()? })
    }
}

impl std::fmt::Display for ConnectionCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.worker, self.slot)
    }
}

/// A worker did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("a worker did not answer within {} seconds", WORKER_TIMEOUT.as_secs())]
pub struct WorkerBusy;

/// Timeout of a worker's answer, which takes one turn of its mailbox.
const WORKER_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    /// The connections of one page, worker by worker.
    pub async fn connections(
        &self,
        runtime: &AppRuntime,
        query: &ConnectionsQuery,
    ) -> Result<ConnectionRows, WorkerBusy> {
        let user_channel = query.user.as_deref().map(Channel::of_user);
        let channel = query.channel.as_ref().or(user_channel.as_ref());
        let topic = match channel {
            None => None,
            Some(channel) => match runtime.directory.find(channel.name()) {
                Some(record) => Some(record.topic()),
                None => return Ok(ConnectionRows { connections: Vec::new(), next: None }),
            },
        };
        let (mut rows, mut at) = (Vec::new(), query.after.unwrap_or_default());
        while at.worker < self.hub.workers() && rows.len() < query.limit {
            let (answer, answered) = oneshot::channel();
            let ask = ConnectionsRequest {
                runtime: runtime.rekey_policy.runtime,
                from: at.slot,
                topic,
                user: query.user.clone(),
                limit: query.limit - rows.len(),
                answer,
            };
            let ask = WorkerCommand::ForOperator(OperatorRequest::List(ask));
            self.hub.mailbox(at.worker).put(ask);
            let page = timeout(WORKER_TIMEOUT, answered).await;
            let ConnectionPage { connections, next } =
                page.map_err(|_| WorkerBusy)?.unwrap_or_default();
            rows.extend(connections.into_iter().map(ConnectionRow::from));
            at = match next {
                Some(slot) => ConnectionCursor { slot, ..at },
                None => ConnectionCursor { worker: at.worker + 1, slot: 0 },
            };
        }
        let next = (at.worker < self.hub.workers()).then(|| at.to_string());
        Ok(ConnectionRows { connections: rows, next })
    }

    /// `None` if the app has no such connection to this server.
    pub async fn connection(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
    ) -> Result<Option<ConnectionView>, WorkerBusy> {
        let (answer, answered) = oneshot::channel();
        let ask = ConnectionRequest { runtime: runtime.rekey_policy.runtime, socket, answer };
        let ask = WorkerCommand::ForOperator(OperatorRequest::Describe(ask));
        self.hub.post_to(socket, ask);
        let detail = timeout(WORKER_TIMEOUT, answered).await.map_err(|_| WorkerBusy)?;
        Ok(detail.ok().map(|detail| runtime.connection_view(detail)))
    }

    /// False if the app has no such connection to this server.
    pub async fn disconnect(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        code: DisconnectCode,
    ) -> Result<bool, WorkerBusy> {
        let (answer, answered) = oneshot::channel();
        let runtime = runtime.rekey_policy.runtime;
        let ask = DisconnectRequest { runtime, socket, code, answer };
        let ask = WorkerCommand::ForOperator(OperatorRequest::Disconnect(ask));
        self.hub.post_to(socket, ask);
        let found = timeout(WORKER_TIMEOUT, answered).await.map_err(|_| WorkerBusy)?;
        Ok(found.unwrap_or(false))
    }
}

impl AppRuntime {
    fn connection_view(&self, detail: ConnectionDetail) -> ConnectionView {
        let ConnectionDetail { summary, subscriptions } = detail;
        let channel_count = subscriptions.len();
        let table = self.keys().map(|ring| ring.table());
        let row = |it: SubscriptionDetail| {
            let key = it
                .version
                .and_then(|version| Some(table.as_ref()?.by_number(version.key)?.id.clone()));
            SubscriptionRow {
                name: it.channel,
                opening: !it.joined,
                user_id: it.user,
                epoch: it.version.map(|version| version.epoch).filter(|_| key.is_some()),
                key,
            }
        };
        let channels = subscriptions.into_iter().take(MAX_SUBSCRIPTIONS).map(row).collect();
        ConnectionView { row: summary.into(), channels, channel_count }
    }
}

impl From<ConnectionSummary> for ConnectionRow {
    fn from(summary: ConnectionSummary) -> Self {
        let now = Instant::now();
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs();
        let transport = match summary.form {
            Form::Pusher | Form::Jetsocket => "websocket",
            Form::Stream => "event_stream",
        };
        Self {
            socket_id: summary.socket.to_string(),
            transport: transport.to_owned(),
            client: summary.client.name.map(String::from),
            version: summary.client.version.map(String::from),
            protocol: summary.client.protocol,
            user_id: summary.user,
            since: unix_now().saturating_sub(seconds(summary.opened)),
            silent_seconds: summary.last_heard.map(seconds),
            waiting_bytes: summary.waiting_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_is_read_as_it_was_written() {
        let cursor = ConnectionCursor { worker: 3, slot: 17 };
        assert_eq!(ConnectionCursor::parse(&cursor.to_string()), Some(cursor));
        for wrong in ["", "1", "1-", "-1", "a-1", "1-a", "1-2-3", "1.2"] {
            assert_eq!(ConnectionCursor::parse(wrong), None, "{wrong:?}");
        }
    }
}
