//! Webhooks: facts about channels, sent to an app's backend (protocol.md 8).
//!
//! The engine notes facts under the lock of a channel's record, so that each channel has one order.
//! The queue to a receiver is bounded, and a separate thread (`runner`) sends.

mod backoff;
mod batch;
mod dead_letter;
mod endpoint;
mod endpoint_removal;
mod facts;
mod filter;
mod letter_store;
mod log;
mod replay;
mod request;
mod runner;
mod sender;

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use batch::QueuedEvent;
use endpoint::WebhookEndpoint;
use endpoint_removal::EndpointRemoval;
use facts::{EventIds, EventStamp};

pub use batch::QueueLimits;
pub use dead_letter::{DeadLetters, Discarded, Letter, LetterId, NewLetter, WaitingLetters};
pub use endpoint::{EndpointReport, EndpointSettings, EndpointStats, EndpointTestResult};
pub use filter::EndpointFilter;
pub use letter_store::LetterStore;
pub use log::DeliveryRecord;
pub use replay::{ChannelNow, ChannelReader, LetterSelector, ReplayReport};
pub use request::is_reserved_header;
pub use runner::Runner;

use crate::{
    channels::{
        departures::HeldDepartures,
        fact::{ChannelFact, ChannelFactKind},
        fact_receipt::SourcedFact,
    },
    crypto::signature::AppSecret,
    domain::channel::Channel,
    observe::live::LiveBroadcaster,
};

/// Navigation between pages makes a user leave and return within this time.
const DEPARTURE_DELAY: Duration = Duration::from_secs(3);
/// A departure whose owner is not certain is looked at again after this time.
const UNCERTAIN_PAUSE: Duration = Duration::from_millis(200);
const MAX_DEPARTURES: usize = 65_536;

/// A vacated channel, or a member that left one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Departure {
    channel: Arc<str>,
    user: Option<Arc<str>>,
}

/// The webhooks of one app.
pub struct Webhooks {
    app: Arc<str>,
    signer: ArcSwap<WebhookSigner>,
    endpoints: ArcSwap<Vec<Arc<WebhookEndpoint>>>,
    removal: EndpointRemoval,
    /// Held back for `DEPARTURE_DELAY`, with the time at which they occurred.
    departures: Mutex<HeldDepartures<Departure, FactOrigin>>,
    ids: EventIds,
    letters: Arc<dyn LetterStore>,
    live: Arc<LiveBroadcaster>,
}

/// When and where a fact arose.
pub struct FactOrigin {
    pub occurred: SystemTime,
    /// `None` for a server alone: its facts are in its memory.
    pub source: Option<Arc<SourcedFact>>,
}

impl FactOrigin {
    fn hold(&self) {
        self.source.iter().for_each(|source| source.hold());
    }

    /// Another node tells it.
    fn is_elsewhere(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.is_here())
    }

    /// Another node may tell it, or end it with a return.
    fn is_uncertain(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.is_certain())
    }

    /// A return must not end a departure that endpoints may know of.
    fn may_be_told(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.may_be_told())
    }

    fn release(&self) {
        self.source.iter().for_each(|source| source.release());
    }

    /// A return ends together with the departure that it cancels.
    fn cancel(&self, departure: Self) {
        if let (Some(source), Some(departure)) = (&self.source, departure.source) {
            source.cancel(departure);
        }
    }
}

/// Key and secret for signing requests.
pub struct WebhookSigner {
    pub key: Arc<str>,
    pub secret: AppSecret,
}

#[derive(Default, Serialize)]
pub struct WebhookStats {
    #[serde(flatten)]
    pub endpoints: EndpointStats,
    /// Open letters in the files.
    pub dead_letters: u64,
}

#[derive(Default)]
pub struct WebhookTotals {
    /// Requests, by status class of the response.
    pub attempts: BTreeMap<&'static str, u64>,
    pub retries: u64,
    /// Events that did not fit into a queue.
    pub spilled: u64,
    /// The age of the oldest waiting event.
    pub oldest: Option<Duration>,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct WebhookReport {
    pub endpoints: Vec<EndpointReport>,
    /// In the file, for all endpoints.
    pub dead_letters: u64,
    /// The oldest letters.
    #[schema(value_type = Vec<Object>)]
    pub letters: Vec<Letter>,
}

impl Webhooks {
    /// `None` without endpoints.
    pub fn of_app(
        app: &Arc<str>,
        signer: WebhookSigner,
        endpoints: Vec<EndpointSettings>,
        letters: Arc<dyn LetterStore>,
        live: Arc<LiveBroadcaster>,
    ) -> io::Result<Option<Arc<Self>>> {
        if endpoints.is_empty() {
            return Ok(None);
        }
        let webhooks = Self {
            app: app.clone(),
            signer: ArcSwap::from_pointee(signer),
            endpoints: ArcSwap::default(),
            removal: EndpointRemoval::default(),
            departures: Mutex::new(HeldDepartures::bounded(MAX_DEPARTURES)),
            ids: EventIds::of_this_start()?,
            letters,
            live,
        };
        webhooks.replace(endpoints);
        Ok(Some(Arc::new(webhooks)))
    }

    /// True if an endpoint is told such facts, or has to know of them to cancel others.
    pub fn wants(&self, channel: &Channel, kind: ChannelFactKind) -> bool {
        let concerned = |endpoint: &Arc<WebhookEndpoint>| {
            endpoint.settings().filter.wants_either(kind, channel.name())
        };
        channel.kind().is_listed() && self.endpoints.load().iter().any(concerned)
    }

    /// Must be called under the lock of the channel's record. Waits for nothing but short locks.
    pub fn note(
        &self,
        channel: &Channel,
        fact: &ChannelFact<'_>,
        origin: FactOrigin,
        now: Instant,
    ) {
        if !self.wants(channel, fact.kind()) {
            return;
        }
        let (user, leaves) = match fact {
            ChannelFact::ChannelOccupied => (None, false),
            ChannelFact::ChannelVacated => (None, true),
            ChannelFact::MemberAdded { user_id } => (Some(user_id.clone()), false),
            ChannelFact::MemberRemoved { user_id } => (Some(user_id.clone()), true),
            ChannelFact::ClientEvent { .. }
            | ChannelFact::CacheMiss
            | ChannelFact::SubscriptionCount { .. } => {
                return self.push(channel.name(), fact, &origin, now);
            }
        };
        let departure = Departure { channel: channel.name().clone(), user };
        // Held until the fact is queued, so that a departure due now is queued before or after it,
        // never in between.
        let mut departures = self.departures.lock();
        if leaves && origin.may_be_told() {
            self.push(channel.name(), fact, &origin, now);
        } else if leaves {
            origin.hold();
            let replaced = departures.hold(departure, now + DEPARTURE_DELAY, origin);
            replaced.iter().for_each(FactOrigin::release);
        } else {
            match departures.cancel(&departure) {
                Some(cancelled) if !cancelled.is_elsewhere() => origin.cancel(cancelled),
                _ => self.push(channel.name(), fact, &origin, now),
            }
        }
    }

    fn push(&self, channel: &Arc<str>, fact: &ChannelFact<'_>, origin: &FactOrigin, now: Instant) {
        let kind = fact.kind();
        let mut json = None;
        for endpoint in &**self.endpoints.load() {
            if !endpoint.settings().filter.wants(kind, channel) {
                continue;
            }
            let receipt = match &origin.source {
                None => None,
                Some(source) => match source.receipt(endpoint.label()) {
                    Some(receipt) => Some(receipt),
                    None => continue,
                },
            };
            let json = json.get_or_insert_with(|| fact.to_json(channel, &self.stamp(origin)));
            let (channel, json) = (channel.clone(), json.clone());
            endpoint.accept(QueuedEvent { channel, json, since: now, letter: None, receipt });
        }
    }

    fn stamp(&self, origin: &FactOrigin) -> EventStamp {
        let source = origin.source.as_ref();
        let id = source.map_or_else(|| self.ids.next(), |source| source.id().into());
        EventStamp::new(origin.occurred, id)
    }

    /// False while endpoints have too much on its way to the dead letters.
    pub fn has_room(&self) -> bool {
        self.endpoints.load().iter().all(|endpoint| endpoint.queue.lock().has_room())
    }

    /// Reports due departures.
    fn tick(&self, now: Instant) {
        self.push_due_departures(now, now);
    }

    /// At shutdown. In a cluster, the next owner of the channel has what is pending here.
    fn end_departures(&self, now: Instant) {
        if !self.letters.is_shared() {
            self.flush_departures(now);
        }
    }

    /// Reports all pending departures: nothing can cancel them any more.
    fn flush_departures(&self, now: Instant) {
        self.push_due_departures(now + DEPARTURE_DELAY, now);
    }

    fn push_due_departures(&self, due: Instant, now: Instant) {
        loop {
            // Held for one departure at a time, as above; other facts get in between.
            let mut departures = self.departures.lock();
            let Some((departure, origin)) = departures.next(due) else { return };
            if origin.is_elsewhere() {
                continue;
            }
            if origin.is_uncertain() {
                let _ = departures.hold(departure, due + UNCERTAIN_PAUSE, origin);
                // The others are looked at with the next tick.
                return;
            }
            let Departure { channel, user } = departure;
            let fact = match user {
                None => ChannelFact::ChannelVacated,
                Some(user_id) => ChannelFact::MemberRemoved { user_id },
            };
            self.push(&channel, &fact, &origin, now);
            origin.release();
        }
    }

    pub fn stats(&self) -> WebhookStats {
        let mut endpoints = EndpointStats::default();
        self.all_endpoints().iter().for_each(|endpoint| endpoints += endpoint.stats());
        WebhookStats { endpoints, dead_letters: self.letters.count() }
    }

    /// Totals of all endpoints, for `/metrics`.
    pub fn totals(&self, now: Instant) -> WebhookTotals {
        let mut totals = WebhookTotals::default();
        for endpoint in &self.all_endpoints() {
            for (outcome, count) in endpoint.counters.attempts.iter() {
                *totals.attempts.entry(outcome).or_default() += count;
            }
            totals.retries += endpoint.counters.retries.get();
            totals.spilled += endpoint.counters.spilled.get();
            let oldest = endpoint.queue.lock().oldest().map(|since| now - since);
            totals.oldest = totals.oldest.max(oldest);
        }
        totals
    }

    /// Reads a file.
    pub fn report(&self, most: usize) -> io::Result<WebhookReport> {
        let mut letters = Vec::new();
        if most > 0 {
            self.letters.read(&mut |letter| {
                letters.push(letter);
                letters.len() < most
            })?;
        }
        let waiting = self.letters.waiting()?;
        let endpoints = self.all_endpoints();
        let endpoints = endpoints.iter().map(|e| e.report(waiting.of(e.label()))).collect();
        Ok(WebhookReport { endpoints, dead_letters: waiting.total(), letters })
    }

    /// The latest requests to all endpoints, or to one, newest last.
    pub fn log(&self, endpoint: Option<&str>) -> Vec<DeliveryRecord> {
        let endpoints = self.all_endpoints();
        let chosen = endpoints.iter().filter(|e| endpoint.is_none_or(|l| **e.label() == *l));
        let mut log: Vec<DeliveryRecord> =
            chosen.flat_map(|endpoint| endpoint.log.latest()).collect();
        log.sort_by(|a, b| a.time.cmp(&b.time));
        log
    }

    /// Discards dead letters, except those being replayed. Reads a file.
    pub fn discard(
        &self,
        which: &LetterSelector,
        before: Option<SystemTime>,
    ) -> io::Result<Discarded> {
        self.letters.discard(&|letter| {
            let is_older = |before| {
                humantime::parse_rfc3339_weak(&letter.time).is_ok_and(|time| time < before)
            };
            which.is(letter) && before.is_none_or(is_older)
        })
    }

    fn endpoint(&self, label: &str) -> Option<Arc<WebhookEndpoint>> {
        self.endpoints.load().iter().find(|endpoint| **endpoint.label() == *label).cloned()
    }

    /// Sends a test request to all endpoints, or to one; empty if there is no such endpoint.
    pub async fn test(&self, endpoint: Option<&str>) -> Vec<EndpointTestResult> {
        let endpoints = self.endpoints.load_full();
        let chosen = endpoints.iter().filter(|e| endpoint.is_none_or(|l| **e.label() == *l));
        let ask = |endpoint: &Arc<WebhookEndpoint>| {
            let (answer, tested) = oneshot::channel();
            endpoint.tests.lock().push(answer);
            endpoint.wake.notify_one();
            tested
        };
        // All tests start before the first result is awaited.
        let asked: Vec<_> = chosen.map(ask).collect();
        let mut tested = Vec::with_capacity(asked.len());
        for answer in asked {
            // A missing result means shutdown.
            tested.extend(answer.await);
        }
        tested
    }
}

impl std::ops::AddAssign for WebhookStats {
    fn add_assign(&mut self, other: Self) {
        self.endpoints += other.endpoints;
        self.dead_letters += other.dead_letters;
    }
}
