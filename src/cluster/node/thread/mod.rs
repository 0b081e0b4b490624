//! The thread of a node.
//!
//! It alone talks to Redis. It carries out [`NodeCommand`]s, and tells the holders of the followed
//! channels their news. All commands in the queue are carried out before it waits again, so that
//! what comes together is sent as one pipeline.

mod answers;
mod away;
mod clock;
mod commands;
mod deadlines;
mod endpoint;
mod events;
mod followers;
mod held;
mod leaving;
mod log;
mod membership;
mod notes;
mod noting;
mod publications;
mod publishing;
mod questions;
mod refusing;
mod revocation_reading;
mod revocations;
mod start;
mod strays;
mod tables;
#[cfg(test)]
mod tests;
mod token;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, WeakUnboundedSender},
        oneshot,
    },
    task::JoinSet,
};

use deadlines::ChannelTimers;
use followers::Followers;
use leaving::LeavingStep;
use notes::AnsweredRequest;
use publications::PendingPublications;
use questions::PendingQuestions;
use refusing::RefusedWriteLog;
use revocations::RevocationCopy;
pub use start::{NodeThread, StartError};
use strays::StraySearch;
use tables::{TableCopies, TakenTables};
use token::{NodeToken, SnapshotOnItsWay};

use super::{
    commands::NodeCommand,
    host::NodeHost,
    opening::NodeOpening,
    sealing::{NodeSealing, NodeTopic},
    slots::NodeSlots,
    status::NodeStatus,
};
use crate::cluster::{
    key::ClusterKey,
    membership::Membership,
    names::{NodeSlot, PartitionSet},
    redis::{
        backlog::Backlog,
        link::{LinkError, LinkEvent},
        links::MasterLinks,
        scripts::Scripts,
    },
};

/// Commands that are carried out before what Redis brings is looked at again.
const COMMANDS_AT_ONCE: usize = 4096;

/// Each replica is compared with Redis once in this time.
const AUDIT_INTERVAL: Duration = Duration::from_secs(60);

/// Before the next attempt to draw another name.
const REBIRTH_PAUSE: Duration = Duration::from_secs(1);

/// What the thread owns.
struct NodeDriver {
    key: ClusterKey,
    commands: UnboundedReceiver<NodeCommand>,
    own_commands: WeakUnboundedSender<NodeCommand>,
    backlog: Backlog,
    status: Arc<NodeStatus>,
    scripts: Arc<Scripts>,
    links: MasterLinks<NodeToken>,
    membership: Membership,
    host: Arc<dyn NodeHost>,
    reach: Reach,
    /// Partitions whose master is there.
    reached: PartitionSet,
    /// Those with another master or other data since their replicas were linked.
    changed: PartitionSet,
    /// Why some are not reached.
    away_error: Option<LinkError>,
    is_rebirth_due: bool,
    sealing: NodeSealing,
    opening: NodeOpening,
    followers: Followers,
    /// By the number in their marks.
    snapshots: HashMap<u64, SnapshotOnItsWay>,
    publications: PendingPublications,
    refusals: RefusedWriteLog,
    wakes: ChannelTimers,
    audits: ChannelTimers,
    /// For departures.
    linger_ms: u64,
    slots: Arc<NodeSlots>,
    /// That of the membership.
    joined_slot: Option<NodeSlot>,
    note_topics: HashMap<Bytes, NodeTopic>,
    questions: PendingQuestions,
    /// Requests of other nodes, which the host answers.
    answering: JoinSet<Option<AnsweredRequest>>,
    revocations: RevocationCopy,
    strays: StraySearch,
    tables: TableCopies,
    next_clock_read: Instant,
    leaving: Option<LeavingStep>,
    leave_answers: Vec<oneshot::Sender<()>>,
}

/// Whether this node is one of its cluster. Some partitions may be out of reach all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It has not been a member yet, and no attempt has failed.
    Unknown,
    /// The entries of the nodes are there, and the node is a member.
    Joined,
    Away,
    /// Not of this cluster.
    Refused,
}

impl NodeDriver {
    async fn run(mut self) {
        while !self.has_left(Instant::now()) {
            for _ in 0..COMMANDS_AT_ONCE {
                let Ok(command) = self.commands.try_recv() else { break };
                self.carry_out(command);
            }
            self.run_timers(Instant::now());
            self.wait().await;
        }
        for answer in self.leave_answers {
            // Who asked may have given up.
            let _ = answer.send(());
        }
    }

    async fn wait(&mut self) {
        enum Awaited {
            Event(LinkEvent<NodeToken>),
            Command(Option<NodeCommand>),
            Answered(Option<AnsweredRequest>),
            Tables(TakenTables),
            Timer,
        }
        let timer = self.next_timer();
        let accepts = !self.commands.is_closed() || !self.commands.is_empty();
        let step = tokio::select! {
            biased;
            event = self.links.next() => Awaited::Event(event),
            command = self.commands.recv(), if accepts => Awaited::Command(command),
            Some(answered) = self.answering.join_next() => {
                Awaited::Answered(answered.unwrap_or_default())
            }
            taken = self.tables.next_taken() => Awaited::Tables(taken),
            () = sleep_until(timer) => Awaited::Timer,
        };
        match step {
            Awaited::Event(event) => self.take(event),
            Awaited::Command(Some(command)) => self.carry_out(command),
            // Nobody is left who could give commands.
            Awaited::Command(None) => self.leave(),
            Awaited::Answered(answered) => self.answered(answered),
            Awaited::Tables(taken) => self.tables_taken(taken),
            Awaited::Timer => {}
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let rebirth = self.is_rebirth_due.then(|| Instant::now() + REBIRTH_PAUSE);
        let membership = Some(self.membership.next_deadline());
        let leave_by = self.leaving.as_ref().and_then(LeavingStep::deadline);
        let looks = [self.revocations.next_check(), self.tables.next_check()];
        let checks = [self.questions.next_deadline()].into_iter().chain(looks.map(Some));
        let clock = Some(self.next_clock_read);
        let strays = self.strays.next_look();
        let timers =
            [clock, strays, self.wakes.next(), self.audits.next(), membership, rebirth, leave_by];
        timers.into_iter().chain(checks).flatten().min()
    }
}

/// For ever, without a time.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
