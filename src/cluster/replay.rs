//! Refuses messages that a node has seen before.
//!
//! Lanes keep the order of a sender's messages in a partition, and a repeated message has the same
//! bytes. So a counter that does not rise is a repetition, by a retry or by Redis. Snapshots
//! are not tested: they show what was sent before.

use std::collections::HashMap;

use super::{envelope::EnvelopeHead, names::Incarnation, rejection::ClusterRejection};

/// Senders that one partition remembers. Ten times the nodes of a large cluster.
const MAX_SENDERS: usize = 4096;

/// The age of an unknown sender's message at the subscription. A node may send what it has held
/// back for ten seconds, and by the clock of an earlier master.
const TOLERANCE_MS: u64 = 60_000;

/// The messages seen in one partition. Ask it only about authentic ones.
pub struct ReplayGuard {
    seen: HashMap<Incarnation, SeenSender>,
    /// Redis' time at the subscription.
    subscribed_ms: u64,
    /// The newest message of the forgotten senders.
    forgotten_ms: Option<u64>,
}

struct SeenSender {
    counter: u64,
    /// The newest time: a sender that changes masters may go back.
    sent_ms: u64,
}

impl ReplayGuard {
    pub fn new(redis_ms: u64) -> Self {
        Self { seen: HashMap::new(), subscribed_ms: redis_ms, forgotten_ms: None }
    }

    /// After each reconnection, with Redis' time measured on the new connection. Known senders
    /// stay known.
    pub fn reconnected(&mut self, redis_ms: u64) {
        self.subscribed_ms = redis_ms;
    }

    /// Admits a message once.
    pub fn admit(&mut self, head: &EnvelopeHead) -> Result<(), ClusterRejection> {
        let EnvelopeHead { sender, counter, sent_ms, .. } = *head;
        if let Some(seen) = self.seen.get_mut(&sender) {
            if counter <= seen.counter {
                return Err(ClusterRejection::Replayed);
            }
            *seen = SeenSender { counter, sent_ms: seen.sent_ms.max(sent_ms) };
            return Ok(());
        }
        let forgotten = self.forgotten_ms.is_some_and(|forgotten| sent_ms <= forgotten);
        if forgotten || sent_ms.saturating_add(TOLERANCE_MS) < self.subscribed_ms {
            return Err(ClusterRejection::Stale);
        }
        if self.seen.len() >= MAX_SENDERS {
            self.forget_oldest();
        }
        self.seen.insert(sender, SeenSender { counter, sent_ms });
        Ok(())
    }

    /// Its messages must not come back as those of an unknown sender.
    fn forget_oldest(&mut self) {
        let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.sent_ms);
        let Some((sender, sent_ms)) = oldest.map(|(sender, seen)| (*sender, seen.sent_ms)) else {
            return;
        };
        self.seen.remove(&sender);
        self.forgotten_ms = self.forgotten_ms.max(Some(sent_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::envelope::EnvelopeKind;

    /// Redis' time at the subscription.
    const NOW: u64 = 1_800_000_000_000;

    fn head(sender: u64, counter: u64, sent_ms: u64) -> EnvelopeHead {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&sender.to_be_bytes());
        let sender = Incarnation::from_bytes(bytes);
        EnvelopeHead { kind: EnvelopeKind::Event, sender, counter, sent_ms }
    }

    #[test]
    fn counters_of_a_sender_only_rise() {
        let mut guard = ReplayGuard::new(NOW);
        for (sender, counter, expected) in [
            (1, 0, Ok(())),
            (1, 0, Err(ClusterRejection::Replayed)),
            (1, 5, Ok(())),
            (1, 4, Err(ClusterRejection::Replayed)),
            (2, 3, Ok(())),
            (1, 6, Ok(())),
            (2, 3, Err(ClusterRejection::Replayed)),
            (1, u64::MAX, Ok(())),
            (1, u64::MAX, Err(ClusterRejection::Replayed)),
        ] {
            assert_eq!(guard.admit(&head(sender, counter, NOW)), expected, "{sender} {counter}");
        }
    }

    #[test]
    fn unknown_sender_from_before_the_subscription_is_refused() {
        let mut guard = ReplayGuard::new(NOW);
        let oldest = NOW - TOLERANCE_MS;
        assert_eq!(guard.admit(&head(1, 9, oldest - 1)), Err(ClusterRejection::Stale));
        assert_eq!(guard.admit(&head(1, 9, oldest)), Ok(()));
        // A known one is tested by its counter alone: it may hold a message for long.
        assert_eq!(guard.admit(&head(1, 10, 0)), Ok(()));
        assert_eq!(guard.admit(&head(2, 0, 0)), Err(ClusterRejection::Stale));
    }

    #[test]
    fn reconnection_moves_the_time_and_keeps_the_senders() {
        let mut guard = ReplayGuard::new(NOW);
        assert_eq!(guard.admit(&head(1, 7, NOW)), Ok(()));
        // The clock of another master, five minutes behind.
        let behind = NOW - 300_000;
        assert_eq!(guard.admit(&head(2, 0, behind)), Err(ClusterRejection::Stale));
        guard.reconnected(behind);
        assert_eq!(guard.admit(&head(2, 0, behind)), Ok(()));
        assert_eq!(guard.admit(&head(1, 7, behind)), Err(ClusterRejection::Replayed));
        assert_eq!(guard.admit(&head(1, 8, behind)), Ok(()));
    }

    #[test]
    fn forgotten_sender_cannot_be_replayed() {
        let mut guard = ReplayGuard::new(NOW);
        for sender in 0..=MAX_SENDERS as u64 {
            assert_eq!(guard.admit(&head(sender, 5, NOW + sender)), Ok(()));
        }
        assert_eq!(guard.seen.len(), MAX_SENDERS);
        // The first one had to go: neither its last message nor an earlier one comes back.
        for counter in [5, 6] {
            assert_eq!(guard.admit(&head(0, counter, NOW)), Err(ClusterRejection::Stale));
        }
        assert_eq!(guard.admit(&head(1, 5, NOW + 1)), Err(ClusterRejection::Replayed));
        // It goes on with what it sends now.
        assert_eq!(guard.admit(&head(0, 7, NOW + 1_000_000)), Ok(()));
        assert_eq!(guard.seen.len(), MAX_SENDERS);
    }
}
