//! One webhook receiver: its settings, queue and counters.

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use hyper::header::HeaderMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use super::{
    batch::{DeliveryQueue, PushOutcome, QueueLimits, QueuedEvent},
    filter::EndpointFilter,
    log::DeliveryLog,
};
use crate::platform::{
    counting::{Count, LabelledCounter},
    http::{self, HttpClient},
};

/// Settings of an endpoint from the configuration.
pub struct EndpointSettings {
    /// The URL without its query, which may contain a secret.
    pub label: Arc<str>,
    pub url: http::EndpointUrl,
    pub client: HttpClient,
    pub headers: HeaderMap,
    pub filter: EndpointFilter,
    pub queue: QueueLimits,
    /// Concurrent requests.
    pub concurrency: usize,
    pub retry: Duration,
}

pub struct WebhookEndpoint {
    label: Arc<str>,
    settings: ArcSwap<EndpointSettings>,
    pub queue: Mutex<DeliveryQueue>,
    pub wake: Notify,
    /// Pending test requests.
    pub tests: Mutex<Vec<oneshot::Sender<EndpointTestResult>>>,
    pub counters: EndpointCounters,
    pub log: DeliveryLog,
    /// Error of the last attempt; `None` if it succeeded.
    failing: Mutex<Option<String>>,
}

pub struct EndpointCounters {
    delivered: Count,
    failed_attempts: Count,
    dead_lettered: Count,
    lost: Count,
    /// Requests, by `OUTCOMES`.
    pub attempts: LabelledCounter,
    /// Retries.
    pub retries: Count,
    /// Events that did not fit into the queue.
    pub spilled: Count,
}

/// Status class of the response, or `none` without one.
pub const OUTCOMES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

impl Default for EndpointCounters {
    fn default() -> Self {
        Self {
            delivered: Count::default(),
            failed_attempts: Count::default(),
            dead_lettered: Count::default(),
            lost: Count::default(),
            attempts: LabelledCounter::new(OUTCOMES),
            retries: Count::default(),
            spilled: Count::default(),
        }
    }
}

/// Totals since the start, except for the queue.
#[derive(Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EndpointStats {
    /// Events waiting, under way or in retry.
    pub queued: u64,
    pub queued_bytes: u64,
    /// Events.
    pub delivered: u64,
    /// Requests.
    pub failed_attempts: u64,
    /// Events given up and written to the file, which may no longer contain them.
    pub dead_lettered: u64,
    /// Events given up and not written.
    pub lost: u64,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct EndpointReport {
    pub endpoint: Arc<str>,
    #[serde(flatten)]
    pub stats: EndpointStats,
    /// In the file now.
    pub dead_letters: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct EndpointTestResult {
    pub endpoint: Arc<str>,
    pub milliseconds: u64,
    /// `None` on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl EndpointCounters {
    pub fn delivered(&self, events: usize) {
        self.delivered.add_many(events as u64);
    }

    /// `status`: `None` without a response.
    pub fn attempted(&self, status: Option<u16>) {
        let class =
            status.and_then(|status| OUTCOMES.get(usize::from(status / 100).checked_sub(1)?));
        self.attempts.add(class.copied().unwrap_or("none"));
    }

    pub fn failed(&self) {
        self.failed_attempts.add();
    }

    pub fn dead_lettered(&self, events: usize) {
        self.dead_lettered.add_many(events as u64);
    }

    pub fn lost(&self, events: usize) {
        self.lost.add_many(events as u64);
    }
}

impl WebhookEndpoint {
    pub fn new(settings: EndpointSettings) -> Self {
        Self {
            label: settings.label.clone(),
            queue: Mutex::new(DeliveryQueue::new(settings.queue)),
            settings: ArcSwap::from_pointee(settings),
            wake: Notify::new(),
            tests: Mutex::default(),
            counters: EndpointCounters::default(),
            log: DeliveryLog::default(),
            failing: Mutex::default(),
        }
    }

    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    pub fn settings(&self) -> Guard<Arc<EndpointSettings>> {
        self.settings.load()
    }

    /// The same, for use across an await.
    pub fn settings_snapshot(&self) -> Arc<EndpointSettings> {
        self.settings.load_full()
    }

    /// Applies from the next attempt on.
    pub fn change(&self, settings: EndpointSettings) {
        self.queue.lock().change(settings.queue);
        self.settings.store(Arc::new(settings));
        self.wake.notify_one();
    }

    /// Waits for nothing but the queue's lock.
    pub fn accept(&self, event: QueuedEvent) {
        let receipt = event.receipt.clone();
        let outcome = self.queue.lock().push(event);
        match outcome {
            PushOutcome::Queued => {}
            // A removed endpoint gets no new events.
            PushOutcome::Closed => receipt.iter().for_each(|it| it.settle()),
            PushOutcome::Spilled => self.counters.spilled.add(),
            PushOutcome::Lost => {
                self.counters.spilled.add();
                self.counters.lost(1);
                receipt.iter().for_each(|it| it.settle());
            }
        }
        self.wake.notify_one();
    }

    /// Queues a replayed event; false if there is no room.
    pub fn requeue(&self, event: QueuedEvent) -> bool {
        let place = self.queue.lock().push(event);
        self.wake.notify_one();
        place == PushOutcome::Queued
    }

    pub fn is_failing(&self) -> bool {
        self.failing.lock().is_some()
    }

    /// Logs the first failure and the recovery, not each attempt.
    pub fn record_outcome(&self, app: &str, failure: Option<&str>) {
        let endpoint = &**self.label();
        let before = std::mem::replace(&mut *self.failing.lock(), failure.map(str::to_owned));
        match (before, failure) {
            (None, Some(reason)) => tracing::warn!(
                app.id = app,
                webhook.endpoint = endpoint,
                webhook.failure = reason,
                "webhooks do not arrive; they are tried again"
            ),
            (Some(_), None) => {
                tracing::info!(app.id = app, webhook.endpoint = endpoint, "webhooks arrive again");
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    pub fn stats(&self) -> EndpointStats {
        let (queued, queued_bytes) = {
            let queue = self.queue.lock();
            (queue.len() as u64, queue.bytes() as u64)
        };
        let EndpointCounters { delivered, failed_attempts, dead_lettered, lost, .. } =
            &self.counters;
        EndpointStats {
            queued,
            queued_bytes,
            delivered: delivered.get(),
            failed_attempts: failed_attempts.get(),
            dead_lettered: dead_lettered.get(),
            lost: lost.get(),
        }
    }

    pub fn report(&self, dead_letters: u64) -> EndpointReport {
        EndpointReport {
            endpoint: self.label().clone(),
            stats: self.stats(),
            dead_letters,
            failing: self.failing.lock().clone(),
        }
    }
}

impl std::ops::AddAssign for EndpointStats {
    fn add_assign(&mut self, other: Self) {
        self.queued += other.queued;
        self.queued_bytes += other.queued_bytes;
        self.delivered += other.delivered;
        self.failed_attempts += other.failed_attempts;
        self.dead_lettered += other.dead_lettered;
        self.lost += other.lost;
    }
}
