//! The beginning and the end of the thread.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{runtime, task::JoinSet};

use super::{
    NodeDriver, Reach, deadlines::ChannelTimers, endpoint::address, followers::Followers,
    publications::PendingPublications, questions::PendingQuestions, refusing::RefusedWriteLog,
    revocations::RevocationCopy, strays::StraySearch, tables::TableCopies,
};
use crate::cluster::{
    membership::{Membership, MembershipSettings, Now},
    names::{KeyLayout, Partition, PartitionSet},
    node::{
        NodeParts,
        host::NodeHost,
        keys::partition_keys,
        opening::NodeOpening,
        sealing::{FactFilter, NodeSealing},
    },
    redis::{
        link::{PartitionNames, tls::InvalidTls},
        links::{EngineSettings, MasterLinks},
        slots::slot_of,
    },
};

/// The most bytes of events that wait for the thread.
const INBOX_BYTES: usize = 32 * 1024 * 1024;

/// Lookups of names may hang for longer than the thread.
const RUNTIME_TIMEOUT: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("`cluster.tls`: {0}")]
    Tls(#[from] InvalidTls),
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness(#[from] getrandom::Error),
    #[error("the thread of the cluster cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// The running thread. It ends after `NodeCommand::Leave`, and when nobody can give commands.
pub struct NodeThread {
    handle: JoinHandle<()>,
    ended: mpsc::Receiver<()>,
}

impl NodeParts {
    pub fn start(self, host: Arc<dyn NodeHost>) -> Result<NodeThread, StartError> {
        let driver = NodeDriver::new(self, host)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = mpsc::channel();
        let run = move || {
            runtime.block_on(driver.run());
            runtime.shutdown_timeout(RUNTIME_TIMEOUT);
            drop(end);
        };
        let handle = std::thread::Builder::new().name("cluster".into()).spawn(run)?;
        Ok(NodeThread { handle, ended })
    }
}

impl NodeThread {
    /// Waits for its end. False if it has not ended in time, or by a panic.
    pub fn join(self, timeout: Duration) -> bool {
        match self.ended.recv_timeout(timeout) {
            Err(mpsc::RecvTimeoutError::Timeout) => false,
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => self.handle.join().is_ok(),
        }
    }
}

impl NodeDriver {
    fn new(parts: NodeParts, host: Arc<dyn NodeHost>) -> Result<Self, StartError> {
        let NodeParts { settings, names, commands, backlog, status, slots, scripts, own_commands } =
            parts;
        let layout = KeyLayout::new(settings.prefix);
        let asked = host.clone();
        let wanted: FactFilter =
            Box::new(move |app, channel, kind| asked.wants_fact(app, channel, kind));
        let sealing = NodeSealing::new(&settings.key, names, layout, wanted)?;
        let (address, access) = address(settings.url, &settings.tls)?;
        let engine = EngineSettings {
            address,
            access: Arc::new(access),
            scripts: scripts.clone(),
            inbox_bytes: INBOX_BYTES,
            identity_slot: slot_of(&sealing.layout.identity()),
        };
        let membership = MembershipSettings {
            lease: settings.lease,
            identity: host.identity(),
            key_fingerprint: settings.key.fingerprint(),
            scripts: scripts.clone(),
        };
        let names = Partition::all().map(|partition| names_of(&sealing, partition));
        let links = MasterLinks::new(engine, names, &backlog);
        let now = Instant::now();
        let mut driver = Self {
            slots,
            joined_slot: None,
            note_topics: HashMap::new(),
            questions: PendingQuestions::new(getrandom::u64()?),
            answering: JoinSet::new(),
            revocations: RevocationCopy::new(now),
            strays: StraySearch::new(now),
            tables: TableCopies::new(settings.lease, now),
            next_clock_read: now,
            opening: NodeOpening::new(&settings.key),
            key: settings.key,
            commands,
            own_commands,
            backlog,
            status,
            scripts,
            links,
            membership: Membership::new(membership, Now::read()),
            host,
            reach: Reach::Unknown,
            reached: PartitionSet::default(),
            changed: PartitionSet::default(),
            away_error: None,
            is_rebirth_due: false,
            sealing,
            followers: Followers::default(),
            snapshots: HashMap::new(),
            publications: PendingPublications::default(),
            refusals: RefusedWriteLog::default(),
            wakes: ChannelTimers::default(),
            audits: ChannelTimers::default(),
            linger_ms: 0,
            leaving: None,
            leave_answers: Vec::new(),
        };
        driver.subscribe_to_notes();
        Ok(driver)
    }
}

fn names_of(sealing: &NodeSealing, partition: Partition) -> PartitionNames {
    let node = sealing.incarnation();
    PartitionNames {
        partition,
        keys: partition_keys(&sealing.layout, partition, &node),
        mark_topic: sealing.layout.partition(partition).mark_topic(&node).into(),
    }
}
