//! A master that is silent, and whose connections are kept.
//!
//! Redis reads what was written to a connection before it notices that the node has closed it, and
//! publishes it to the listening connections that it still knows. If nodes closed theirs in a stall,
//! it would publish to nobody. So silence ends no connection: the owner is told that the master is
//! away, nothing more is sent, and if all that was awaited comes, the link is up again.
//!
//! A path may be dead for good. So others are opened beside connections that stay silent, and take
//! their place if they are there first. A Redis that goes on answers the old ones first.
//!
//! **What other nodes' events can still be lost.** An event without a number that Redis publishes
//! while this node has no listening connection: after Redis or the network closed it, until its
//! topics are subscribed again, and on a dead path. The loss of the talking connection alone loses
//! nothing: the listening one stays, if the next talking one leads to the same run of Redis.
//! Numbered messages are not lost: a snapshot follows each return.

use std::{future::pending, time::Instant};

use super::{
    LinkError, LinkEvent, LinkPhase, MasterLink, Opening,
    live::{LinkStage, Live, Sent},
    pair::OpenedConnections,
    timing::REPLACEMENT_DELAY,
};
use crate::cluster::redis::{lane::LanePart, reads::QueuedRead};

pub enum Stall {
    /// No other connections are opened before then.
    Waiting {
        until: Instant,
    },
    Replacing(Opening),
}

impl<T> Live<T> {
    /// The places of the link have changed.
    pub fn restart_replacement(&mut self, now: Instant) {
        if let Some(stall @ Stall::Replacing(_)) = &mut self.stall {
            *stall = Stall::Waiting { until: now };
        }
    }
}

type ReplacementResult = Result<OpenedConnections, LinkError>;

impl Stall {
    /// When other connections are to be opened. `deadline` is the end of the patience with these.
    pub fn replacement_due(&self, deadline: Instant) -> Option<Instant> {
        match self {
            Self::Waiting { until } => Some((deadline + REPLACEMENT_DELAY).max(*until)),
            Self::Replacing(_) => None,
        }
    }

    /// Never, if none are being opened.
    pub async fn opened(stall: &mut Option<Self>) -> ReplacementResult {
        match stall {
            Some(Self::Replacing(opening)) => opening.await,
            _ => pending().await,
        }
    }
}

impl<T: Send + 'static> MasterLink<T> {
    pub(super) fn is_stalled(&self) -> bool {
        matches!(&self.phase, LinkPhase::Live(live) if live.stall.is_some())
    }

    pub(super) fn begin_stall(&mut self, error: LinkError, now: Instant) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        live.stall = Some(Stall::Waiting { until: now });
        self.tell_away(error);
        let LinkPhase::Live(live) = &mut self.phase else { return };
        let mut lost: Vec<_> = live.pair.sent_mut().flat_map(abandon_reads).collect();
        lost.extend(std::mem::take(&mut self.reads));
        for served in self.places.partitions_mut() {
            lost.append(&mut served.lane.take_reads());
        }
        lost.into_iter().for_each(|read| self.read_lost(read));
    }

    /// All that was awaited is here.
    pub(super) fn end_stall(&mut self) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        if live.stall.take().is_none() {
            return;
        }
        live.is_unsure = true;
        self.events.extend(self.topics.heard().cloned().map(LinkEvent::Subscribed));
        if live.stage == LinkStage::Up {
            self.backoff.up(Instant::now());
            self.settle_all();
        }
    }

    pub(super) fn open_replacement(&mut self, deadline: Instant, now: Instant) {
        let opening = self.opening();
        let LinkPhase::Live(live) = &mut self.phase else { return };
        if let Some(stall) = &mut live.stall
            && stall.replacement_due(deadline).is_some_and(|due| due <= now)
        {
            *stall = Stall::Replacing(opening);
        }
    }

    pub(super) fn replacement_opened(&mut self, opened: ReplacementResult) {
        match opened {
            Ok(opened) => {
                self.end();
                self.begin(opened);
            }
            Err(error) => {
                let until = self.next_attempt();
                let LinkPhase::Live(live) = &mut self.phase else { return };
                live.stall = Some(Stall::Waiting { until });
                self.tell_away(error);
            }
        }
    }
}

/// Takes the plain reads out of a pipeline whose answers are late. Snapshots stay: their marks tell
/// that the listening connection works again.
fn abandon_reads<T>(sent: &mut Sent<T>) -> Vec<QueuedRead<T>> {
    let abandon = |read: &mut QueuedRead<T>| match read {
        QueuedRead::Plain { .. } => Some(std::mem::replace(read, QueuedRead::Abandoned)),
        QueuedRead::Snapshot { .. } | QueuedRead::Abandoned => None,
    };
    match sent {
        Sent::Reads(reads) => reads.iter_mut().filter_map(|(read, _)| abandon(read)).collect(),
        Sent::Lanes(parts) => {
            let reads = parts.iter_mut().filter_map(|(_, part)| match part {
                LanePart::Read(read, _) => Some(read),
                LanePart::Commands(_) => None,
            });
            reads.filter_map(abandon).collect()
        }
        Sent::Scripts | Sent::Floors(_) | Sent::LostFloors | Sent::Proof { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn replacement_waits_for_a_long_silence_and_for_its_turn() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = Stall::Waiting { until: start };
        assert_eq!(first.replacement_due(at(1)), Some(at(5)));
        // Bytes have arrived since.
        assert_eq!(first.replacement_due(at(3)), Some(at(7)));
        let failed = Stall::Waiting { until: at(9) };
        assert_eq!(failed.replacement_due(at(1)), Some(at(9)));
        let opening = Stall::Replacing(Box::pin(pending()));
        assert_eq!(opening.replacement_due(at(1)), None);
    }
}
