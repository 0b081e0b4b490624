//! When a node may miss events of others, or answers subscriptions on its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::ask::is_ready;
use super::client::lock;
use crate::support::LEASE_SECONDS;

/// What Redis had answered was still on its way to the node when the connection was cut.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// A node opens others beside silent connections after five seconds. A busy machine makes an outage
/// longer than it was meant to be.
const REPLACED_AFTER: Duration = Duration::from_millis(3500);

/// The last beat of a node may have been up to a beat before its trouble, and so for the observer.
const ALMOST_A_LEASE: Duration = Duration::from_secs(LEASE_SECONDS / 2);
/// The time in which a node is sure to beat.
const SOON: Duration = Duration::from_secs(LEASE_SECONDS / 2);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TroubleKind {
    /// A connection was lost: until it has subscribed again, the node misses events.
    Lost,
    /// Nothing is lost. A subscription may be answered before Redis knows of it.
    Slow,
    /// The master was replaced, and the node may not know it: what it publishes may reach nobody.
    Astray,
}

#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub kind: TroubleKind,
    pub from: Instant,
    /// `None` while it lasts.
    pub until: Option<Instant>,
}

/// The troubles of one node.
#[derive(Clone, Default)]
pub struct Troubles(Arc<Mutex<Vec<Trouble>>>);

impl Troubles {
    pub fn begin(&self, kind: TroubleKind) -> usize {
        let mut all = lock(&self.0);
        let from = match kind {
            TroubleKind::Lost => Instant::now() - ON_ITS_WAY,
            TroubleKind::Slow | TroubleKind::Astray => Instant::now(),
        };
        all.push(Trouble { kind, from, until: None });
        all.len() - 1
    }

    pub fn end(&self, at: usize) {
        lock(&self.0)[at].until.get_or_insert_with(Instant::now);
    }

    /// A node that has heard nothing for so long has opened other connections.
    pub fn silence_is_over(&self, at: usize) {
        let trouble = &mut lock(&self.0)[at];
        if trouble.from.elapsed() >= REPLACED_AFTER {
            trouble.kind = TroubleKind::Lost;
        }
    }

    /// What it would have heard later is lost.
    pub fn becomes_lost(&self, at: usize) {
        lock(&self.0)[at].kind = TroubleKind::Lost;
    }

    pub fn is_lost(&self, at: usize) -> bool {
        lock(&self.0)[at].kind == TroubleKind::Lost
    }

    /// Ends it once the node says that it is ready. What has caused it is over.
    pub fn end_when_ready(
        &self,
        at: usize,
        ops: SocketAddr,
        has_connected: impl Fn() -> bool + Send + 'static,
    ) {
        self.end_all_when_ready(vec![at], ops, has_connected);
    }

    pub fn end_all_when_ready(
        &self,
        all: Vec<usize>,
        ops: SocketAddr,
        has_connected: impl Fn() -> bool + Send + 'static,
    ) {
        let troubles = self.clone();
        tokio::spawn(async move {
            while troubles.last_any(&all) {
                if has_connected() && is_ready(ops).await {
                    all.iter().for_each(|at| troubles.end(*at));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    fn last_any(&self, all: &[usize]) -> bool {
        let troubles = lock(&self.0);
        all.iter().any(|at| troubles[*at].until.is_none())
    }

    /// When others may have taken the node for dead: it was troubled for about a lease, and one of them
    /// was not.
    pub fn death(&self, others: &[Troubles], after: Instant) -> Option<Instant> {
        let all = self.merged(after);
        let deaths = all.iter().filter_map(|(from, until)| {
            let seen =
                others.iter().any(|other| other.longest_calm(*from, *until) >= ALMOST_A_LEASE);
            seen.then_some(*from + ALMOST_A_LEASE)
        });
        deaths.min()
    }

    /// As periods, with those that follow each other soon as one.
    fn merged(&self, after: Instant) -> Vec<(Instant, Instant)> {
        let now = Instant::now();
        let mut all: Vec<_> =
            lock(&self.0).iter().map(|it| (it.from, it.until.unwrap_or(now))).collect();
        all.sort();
        let mut merged: Vec<(Instant, Instant)> = Vec::new();
        for (from, until) in all.into_iter().filter(|(_, until)| *until >= after) {
            match merged.last_mut() {
                Some(last) if from <= last.1 + SOON => last.1 = last.1.max(until),
                _ => merged.push((from, until)),
            }
        }
        merged
    }

    fn longest_calm(&self, from: Instant, until: Instant) -> Duration {
        let (mut longest, mut since) = (Duration::ZERO, from);
        for (begins, ends) in self.merged(from) {
            longest = longest.max(begins.min(until).saturating_duration_since(since));
            since = since.max(ends);
        }
        longest.max(until.saturating_duration_since(since))
    }

    /// The node is gone, and its clients with it.
    pub fn end_all(&self) {
        let now = Instant::now();
        lock(&self.0).iter_mut().for_each(|it| _ = it.until.get_or_insert(now));
    }

    pub fn are_over(&self) -> bool {
        lock(&self.0).iter().all(|it| it.until.is_some())
    }

    /// The trouble of this kind that overlaps this time.
    pub fn during(&self, kind: TroubleKind, from: Instant, until: Instant) -> Option<Trouble> {
        let all = lock(&self.0);
        let overlaps = |it: &&Trouble| it.from <= until && it.until.is_none_or(|end| end >= from);
        all.iter().filter(|it| it.kind == kind).find(overlaps).copied()
    }
}
