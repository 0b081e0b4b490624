//! Delivery: who is subscribed where, and how a frame gets from a publisher to their sockets.
//!
//! A worker thread owns its sockets and its `shard`; the `directory` answers what spans workers.
//! A publisher looks a channel up in the directory and posts to the mailboxes of the workers that
//! have subscribers, its own worker's included: a shortcut would overtake what is queued there.
//!
//! Lock order: the record of a user, the record of its watchers, a mailbox; any one record, a
//! mailbox. The small lists of a tenant are locked last, for one operation. The directory's map is
//! never touched while a record is locked, but for looking up the watchers of a user. Nothing is
//! held across an await.

pub mod cached;
pub mod census;
pub mod channel_keys;
pub mod counts;
pub mod directory;
mod expiry;
pub mod granted;
mod held;
mod leaving;
pub mod mailbox;
pub mod moves;
pub mod numbers;
pub mod outbox;
pub mod place;
pub mod pressure;
pub mod reauthorization;
mod rekeying;
pub mod shard;
pub mod terms;
pub mod topics;
mod turns;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cached::CacheBudget;
use directory::TopicId;
use mailbox::{Mailbox, Post};
use pressure::Pressure;
use terms::{Pacer, TenantId};

use crate::{
    counting::{Count, Tally},
    ids::SocketId,
    protocol::code::Close,
};

/// What the workers share.
pub struct Hub {
    mailboxes: Box<[Mailbox]>,
    gauges: Box<[Gauges]>,
    started: AtomicUsize,
    topics: AtomicU64,
    tenants: AtomicU32,
    draining: AtomicBool,
    dismissals: AtomicU32,
    tripped: AtomicU64,
    pub pressure: Pressure,
    /// Of the last events on cache channels.
    pub cache: Arc<CacheBudget>,
    /// Of this node: how fast clients are made to authorize anew.
    pub turns: Pacer,
}

/// Numbers of one worker that other threads read. Those of two workers share no line of a cache.
#[repr(align(128))]
pub struct Gauges {
    pub sockets: AtomicUsize,
    /// What peers have not taken yet.
    pub outbox_bytes: AtomicUsize,
    /// Bytes of the sockets that hold more than their share while memory is short.
    pub heavy_bytes: AtomicUsize,
    /// From here on, since the start.
    pub slow_readers: AtomicUsize,
    /// Frames for subscribers, one for each of them.
    pub deliveries: Count,
    pub delivered_bytes: Count,
    /// By `Close::reason`, and `LOST`.
    pub closed: Tally,
    /// Secrets that clients asked for, by `rekeying::REASONS`.
    pub asked: Tally,
}

/// A connection that ended without a word.
pub const LOST: &str = "lost";

impl Default for Gauges {
    fn default() -> Self {
        Self {
            sockets: AtomicUsize::default(),
            outbox_bytes: AtomicUsize::default(),
            heavy_bytes: AtomicUsize::default(),
            slow_readers: AtomicUsize::default(),
            deliveries: Count::default(),
            delivered_bytes: Count::default(),
            closed: Tally::new(Close::REASONS.map(|(reason, _)| reason).into_iter().chain([LOST])),
            asked: Tally::new(rekeying::REASONS),
        }
    }
}

impl Gauges {
    /// Once for each event, whatever the number of its subscribers.
    fn delivered(&self, frames: usize, bytes: usize) {
        if frames > 0 {
            self.deliveries.add_many(frames as u64);
            self.delivered_bytes.add_many(bytes as u64);
        }
    }
}

impl Hub {
    pub fn new(workers: usize, mailbox_bytes: usize, turns_per_second: u32) -> Arc<Self> {
        let mailboxes = (0..workers).map(|_| Mailbox::new(mailbox_bytes)).collect();
        Arc::new(Self {
            mailboxes,
            gauges: (0..workers).map(|_| Gauges::default()).collect(),
            started: AtomicUsize::new(0),
            topics: AtomicU64::new(0),
            tenants: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            dismissals: AtomicU32::new(0),
            tripped: AtomicU64::new(0),
            pressure: Pressure::default(),
            cache: Arc::default(),
            turns: Pacer::new(turns_per_second),
        })
    }

    pub fn workers(&self) -> usize {
        self.mailboxes.len()
    }

    /// The number of the worker that calls this, once, as it starts.
    pub fn register_worker(&self) -> usize {
        let worker = self.started.fetch_add(1, Ordering::Relaxed);
        assert!(worker < self.workers(), "as many workers start as the hub was made for");
        worker
    }

    pub fn mailbox(&self, worker: usize) -> &Mailbox {
        &self.mailboxes[worker]
    }

    fn gauges(&self, worker: usize) -> &Gauges {
        &self.gauges[worker]
    }

    /// Of all workers.
    pub fn all_gauges(&self) -> &[Gauges] {
        &self.gauges
    }

    /// Unique among all applications, since a worker's table serves them all.
    fn new_topic(&self) -> TopicId {
        TopicId(self.topics.fetch_add(1, Ordering::Relaxed))
    }

    pub fn new_tenant(&self) -> TenantId {
        TenantId(self.tenants.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether every mailbox can take more. Asked before an event is accepted, so that none is
    /// delivered in part.
    pub fn has_room(&self) -> bool {
        self.mailboxes.iter().all(Mailbox::has_room)
    }

    /// To every worker for which `subscribers` is not zero.
    fn post(&self, subscribers: &[u32], post: impl Fn() -> Post) {
        for (mailbox, count) in self.mailboxes.iter().zip(subscribers) {
            if *count > 0 {
                mailbox.put(post());
            }
        }
    }

    pub fn post_to_all(&self, post: impl Fn() -> Post) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.put(post()));
    }

    /// To the worker that has the socket, if its id is not made up.
    pub fn post_to(&self, socket: SocketId, post: Post) {
        if let Some(mailbox) = self.mailboxes.get(socket.worker()) {
            mailbox.put(post);
        }
    }

    /// Something in clear was about to get on an encrypted channel, and was dropped.
    pub fn tripped(&self) {
        self.tripped.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            "an event in clear was about to be sent on an encrypted channel and was dropped: please report this as a fault of the server"
        );
    }

    /// How often that has happened.
    pub fn trips(&self) -> u64 {
        self.tripped.load(Ordering::Relaxed)
    }

    /// Closes every connection in that time; new ones are to be refused from then on.
    pub fn drain(&self, over: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        self.post_to_all(|| Post::Drain { over });
    }

    /// Closes the connections that the application has. Called after it has become so that new ones
    /// are refused: one that was let in before is in its worker's table by the time that the worker
    /// reads this.
    pub fn dismiss(&self, tenant: TenantId, reason: &Close) {
        let number = self.dismissals.fetch_add(1, Ordering::AcqRel) + 1;
        self.post_to_all(|| Post::Dismiss { tenant, number, reason: reason.clone() });
    }

    /// How many there have been; read before an application is looked up.
    pub fn dismissals(&self) -> u32 {
        self.dismissals.load(Ordering::Acquire)
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub fn sockets(&self) -> usize {
        self.gauges.iter().map(|g| g.sockets.load(Ordering::Relaxed)).sum()
    }

    pub fn slow_readers(&self) -> usize {
        self.gauges.iter().map(|g| g.slow_readers.load(Ordering::Relaxed)).sum()
    }

    pub fn outbox_bytes(&self) -> usize {
        self.gauges.iter().map(|g| g.outbox_bytes.load(Ordering::Relaxed)).sum()
    }

    /// For what is accepted from here on.
    pub fn set_mailbox_bytes(&self, budget: usize) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.set_budget(budget));
    }

    pub fn mailbox_bytes(&self) -> usize {
        self.mailboxes.iter().map(Mailbox::queued_bytes).sum()
    }
}
