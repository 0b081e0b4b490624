//! An application together with what lives in it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    app::App,
    channel::{Access, Channel},
    hub::{
        Hub,
        directory::{Directory, Entered, Record},
        mailbox::Audience,
    },
    protocol::server::Frame,
};

pub struct Tenant {
    pub app: App,
    pub directory: Directory,
    connections: AtomicUsize,
    /// Channels whose subscription count changed after it was last sent.
    pending_counts: Mutex<Vec<Arc<Record>>>,
    /// Users whose last connection went, and when their watchers are told.
    pub(super) departures: Mutex<HashMap<Arc<str>, Instant>>,
}

/// A place among an application's connections, given back on drop.
pub struct ConnectionGuard(Arc<Tenant>);

/// Up to this many subscribers every change of their number is sent, above it at most one each
/// `COUNT_INTERVAL` (PROTOCOL 2.6).
const COUNT_EACH_CHANGE: u32 = 100;
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

impl Tenant {
    pub fn new(app: App, hub: Arc<Hub>) -> Self {
        Self {
            app,
            directory: Directory::new(hub),
            connections: AtomicUsize::new(0),
            pending_counts: Mutex::default(),
            departures: Mutex::default(),
        }
    }

    /// `None` when the application has as many connections as it may.
    pub fn connect(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let limit = self.app.limits.connections.unwrap_or(usize::MAX);
        let taken = self.connections.fetch_add(1, Ordering::Relaxed);
        // Made before the check, so that it gives the place back either way.
        let guard = ConnectionGuard(self.clone());
        (taken < limit).then_some(guard)
    }

    /// Tells a channel's subscribers how many they are, now or later.
    pub(super) fn count_changed(
        &self,
        hub: &Hub,
        record: &Arc<Record>,
        entered: &mut Entered<'_>,
        now: Instant,
    ) {
        let counted =
            !matches!(record.channel().access(), Access::Presence | Access::User | Access::Watch);
        if !self.app.subscription_count || !counted || !entered.is_occupied() {
            return;
        }
        let recent =
            entered.count_sent.is_some_and(|sent| now.duration_since(sent) < COUNT_INTERVAL);
        if entered.subscription_count() <= COUNT_EACH_CHANGE || !recent {
            send_count(hub, record.channel(), entered, now);
        } else if !entered.count_pending {
            entered.count_pending = true;
            self.pending_counts.lock().push(record.clone());
        }
    }

    pub(super) fn send_pending_counts(&self, hub: &Hub, now: Instant) {
        // Taken out first: a record's lock is never waited for while another is held.
        let pending = std::mem::take(&mut *self.pending_counts.lock());
        let mut still = Vec::new();
        for record in pending {
            let Some(mut entered) = record.enter() else { continue };
            if !entered.count_pending || !entered.is_occupied() {
                entered.count_pending = false;
            } else if entered
                .count_sent
                .is_some_and(|sent| now.duration_since(sent) < COUNT_INTERVAL)
            {
                drop(entered);
                still.push(record);
            } else {
                send_count(hub, record.channel(), &mut entered, now);
            }
        }
        self.pending_counts.lock().extend(still);
    }
}

fn send_count(hub: &Hub, channel: &Channel, entered: &mut Entered<'_>, now: Instant) {
    entered.count_sent = Some(now);
    entered.count_pending = false;
    let frame = Frame::subscription_count(channel, entered.subscription_count());
    let audience = match channel.access() {
        Access::Encrypted => Audience::NotLegacyJava,
        _ => Audience::All,
    };
    entered.post(hub, frame, None, audience);
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
