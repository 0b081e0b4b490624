//! Webhooks: facts about channels, sent to an app's backend (protocol.md 8).
//!
//! The engine notes facts under the lock of a channel's record, so that each channel has one order.
//! The queue to a receiver is bounded, and a separate thread (`runner`) sends.

mod backoff;
mod batch;
mod dead_letter;
mod departures;
mod endpoint;
mod facts;
mod filter;
mod leaving;
mod log;
mod replay;
mod request;
mod runner;
mod sender;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use departures::{Departure, Departures};
use endpoint::Endpoint;
use facts::EventIds;
use leaving::Leaving;

pub use batch::Limits;
pub use dead_letter::{DeadLetters, Discarded, Letter, LetterId};
pub use endpoint::{EndpointReport, EndpointStats, Settings, Tested};
pub use facts::{Fact, Kind};
pub use filter::Filter;
pub use log::Delivery;
pub use replay::{Channels, Replayed, Standing, Which};
pub use request::is_ours;
pub use runner::Runner;

use crate::{channel::Channel, crypto::signature::AppSecret, live::Feed};

/// The webhooks of one app.
pub struct Webhooks {
    app: Arc<str>,
    signer: ArcSwap<Signer>,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    leaving: Leaving,
    departures: Mutex<Departures>,
    ids: EventIds,
    letters: DeadLetters,
    live: Arc<Feed>,
}

/// Key and secret for signing requests.
pub struct Signer {
    pub key: Arc<str>,
    pub secret: AppSecret,
}

#[derive(Default, Serialize)]
pub struct Stats {
    #[serde(flatten)]
    pub endpoints: EndpointStats,
    /// Open letters in the files.
    pub dead_letters: u64,
}

#[derive(Default)]
pub struct Totals {
    /// Requests, by status class of the response.
    pub attempts: BTreeMap<&'static str, u64>,
    pub retries: u64,
    /// Events that did not fit into a queue.
    pub spilled: u64,
    /// Longest wait so far.
    pub oldest: Option<Duration>,
}

#[derive(Serialize, Deserialize)]
pub struct Report {
    pub endpoints: Vec<EndpointReport>,
    /// In the file now, for whatever endpoint.
    pub dead_letters: u64,
    /// The oldest letters.
    pub letters: Vec<Letter>,
}

impl Webhooks {
    /// `None` without endpoints. `state_dir`: the directory for dead letters.
    pub fn of_app(
        app: &Arc<str>,
        signer: Signer,
        endpoints: Vec<Settings>,
        state_dir: Option<&Path>,
        live: Arc<Feed>,
    ) -> io::Result<Option<Arc<Self>>> {
        if endpoints.is_empty() {
            return Ok(None);
        }
        let path = state_dir.map(|dir| DeadLetters::path_of(dir, app));
        let webhooks = Self {
            app: app.clone(),
            signer: ArcSwap::from_pointee(signer),
            endpoints: ArcSwap::default(),
            leaving: Leaving::default(),
            departures: Mutex::default(),
            ids: EventIds::of_this_start()?,
            letters: DeadLetters::open(path)?,
            live,
        };
        webhooks.replace(endpoints);
        Ok(Some(Arc::new(webhooks)))
    }

    /// Must be called under the lock of the channel's record. Waits for nothing but short locks.
    pub fn note(&self, channel: &Channel, fact: &Fact<'_>, now: Instant) {
        let kind = fact.kind();
        let concerned = |endpoint: &Arc<Endpoint>| {
            endpoint.settings().filter.wants_either(kind, channel.name())
        };
        if !channel.is_listed() || !self.endpoints.load().iter().any(concerned) {
            return;
        }
        let (user, leaves) = match fact {
            Fact::ChannelOccupied => (None, false),
            Fact::ChannelVacated => (None, true),
            Fact::MemberAdded { user_id } => (Some(Arc::from(*user_id)), false),
            Fact::MemberRemoved { user_id } => (Some(Arc::from(*user_id)), true),
            Fact::ClientEvent { .. } | Fact::CacheMiss | Fact::SubscriptionCount { .. } => {
                return self.push(channel.name(), fact, SystemTime::now(), now);
            }
        };
        let occurred = SystemTime::now();
        let departure = Departure { channel: channel.name().clone(), user };
        // Held until the fact is queued, so that a departure due now is queued before or after it,
        // never in between.
        let mut departures = self.departures.lock();
        if leaves {
            departures.leave(departure, now, occurred);
        } else if !departures.take_back(&departure) {
            self.push(channel.name(), fact, occurred, now);
        }
    }

    fn push(&self, channel: &Arc<str>, fact: &Fact<'_>, occurred: SystemTime, now: Instant) {
        let kind = fact.kind();
        let mut json = None;
        for endpoint in &**self.endpoints.load() {
            if endpoint.settings().filter.wants(kind, channel) {
                let json =
                    json.get_or_insert_with(|| fact.to_json(channel, &self.ids.stamp(occurred)));
                endpoint.accept(channel, json, now);
            }
        }
    }

    /// Reports due departures.
    fn tick(&self, now: Instant) {
        self.tell_departures(now, now);
    }

    /// Reports all pending departures, at shutdown: nothing can cancel them any more.
    fn tell_all_departures(&self, now: Instant) {
        self.tell_departures(now + departures::DELAY, now);
    }

    fn tell_departures(&self, due: Instant, now: Instant) {
        loop {
            // Held for one departure at a time, as above; other facts get in between.
            let mut departures = self.departures.lock();
            let Some((departure, occurred)) = departures.next(due) else { return };
            let Departure { channel, user } = departure;
            let fact = match &user {
                None => Fact::ChannelVacated,
                Some(user_id) => Fact::MemberRemoved { user_id },
            };
            self.push(&channel, &fact, occurred, now);
        }
    }

    pub fn stats(&self) -> Stats {
        let mut endpoints = EndpointStats::default();
        self.all_endpoints().iter().for_each(|endpoint| endpoints += endpoint.stats());
        Stats { endpoints, dead_letters: self.letters.count() }
    }

    /// Totals of all endpoints, for `/metrics`.
    pub fn totals(&self, now: Instant) -> Totals {
        let mut totals = Totals::default();
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
    pub fn report(&self, most: usize) -> io::Result<Report> {
        let mut letters = Vec::new();
        if most > 0 {
            self.letters.read(|letter| {
                letters.push(letter);
                letters.len() < most
            })?;
        }
        let waiting = self.letters.waiting();
        let endpoints = self.all_endpoints();
        let endpoints = endpoints.iter().map(|e| e.report(waiting.of(e.label()))).collect();
        Ok(Report { endpoints, dead_letters: waiting.total(), letters })
    }

    /// The latest requests to all endpoints, or to one, newest last.
    pub fn log(&self, endpoint: Option<&str>) -> Vec<Delivery> {
        let endpoints = self.all_endpoints();
        let chosen = endpoints.iter().filter(|e| endpoint.is_none_or(|l| **e.label() == *l));
        let mut log: Vec<Delivery> = chosen.flat_map(|endpoint| endpoint.log.latest()).collect();
        log.sort_by(|a, b| a.time.cmp(&b.time));
        log
    }

    /// Discards dead letters, except those being replayed. Reads a file.
    pub fn discard(&self, which: &Which, before: Option<SystemTime>) -> io::Result<Discarded> {
        self.letters.discard(|letter| {
            let is_older = |before| {
                humantime::parse_rfc3339_weak(&letter.time).is_ok_and(|time| time < before)
            };
            which.is(letter) && before.is_none_or(is_older)
        })
    }

    fn endpoint(&self, label: &str) -> Option<Arc<Endpoint>> {
        self.endpoints.load().iter().find(|endpoint| **endpoint.label() == *label).cloned()
    }

    /// Sends a test request to all endpoints, or to one; empty if there is no such endpoint.
    pub async fn test(&self, endpoint: Option<&str>) -> Vec<Tested> {
        let endpoints = self.endpoints.load_full();
        let chosen = endpoints.iter().filter(|e| endpoint.is_none_or(|l| **e.label() == *l));
        let ask = |endpoint: &Arc<Endpoint>| {
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

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.endpoints += other.endpoints;
        self.dead_letters += other.dead_letters;
    }
}
