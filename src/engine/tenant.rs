//! An application together with what lives in it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;

use super::counts::TenantCounts;
use crate::{
    app::App,
    channel::{Access, Channel},
    crypto::key::Fingerprint,
    hub::{
        Hub,
        directory::{Directory, LockedRecord, Record},
        mailbox::{Audience, Content},
        terms::Terms,
    },
    keyfile::KeyFile,
    protocol::server::Frame,
    webhook::{Fact, Webhooks},
};

pub struct Tenant {
    pub app: App,
    pub directory: Directory,
    pub terms: Arc<Terms>,
    /// Nothing where the application has no endpoints.
    pub webhooks: Option<Arc<Webhooks>>,
    /// Held while keys change, so that one change is written down and takes effect before the next.
    pub(super) key_changes: Mutex<()>,
    pub(super) key_change_failed: AtomicBool,
    pub(super) key_file: KeyFile,
    /// From which key to which subscribers are moving.
    pub(super) rotating: Mutex<Option<(Fingerprint, Fingerprint)>>,
    /// Keys whose grace time is over, by number, and when they are forgotten at the latest.
    pub(super) retiring: Mutex<HashMap<u32, Instant>>,
    pub counts: TenantCounts,
    connections: AtomicUsize,
    /// Channels whose subscription count changed after it was last sent.
    pending_counts: Mutex<Vec<Arc<Record>>>,
    /// Users whose last connection went, and when their watchers are told.
    pub(super) departures: Mutex<HashMap<Arc<str>, Instant>>,
}

/// A place among an application's connections, given back on drop.
pub struct ConnectionGuard(Arc<Tenant>);

impl Tenant {
    pub fn new(app: App, key_file: KeyFile, hub: Arc<Hub>) -> Self {
        Self {
            terms: Arc::new(Terms::new(hub.new_tenant(), &app.rotation)),
            key_changes: Mutex::default(),
            key_change_failed: AtomicBool::new(false),
            key_file,
            rotating: Mutex::default(),
            retiring: Mutex::default(),
            app,
            webhooks: None,
            directory: Directory::new(hub),
            counts: TenantCounts::default(),
            connections: AtomicUsize::new(0),
            pending_counts: Mutex::default(),
            departures: Mutex::default(),
        }
    }

    /// For the application's backend. Called under the lock of the channel's record, so that what
    /// happens on a channel is told in its order.
    pub(super) fn note(&self, channel: &Channel, fact: &Fact<'_>) {
        if let Some(webhooks) = &self.webhooks {
            webhooks.note(channel, fact, Instant::now());
        }
    }

    /// `None` when the application has as many connections as it may.
    pub fn connect(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let limit = self.app.limits.connections.unwrap_or(usize::MAX);
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
        if !self.app.subscription_count || !counted {
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
