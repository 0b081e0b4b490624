//! The sender of one endpoint: several concurrent requests, one per channel, each retried until it
//! is accepted or given up.

mod undelivered;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    task::{JoinSet, spawn_blocking},
    time::{sleep_until, timeout_at},
};

use super::{
    Webhooks, backoff,
    batch::{DeliveryBatch, NextBatch, QueuedEvent},
    dead_letter::LetterId,
    endpoint::{EndpointTestResult, WebhookEndpoint},
    facts::{EventStamp, test_event},
    log::{self, DeliveryRecord},
    request,
};
use crate::observe::live::{EntryDetail, EntryType, LiveEntry};

use crate::platform::traces::Span;

/// End of deliveries, once the server is shutting down.
pub type ShutdownDeadline = Option<Instant>;

pub struct Sender {
    webhooks: Arc<Webhooks>,
    endpoint: Arc<WebhookEndpoint>,
    requests: Arc<Semaphore>,
    ending: watch::Receiver<ShutdownDeadline>,
}

/// Batches under way or in retry; the rest stays in the queue.
const MAX_BATCHES: usize = 256;
const SHUT_DOWN: &str = "the server was shut down before it was delivered";

/// One request of a batch.
struct DeliveryAttempt<'a> {
    number: u32,
    body: &'a Bytes,
    events: &'a [QueuedEvent],
}

enum DeliveryOutcome {
    Delivered,
    /// Another node has them.
    Elsewhere,
    GivenUp {
        reason: String,
        attempts: u32,
    },
}

impl Sender {
    pub fn new(
        webhooks: Arc<Webhooks>,
        endpoint: Arc<WebhookEndpoint>,
        ending: watch::Receiver<ShutdownDeadline>,
    ) -> Arc<Self> {
        let requests = Arc::new(Semaphore::new(0));
        Arc::new(Self { webhooks, endpoint, requests, ending })
    }

    /// Runs until shutdown, or until the endpoint is removed and its queue delivered.
    pub async fn run(self: Arc<Self>) {
        let mut deliveries = JoinSet::new();
        let mut ending = self.ending.clone();
        let mut at_a_time = 0;
        loop {
            self.adjust(&mut at_a_time);
            let end = *ending.borrow_and_update();
            self.dead_letter_spilled().await;
            self.start_tests(end);
            if end.is_some_and(|end| Instant::now() >= end) {
                self.dead_letter_rest().await;
            }
            let hurry = end.is_some() || self.webhooks.is_removed(&self.endpoint);
            let next = self.start(&mut deliveries, hurry);
            let idle = deliveries.is_empty() && self.endpoint.queue.lock().is_empty();
            if idle && (end.is_some() || self.webhooks.finish_removal(&self.endpoint)) {
                return;
            }
            tokio::select! {
                () = self.endpoint.wake.notified() => {}
                Some(done) = deliveries.join_next() => match done {
                    Ok((batch, outcome)) => self.done(batch, outcome).await,
                    Err(error) => tracing::error!(%error, "a delivery of webhooks has failed"),
                },
                () = until(next) => {}
                // The channel closes only after all senders have ended.
                Ok(()) = ending.changed() => {}
            }
        }
    }

    /// Adjusts the number of concurrent requests to the settings.
    fn adjust(&self, at_a_time: &mut usize) {
        let wanted = self.endpoint.settings().concurrency;
        if wanted > *at_a_time {
            self.requests.add_permits(wanted - *at_a_time);
        } else if wanted < *at_a_time {
            // Requests under way keep their permits; later ones queue behind this.
            let (requests, fewer) = (self.requests.clone(), (*at_a_time - wanted) as u32);
            tokio::spawn(async move {
                requests.acquire_many_owned(fewer).await.map(OwnedSemaphorePermit::forget)
            });
        }
        *at_a_time = wanted;
    }

    /// Starts due batches; returns the time of the next one.
    fn start(
        self: &Arc<Self>,
        deliveries: &mut JoinSet<(DeliveryBatch, DeliveryOutcome)>,
        hurry: bool,
    ) -> Option<Instant> {
        while deliveries.len() < MAX_BATCHES {
            match self.endpoint.queue.lock().next(Instant::now(), hurry) {
                NextBatch::Ready(batch) => deliveries.spawn(self.clone().deliver(batch)),
                NextBatch::NotBefore(due) => return Some(due),
                NextBatch::Empty => return None,
            };
        }
        None
    }

    async fn deliver(self: Arc<Self>, batch: DeliveryBatch) -> (DeliveryBatch, DeliveryOutcome) {
        let outcome = self.try_deliver(&batch).await;
        (batch, outcome)
    }

    async fn try_deliver(&self, batch: &DeliveryBatch) -> DeliveryOutcome {
        let retry = self.endpoint.settings().retry;
        let deadline = batch.since().unwrap_or_else(Instant::now) + retry;
        // It waited for its whole retry time behind failing batches, and would fail like them.
        if Instant::now() > deadline && self.endpoint.is_failing() {
            let reason = "its time was over before there was an attempt, since earlier ones failed";
            return DeliveryOutcome::GivenUp { reason: reason.into(), attempts: 0 };
        }
        let body = request::body(SystemTime::now(), batch.events.iter().map(|event| &*event.json));
        for attempts in 1.. {
            if batch.events.iter().all(QueuedEvent::is_elsewhere) {
                return DeliveryOutcome::Elsewhere;
            }
            if attempts > 1 {
                self.endpoint.counters.retries.add();
            }
            let request = DeliveryAttempt { number: attempts, body: &body, events: &batch.events };
            let answer = self.attempt(&request).await;
            self.show(batch, attempts, answer.as_ref().err());
            let Err(reason) = answer else { return DeliveryOutcome::Delivered };
            let left = deadline.saturating_duration_since(Instant::now());
            match backoff::before_next(attempts, left, backoff::chance()) {
                Some(wait) if self.pause(wait).await => {}
                _ => return DeliveryOutcome::GivenUp { reason, attempts },
            }
        }
        unreachable!("an attempt ends it")
    }

    /// Records the attempt in the live feed.
    fn show(&self, batch: &DeliveryBatch, attempt: u32, failure: Option<&String>) {
        let kind =
            if failure.is_some() { EntryType::WebhookFailed } else { EntryType::WebhookDelivered };
        let settings = self.endpoint.settings();
        self.webhooks.live.note(|| {
            let what = EntryDetail::Webhook {
                endpoint: settings.url.host(),
                events: batch.events.len(),
                attempt,
                reason: failure.map(String::as_str),
            };
            LiveEntry { what, ..LiveEntry::of_app(kind, &self.webhooks.app) }
        });
    }

    /// Sends one attempt, within the concurrency limit and until the end of shutdown.
    async fn attempt(&self, attempt: &DeliveryAttempt<'_>) -> Result<(), String> {
        let mut ending = self.ending.clone();
        let ended = async {
            if let Ok(end) = ending.wait_for(Option::is_some).await.map(|end| *end) {
                until(end).await;
            }
        };
        tokio::select! {
            result = self.request(attempt) => result,
            () = ended => Err(SHUT_DOWN.to_owned()),
        }
    }

    async fn request(&self, attempt: &DeliveryAttempt<'_>) -> Result<(), String> {
        let _permit = self.requests.acquire().await.map_err(|e| e.to_string())?;
        let (time, start) = (now(), Instant::now());
        let result = self.send(attempt.body).await;
        let failure = result.as_ref().err().map(String::as_str);
        self.endpoint.log.note(DeliveryRecord {
            time,
            endpoint: self.endpoint.label().clone(),
            attempt: attempt.number,
            milliseconds: milliseconds(start),
            events: attempt.events.len(),
            named: log::named(attempt.events),
            error: failure.map(str::to_owned),
        });
        if failure.is_some() {
            self.endpoint.counters.failed();
        }
        let endpoint = &**self.endpoint.label();
        tracing::debug!(
            app.id = &*self.webhooks.app,
            webhook.endpoint = endpoint,
            webhook.bytes = attempt.body.len(),
            webhook.failure = failure,
            "webhook sent"
        );
        self.endpoint.record_outcome(&self.webhooks.app, failure);
        result
    }

    async fn send(&self, body: &Bytes) -> Result<(), String> {
        let settings = self.endpoint.settings_snapshot();
        let headers = {
            let signer = self.webhooks.signer.load();
            request::headers(&settings.headers, &signer.key, &signer.secret, body)
                .ok_or("the app's key cannot stand in a header")?
        };
        let span = Span::webhook(&self.webhooks.app, settings.url.host());
        let tell = settings.client.post_body(&settings.url, headers, body.clone());
        let answer = span.around(tell).await;
        span.outcome(matches!(answer, Ok(200..=299)));
        self.endpoint.counters.attempted(answer.as_ref().ok().copied());
        match answer {
            Ok(200..=299) => Ok(()),
            Ok(status @ 300..=399) => {
                Err(format!("it answered {status}, and redirects are not followed"))
            }
            Ok(status) => Err(format!("it answered {status}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits before a retry; false if there is none. Shutdown during the wait allows one immediate
    /// retry, and none if it had begun before.
    async fn pause(&self, wait: Duration) -> bool {
        let mut ending = self.ending.clone();
        if ending.borrow_and_update().is_some() {
            return false;
        }
        let until = (Instant::now() + wait).into();
        let _ = timeout_at(until, ending.changed()).await;
        true
    }

    async fn done(&self, batch: DeliveryBatch, outcome: DeliveryOutcome) {
        match outcome {
            DeliveryOutcome::Delivered => self.delivered(&batch.events).await,
            DeliveryOutcome::Elsewhere => {}
            DeliveryOutcome::GivenUp { reason, attempts } => {
                self.dead_letter(batch.events.clone(), &reason, attempts).await;
            }
        }
        self.endpoint.queue.lock().finish(&batch);
    }

    async fn delivered(&self, events: &[QueuedEvent]) {
        self.endpoint.counters.delivered(events.len());
        events.iter().for_each(QueuedEvent::settle);
        let ids: Vec<LetterId> = events.iter().filter_map(|event| event.letter).collect();
        if ids.is_empty() {
            return;
        }
        let (webhooks, endpoint) = (self.webhooks.clone(), self.endpoint.label().clone());
        let written = spawn_blocking(move || webhooks.letters.delivered(&endpoint, &ids)).await;
        if let Ok(Err(error)) = written {
            let app = &*self.webhooks.app;
            tracing::error!(app.id = app, %error, "webhooks from the dead-letter file were delivered, but the file cannot be written: they are still in it");
        }
    }

    fn start_tests(self: &Arc<Self>, end: ShutdownDeadline) {
        for answer in std::mem::take(&mut *self.endpoint.tests.lock()) {
            if end.is_none() {
                tokio::spawn(self.clone().test(answer));
            }
        }
    }

    /// Bypasses the queue and the concurrency limit.
    async fn test(self: Arc<Self>, answer: oneshot::Sender<EndpointTestResult>) {
        let start = Instant::now();
        let now = SystemTime::now();
        let event = test_event(&EventStamp::new(now, self.webhooks.ids.next()));
        let body = request::body(now, [&*event].into_iter());
        let error = self.send(&body).await.err();
        // The requester may be gone.
        let _ = answer.send(EndpointTestResult {
            endpoint: self.endpoint.label().clone(),
            milliseconds: milliseconds(start),
            error,
        });
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
