//! The delivery layer: the directory of channels, the subscriptions of each worker, and the path of
//! a frame from a publisher to the sockets.
//!
//! A worker thread owns its sockets and its `shard`; the `directory` holds the state that spans
//! workers. A publisher looks a channel up in the directory and posts to the mailboxes of the
//! workers with subscribers. It posts to its own worker as well: a direct call would overtake the
//! commands queued there.
//!
//! ARCHITECTURE.md has the order of the locks. No lock is held across an await.

pub mod authorization_cache;
mod batch_budget;
pub mod cached;
pub mod channel_opener;
pub mod channel_stats;
pub mod client_names;
pub mod connections;
pub mod delivery_delay;
pub mod directory;
mod drain;
mod expiry;
#[cfg(test)]
pub mod fake_socket;
mod gap;
pub mod int_hasher;
#[cfg(debug_assertions)]
pub mod late_answers;
pub mod log_budget;
pub mod log_keeper;
pub mod log_numbers;
pub mod log_readers;
pub mod mailbox;
pub mod outbox;
pub mod pressure;
mod receivers;
pub mod record;
pub mod rekey;
pub mod server_budget;
pub mod shard;
pub mod socket;
pub mod socket_ids;
pub mod topics;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cached::CacheBudget;
use delivery_delay::DeliveryDelays;
use log_budget::HistoryBudget;
use log_numbers::LogNumbers;
use mailbox::{Mailbox, WorkerCommand};
use pressure::Pressure;
use record::TopicId;

use crate::{
    domain::ids::SocketId,
    hub::rekey::{rekey_policy::AppRuntimeId, turn_limiter::TurnLimiter},
    platform::counting::{Count, LabelledCounter},
    protocol::code::Close,
};

/// State shared by all workers.
pub struct Hub {
    mailboxes: Box<[Mailbox]>,
    gauges: Box<[WorkerGauges]>,
    started: AtomicUsize,
    topics: AtomicU64,
    runtimes: AtomicU32,
    draining: AtomicBool,
    app_closings: AtomicU32,
    trips: AtomicU64,
    pub delays: DeliveryDelays,
    pub pressure: Pressure,
    /// The memory budget for last events on cache channels.
    pub cache: Arc<CacheBudget>,
    /// The memory budget for logs.
    pub history: Arc<HistoryBudget>,
    pub log_numbers: LogNumbers,
    /// The rate of re-authorizations that this node asks of clients.
    pub turns: TurnLimiter,
}

/// One worker's counters and gauges, read by other threads. Aligned to avoid false sharing.
#[repr(align(128))]
pub struct WorkerGauges {
    /// Of the worker's timer, one a second: proof that the thread is alive.
    pub ticks: Count,
    pub sockets: AtomicUsize,
    /// Those of the sockets that are event streams.
    pub event_streams: AtomicUsize,
    /// Bytes queued in outboxes and not yet taken by peers.
    pub outbox_bytes: AtomicUsize,
    /// Bytes held by sockets over their share while memory is short.
    pub heavy_bytes: AtomicUsize,
    /// Bytes of all sockets, at the last look at the memory.
    pub held_bytes: AtomicUsize,
    /// Connections closed since the start because they read too slowly.
    pub slow_readers: AtomicUsize,
    /// Frames delivered, counted once for each subscriber.
    pub deliveries: Count,
    pub delivered_bytes: Count,
    /// Closed connections by `Close::reason`, or `CONNECTION_LOST`.
    pub closed: LabelledCounter,
    /// Requests for channel secrets, by `rekeying::SECRET_REQUEST_REASONS`.
    pub secret_requests: LabelledCounter,
}

/// The label of connections that ended without a close frame.
pub const CONNECTION_LOST: &str = "lost";

impl Default for WorkerGauges {
    fn default() -> Self {
        Self {
            ticks: Count::default(),
            sockets: AtomicUsize::default(),
            event_streams: AtomicUsize::default(),
            outbox_bytes: AtomicUsize::default(),
            heavy_bytes: AtomicUsize::default(),
            held_bytes: AtomicUsize::default(),
            slow_readers: AtomicUsize::default(),
            deliveries: Count::default(),
            delivered_bytes: Count::default(),
            closed: LabelledCounter::new(
                Close::REASONS.map(|(reason, _)| reason).into_iter().chain([CONNECTION_LOST]),
            ),
            secret_requests: LabelledCounter::new(rekey::rekeying::SECRET_REQUEST_REASONS),
        }
    }
}

impl WorkerGauges {
    pub fn event_stream_opened(&self) {
        self.event_streams.fetch_add(1, Ordering::Relaxed);
    }

    pub fn event_stream_closed(&self) {
        self.event_streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Called once for each event, not for each subscriber.
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
            gauges: (0..workers).map(|_| WorkerGauges::default()).collect(),
            started: AtomicUsize::new(0),
            topics: AtomicU64::new(0),
            runtimes: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            app_closings: AtomicU32::new(0),
            trips: AtomicU64::new(0),
            delays: DeliveryDelays::default(),
            pressure: Pressure::default(),
            cache: Arc::default(),
            history: Arc::default(),
            log_numbers: LogNumbers::default(),
            turns: TurnLimiter::new(turns_per_second, Instant::now()),
        })
    }

    pub fn workers(&self) -> usize {
        self.mailboxes.len()
    }

    /// Assigns the next worker number. Each worker calls this once, as it starts.
    pub fn register_worker(&self) -> usize {
        let worker = self.started.fetch_add(1, Ordering::Relaxed);
        assert!(worker < self.workers(), "as many workers start as the hub was made for");
        worker
    }

    pub fn mailbox(&self, worker: usize) -> &Mailbox {
        &self.mailboxes[worker]
    }

    fn gauges(&self, worker: usize) -> &WorkerGauges {
        &self.gauges[worker]
    }

    /// The gauges of all workers.
    pub fn all_gauges(&self) -> &[WorkerGauges] {
        &self.gauges
    }

    /// Unique across apps, since one worker's table serves them all.
    fn new_topic(&self) -> TopicId {
        TopicId(self.topics.fetch_add(1, Ordering::Relaxed))
    }

    pub fn new_app_runtime_id(&self) -> AppRuntimeId {
        AppRuntimeId(self.runtimes.fetch_add(1, Ordering::Relaxed))
    }

    /// True if every mailbox has room. Checked before an event is accepted, so that no event is
    /// delivered in part.
    pub fn has_room(&self) -> bool {
        self.mailboxes.iter().all(Mailbox::has_room)
    }

    /// Posts to every worker with a count above zero in `subscribers`.
    fn post(&self, subscribers: &[u32], post: impl Fn() -> WorkerCommand) {
        for (mailbox, count) in self.mailboxes.iter().zip(subscribers) {
            if *count > 0 {
                mailbox.put(post());
            }
        }
    }

    pub fn post_to_all(&self, post: impl Fn() -> WorkerCommand) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.put(post()));
    }

    /// Posts to the worker of the socket. A forged id may name a worker that does not exist.
    pub fn post_to(&self, socket: SocketId, post: WorkerCommand) {
        if let Some(mailbox) = self.mailboxes.get(socket.worker()) {
            mailbox.put(post);
        }
    }

    /// Counts a frame dropped by the tripwire: plaintext on an encrypted channel.
    pub fn record_trip(&self) {
        self.trips.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            "plaintext was about to be sent on an encrypted channel and was dropped: please report this fault of the server"
        );
    }

    /// Frames dropped by the tripwire since the start.
    pub fn trip_count(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// Closes all connections, spread over `over`. From then on the caller refuses new ones.
    pub fn drain(&self, over: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        self.post_to_all(|| WorkerCommand::Drain { over });
    }

    /// Closes the connections of an app. The caller first makes the app refuse new ones: a
    /// connection accepted earlier is in its worker's table by the time the worker reads this
    /// command.
    pub fn close_app(&self, runtime: AppRuntimeId, reason: &Close) {
        let number = self.app_closings.fetch_add(1, Ordering::AcqRel) + 1;
        self.post_to_all(|| WorkerCommand::CloseApp { runtime, number, reason: reason.clone() });
    }

    /// The number of `close_app` calls so far; read before an app is looked up.
    pub fn app_closings(&self) -> u32 {
        self.app_closings.load(Ordering::Acquire)
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub fn sockets(&self) -> usize {
        self.gauges.iter().map(|g| g.sockets.load(Ordering::Relaxed)).sum()
    }

    pub fn event_streams(&self) -> usize {
        self.gauges.iter().map(|g| g.event_streams.load(Ordering::Relaxed)).sum()
    }

    pub fn slow_readers(&self) -> usize {
        self.gauges.iter().map(|g| g.slow_readers.load(Ordering::Relaxed)).sum()
    }

    pub fn outbox_bytes(&self) -> usize {
        self.gauges.iter().map(|g| g.outbox_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Takes effect for events accepted from now on.
    pub fn set_mailbox_bytes(&self, budget: usize) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.set_budget(budget));
    }

    pub fn mailbox_bytes(&self) -> usize {
        self.mailboxes.iter().map(Mailbox::queued_bytes).sum()
    }
}
