//! An app at run time: its settings, channels, keys and counters.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use parking_lot::Mutex;

use super::{
    app_update::AppUpdate,
    busiest::BusiestChannels,
    cluster::{ClusterKeys, Terminations},
    counts::AppCounters,
    departing::Departures,
    keys::key_store::KeyStore,
};
use crate::{
    app::App,
    auth::tickets::Tickets,
    channels::fact::{ChannelFact, ChannelFactKind},
    crypto::{
        key::{Fingerprint, MasterKey},
        keyring::KeyRing,
    },
    domain::{channel::Channel, channel_settings::HistoryStore, rate_limit::AtomicRateLimiter},
    engine::{history::keeper::AppLogKeeper, keys::keyfile::KeyFile},
    history::journal::{Journal, LogAddress},
    hub::{Hub, directory::Directory, record::Record, rekey::rekey_policy::RekeyPolicy},
    observe::webhook::{FactOrigin, Webhooks},
};

pub struct AppRuntime {
    pub id: Arc<str>,
    /// Swapped as a whole by a reload.
    app: ArcSwap<App>,
    pub directory: Directory,
    journal: Journal,
    pub rekey_policy: Arc<RekeyPolicy>,
    /// `None` if the app has no endpoints.
    webhooks: ArcSwapOption<Webhooks>,
    /// Rate limits of the backend's events and reads.
    pub events: AtomicRateLimiter,
    pub reads: AtomicRateLimiter,
    /// Serializes key changes.
    pub(super) key_changes: Mutex<()>,
    pub(super) key_change_failed: AtomicBool,
    pub(super) key_store: KeyStore,
    /// The keys of the running rotation, from and to.
    pub(super) rotating: Mutex<Option<(Fingerprint, Fingerprint)>>,
    /// A configured key that waits for the running rotation to end.
    pub(super) waiting_key: Mutex<Option<Arc<MasterKey>>>,
    /// Keys past their grace period, by number, with the time at which they are forgotten.
    pub(super) retiring: Mutex<HashMap<u32, Instant>>,
    pub counts: AppCounters,
    pub busiest: BusiestChannels,
    /// Of event streams.
    pub tickets: Arc<Tickets>,
    connections: AtomicUsize,
    /// Channels whose subscription count changed after it was last sent.
    pub(super) pending_counts: Mutex<Vec<Arc<Record>>>,
    pub(super) departures: Mutex<Departures>,
    pub(super) terminations: Terminations,
    pub(super) cluster_keys: ClusterKeys,
}

/// One of an app's allowed connections, released on drop.
pub struct ConnectionGuard(Arc<AppRuntime>);

impl AppRuntime {
    pub fn new(app: App, key_file: KeyFile, hub: Arc<Hub>) -> Self {
        let now = Instant::now();
        let app = Arc::new(app);
        let directory = Directory::new(hub.clone());
        directory.set_keeper(Box::new(AppLogKeeper { app: app.clone(), journal: Journal::Memory }));
        Self {
            rekey_policy: Arc::new(RekeyPolicy::new(hub.new_app_runtime_id(), &app.rotation)),
            key_changes: Mutex::default(),
            key_change_failed: AtomicBool::new(false),
            key_store: KeyStore::new(key_file),
            rotating: Mutex::default(),
            waiting_key: Mutex::default(),
            retiring: Mutex::default(),
            id: app.id.clone(),
            app: ArcSwap::new(app),
            webhooks: ArcSwapOption::empty(),
            events: AtomicRateLimiter::new(now),
            reads: AtomicRateLimiter::new(now),
            directory,
            journal: Journal::Memory,
            counts: AppCounters::default(),
            busiest: BusiestChannels::default(),
            tickets: Arc::default(),
            connections: AtomicUsize::new(0),
            pending_counts: Mutex::default(),
            departures: Mutex::default(),
            terminations: Terminations::default(),
            cluster_keys: ClusterKeys::default(),
        }
    }

    /// The same, with logs that outlive the server.
    pub fn with_journal(self, journal: Journal) -> Self {
        let runtime = Self { journal, ..self };
        runtime.keep_logs(&runtime.app_snapshot());
        runtime
    }

    fn keep_logs(&self, app: &Arc<App>) {
        let keeper = AppLogKeeper { app: app.clone(), journal: self.journal.clone() };
        self.directory.set_keeper(Box::new(keeper));
    }

    /// The store of the channel's log. A live log keeps the settings it began with.
    pub fn log_store(&self, channel: &Channel) -> Option<HistoryStore> {
        let record = self.directory.find(channel.name());
        let locked = record.as_ref().and_then(|record| record.enter());
        let live = locked.and_then(|locked| Some(locked.log()?.settings().store));
        live.or_else(|| Some(self.app().channel_settings(channel).history?.store))
    }

    pub(super) fn log_address(&self, channel: &Channel, store: HistoryStore) -> LogAddress {
        LogAddress { app: self.id.clone(), channel: channel.name().clone(), store }
    }

    /// The current settings. A cheap guard, for a short time: holding it makes later loads slower.
    pub fn app(&self) -> Guard<Arc<App>> {
        self.app.load()
    }

    /// The same, for use across an await.
    pub fn app_snapshot(&self) -> Arc<App> {
        self.app.load_full()
    }

    /// The key ring of a sealing app. It lives as long as the app.
    pub fn keys(&self) -> Option<Arc<KeyRing>> {
        self.app().sealing.keys().cloned()
    }

    pub(super) fn ring(&self, channel: &Channel) -> Option<Arc<KeyRing>> {
        self.app().ring(channel).cloned()
    }

    pub fn webhooks(&self) -> Option<Arc<Webhooks>> {
        self.webhooks.load_full()
    }

    pub fn set_webhooks(&self, webhooks: Option<Arc<Webhooks>>) {
        self.webhooks.store(webhooks);
    }

    pub(super) fn wants_webhook(&self, channel: &Channel, kind: ChannelFactKind) -> bool {
        self.webhooks.load().as_ref().is_some_and(|webhooks| webhooks.wants(channel, kind))
    }

    /// Must be called under the lock of the channel's record, so that facts about a channel keep
    /// their order.
    pub(super) fn note_webhooks(
        &self,
        channel: &Channel,
        fact: &ChannelFact<'_>,
        origin: FactOrigin,
    ) {
        if let Some(webhooks) = &*self.webhooks.load() {
            webhooks.note(channel, fact, origin, Instant::now());
        }
    }

    /// Applies new settings for all connections at once, except those fixed while channels are
    /// open. Returns true if the app has just been disabled.
    pub(super) fn change(&self, wanted: AppUpdate) -> bool {
        let AppUpdate { mut app, same_authorizer, same_webhooks } = wanted;
        let before = self.app_snapshot();
        app.sealing = before.sealing.padded_as(&app.sealing);
        app.channel_rules = before.channel_rules.clone();
        app.access.revoked = before.access.revoked.clone();
        if same_authorizer {
            app.authorizer = before.authorizer.clone();
        }
        let endpoints = std::mem::take(&mut app.webhooks);
        if let Some(webhooks) = self.webhooks() {
            webhooks.change(app.signer(), (!same_webhooks).then_some(endpoints));
        }
        self.rekey_policy.change(&app.rotation);
        let disabled = before.enabled && !app.enabled;
        let (events, reads) = (app.limits.events(), app.limits.reads());
        let app = Arc::new(app);
        self.keep_logs(&app);
        self.app.store(app);
        // After the settings, so that no allowance is given on the old terms.
        let now = Instant::now();
        self.events.change(events, now);
        self.reads.change(reads, now);
        disabled
    }

    #[cfg(test)]
    pub fn reload_for_tests(&self, app: App) {
        let _disabled = self.change(AppUpdate { app, same_authorizer: true, same_webhooks: true });
    }

    /// `None` if the app has reached its connection limit.
    pub fn connect(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let limit = self.app().limits.connections.unwrap_or(usize::MAX);
        let taken = self.connections.fetch_add(1, Ordering::Relaxed);
        // Created before the check, so that it releases the slot either way.
        let guard = ConnectionGuard(self.clone());
        if taken >= limit {
            return None;
        }
        self.counts.connections.add();
        Some(guard)
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
