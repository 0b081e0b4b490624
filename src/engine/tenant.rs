//! An application together with what lives in it.

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

use super::{counts::TenantCounts, held::HeldDepartures, key_store::KeyStore, reconfigure::Wanted};
use crate::{
    app::App,
    channel::{Access, Channel},
    crypto::{
        key::{Fingerprint, MasterKey},
        keyring::KeyRing,
    },
    hub::{
        Hub,
        directory::{Directory, LockedRecord, Record},
        mailbox::{Audience, Content},
        terms::Terms,
    },
    keyfile::KeyFile,
    meter::Meter,
    protocol::server::Frame,
    webhook::{Fact, Webhooks},
};

pub struct Tenant {
    pub id: Arc<str>,
    /// Replaced as a whole when the configuration is read again.
    app: ArcSwap<App>,
    pub directory: Directory,
    pub terms: Arc<Terms>,
    /// Nothing where the application has no endpoints.
    webhooks: ArcSwapOption<Webhooks>,
    /// What the backend publishes and asks.
    pub events: Meter,
    pub reads: Meter,
    /// Held while keys change, so that one change takes effect before the next.
    pub(super) key_changes: Mutex<()>,
    pub(super) key_change_failed: AtomicBool,
    pub(super) key_store: KeyStore,
    /// From which key to which subscribers are moving.
    pub(super) rotating: Mutex<Option<(Fingerprint, Fingerprint)>>,
    /// One that the configuration names, until a rotation that runs has ended.
    pub(super) waiting_key: Mutex<Option<Arc<MasterKey>>>,
    /// Keys whose grace time is over, by number, and when they are forgotten at the latest.
    pub(super) retiring: Mutex<HashMap<u32, Instant>>,
    pub counts: TenantCounts,
    connections: AtomicUsize,
    /// Channels whose subscription count changed after it was last sent.
    pending_counts: Mutex<Vec<Arc<Record>>>,
    /// Users whose last connection went, and when their watchers are told.
    pub(super) departures: Mutex<HashMap<Arc<str>, Instant>>,
    /// Of members of presence channels.
    pub(super) held: Mutex<HeldDepartures>,
}

/// A place among an application's connections, given back on drop.
pub struct ConnectionGuard(Arc<Tenant>);

impl Tenant {
    pub fn new(app: App, key_file: KeyFile, hub: Arc<Hub>) -> Self {
        let now = Instant::now();
        Self {
            terms: Arc::new(Terms::new(hub.new_tenant(), &app.rotation)),
            key_changes: Mutex::default(),
            key_change_failed: AtomicBool::new(false),
            key_store: KeyStore::new(key_file),
            rotating: Mutex::default(),
            waiting_key: Mutex::default(),
            retiring: Mutex::default(),
            id: app.id.clone(),
            app: ArcSwap::from_pointee(app),
            webhooks: ArcSwapOption::empty(),
            events: Meter::new(now),
            reads: Meter::new(now),
            directory: Directory::new(hub),
            counts: TenantCounts::default(),
            connections: AtomicUsize::new(0),
            pending_counts: Mutex::default(),
            departures: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Its settings at this moment. Cheap, and for the moment: held for long, it makes others dearer.
    pub fn app(&self) -> Guard<Arc<App>> {
        self.app.load()
    }

    /// The same, to be kept across an await.
    pub fn app_kept(&self) -> Arc<App> {
        self.app.load_full()
    }

    /// Its keys, where it has any. They are the same for as long as it lives.
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

    /// For the application's backend. Called under the lock of the channel's record, so that what
    /// happens on a channel is told in its order.
    pub(super) fn note(&self, channel: &Channel, fact: &Fact<'_>) {
        if let Some(webhooks) = &*self.webhooks.load() {
            webhooks.note(channel, fact, Instant::now());
        }
    }

    /// Other settings, for everybody at once. What cannot change while channels are open stays as it
    /// is. Returns whether it has just been disabled.
    pub(super) fn change(&self, wanted: Wanted) -> bool {
        let Wanted { mut app, same_authorizer, same_webhooks } = wanted;
        let before = self.app_kept();
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
        self.terms.change(&app.rotation);
        let disabled = before.enabled && !app.enabled;
        let (events, reads) = (app.limits.events(), app.limits.reads());
        self.app.store(Arc::new(app));
        // Afterwards, so that nothing is lent any more on the terms of before.
        let now = Instant::now();
        self.events.change(events, now);
        self.reads.change(reads, now);
        disabled
    }

    /// `None` when the application has as many connections as it may.
    pub fn connect(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let limit = self.app().limits.connections.unwrap_or(usize::MAX);
        let taken = self.connections.fetch_add(1, Ordering::Relaxed);
        // Made before the check, so that it gives the place back either way.
        let guard = ConnectionGuard(self.clone());
        if taken >= limit {
            return None;
        }
        self.counts.connections.add();
        Some(guard)
    }

    /// How many are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Tells a channel's subscribers how many they are, now or later.
    pub(super) fn count_changed(
        &self,
        hub: &Hub,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        now: Instant,
    ) {
        let counted =
            !matches!(record.channel().access(), Access::Presence | Access::User | Access::Watch);
        if !self.app().subscription_count || !counted {
            return;
        }
        let count = locked.subscription_count();
        if count == 0 {
            // Nobody is there to be told, and the record may be gone before it would be the time.
            self.note(record.channel(), &Fact::SubscriptionCount { subscription_count: 0 });
        } else if locked.counts.may_send(count, now) {
            self.send_count(hub, record.channel(), locked);
        } else if !locked.counts.pending {
            locked.counts.pending = true;
            self.pending_counts.lock().push(record.clone());
        }
    }

    pub(super) fn send_pending_counts(&self, hub: &Hub, now: Instant) {
        // Taken out first: a record's lock is never waited for while this one is held.
        let pending = std::mem::take(&mut *self.pending_counts.lock());
        let mut still = Vec::new();
        for record in pending {
            let Some(mut locked) = record.enter() else { continue };
            let count = locked.subscription_count();
            if count > 0 && !locked.counts.may_send(count, now) {
                drop(locked);
                still.push(record);
                continue;
            }
            locked.counts.pending = false;
            if count > 0 {
                self.send_count(hub, record.channel(), &mut locked);
            }
        }
        self.pending_counts.lock().extend(still);
    }

    fn send_count(&self, hub: &Hub, channel: &Channel, locked: &mut LockedRecord<'_>) {
        let count = locked.subscription_count();
        let audience = match channel.access() {
            Access::Encrypted => Audience::NotLegacyJava,
            _ => Audience::All,
        };
        let frame = Frame::subscription_count(channel, count);
        locked.post(hub, Content::Same(frame), None, audience);
        self.note(channel, &Fact::SubscriptionCount { subscription_count: count });
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
