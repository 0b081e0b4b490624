//! The thread of a node.
//!
//! It alone talks to Redis. It carries out [`NodeCommand`]s, and tells the holders of the followed
//! channels their news. All commands in the queue are carried out before it waits again, so that
//! what comes together is sent as one pipeline.

mod answers;
mod away;
mod commands;
mod deadlines;
mod endpoint;
mod events;
mod followers;
mod held;
mod publications;
mod publishing;
mod rebirth;
mod start;
#[cfg(test)]
mod tests;
mod token;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

use deadlines::Deadlines;
use followers::Followers;
use publications::PendingPublications;
pub use start::{NodeThread, StartError};
use token::{NodeToken, SnapshotOnItsWay};

use super::{
    commands::NodeCommand, opening::NodeOpening, sealing::NodeSealing, status::NodeStatus,
};
use crate::cluster::{
    key::ClusterKey,
    redis::{
        backlog::Backlog,
        checks::MasterRun,
        link::{LinkEvent, MasterLink},
        scripts::Scripts,
    },
};

/// Commands that are carried out before what Redis brings is looked at again.
const COMMANDS_AT_ONCE: usize = 4096;

/// Each replica is compared with Redis once in this time.
const AUDIT_INTERVAL: Duration = Duration::from_secs(60);

/// The longest wait for the answers to the last commands of a node that leaves.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// What the thread owns.
struct NodeDriver {
    key: ClusterKey,
    commands: UnboundedReceiver<NodeCommand>,
    backlog: Backlog,
    status: Arc<NodeStatus>,
    scripts: Arc<Scripts>,
    link: MasterLink<NodeToken>,
    reach: Reach,
    last_run: Option<MasterRun>,
    sealing: NodeSealing,
    opening: NodeOpening,
    followers: Followers,
    /// Topics that were subscribed on a connection that is not up yet.
    confirmed: HashSet<Bytes>,
    /// By the number in their marks.
    snapshots: HashMap<u64, SnapshotOnItsWay>,
    publications: PendingPublications,
    wakes: Deadlines,
    audits: Deadlines,
    /// For departures.
    linger_ms: u64,
    leaving: Option<Leaving>,
}

/// Whether Redis can be reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It was never reached, and the first attempt has not failed.
    Unknown,
    Up,
    Away,
}

/// The node ends when Redis has all of its commands.
struct Leaving {
    answer: Option<oneshot::Sender<()>>,
    by: Instant,
}

impl NodeDriver {
    async fn run(mut self) {
        while !self.has_left() {
            for _ in 0..COMMANDS_AT_ONCE {
                let Ok(command) = self.commands.try_recv() else { break };
                self.carry_out(command);
            }
            self.run_timers(Instant::now());
            self.wait().await;
        }
        if let Some(answer) = self.leaving.and_then(|leaving| leaving.answer) {
            // Who asked may have given up.
            let _ = answer.send(());
        }
    }

    async fn wait(&mut self) {
        enum Step {
            Event(LinkEvent<NodeToken>),
            Command(Option<NodeCommand>),
            Timer,
        }
        let timer = self.next_timer();
        let accepts = !self.commands.is_closed() || !self.commands.is_empty();
        let step = tokio::select! {
            biased;
            event = self.link.next() => Step::Event(event),
            command = self.commands.recv(), if accepts => Step::Command(command),
            () = sleep_until(timer) => Step::Timer,
        };
        match step {
            Step::Event(event) => self.take(event),
            Step::Command(Some(command)) => self.carry_out(command),
            // Nobody is left who could give commands.
            Step::Command(None) => self.leave(None),
            Step::Timer => {}
        }
    }

    fn leave(&mut self, answer: Option<oneshot::Sender<()>>) {
        let by = Instant::now() + LEAVE_TIMEOUT;
        self.leaving.get_or_insert(Leaving { answer, by });
    }

    fn has_left(&self) -> bool {
        let is_over = |leaving: &Leaving| self.link.is_idle() || leaving.by <= Instant::now();
        self.commands.is_empty() && self.leaving.as_ref().is_some_and(is_over)
    }

    fn next_timer(&self) -> Option<Instant> {
        let leave_by = self.leaving.as_ref().map(|leaving| leaving.by);
        let timers = [self.wakes.next(), self.audits.next(), leave_by];
        timers.into_iter().flatten().min()
    }
}

/// For ever, without a time.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
