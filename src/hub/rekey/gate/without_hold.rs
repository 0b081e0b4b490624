//! Clients that keep the events that they cannot open (`Reauthorization::keeps_events`). Their gates
//! hold nothing: a turn or a forced rekey changes the secret of all later events, and the client
//! asks for it when the first of them arrives.

use std::time::Instant;

use super::{Gate, GateOutcome, PendingRekey};

impl Gate {
    pub fn take_turn(&mut self, now: Instant) -> GateOutcome {
        if self.client.keeps_events() {
            self.adopt_pending();
            return GateOutcome::Rekeyed;
        }
        self.begin_turn(now);
        GateOutcome::Unchanged
    }

    pub(super) fn rekey_at_once(&mut self, next: PendingRekey) -> GateOutcome {
        self.pending = Some(next);
        self.adopt_pending();
        GateOutcome::Rekeyed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::rekey::{
            gate::{Issuer, model::*},
            reauthorization::Reauthorization,
        },
        protocol::sealed::ResealCache,
    };

    fn gate(bed: &GateFixture, issuer: Issuer, forced: bool) -> Gate {
        let mut gate = bed.gate(issuer, forced);
        gate.client = Reauthorization::Once;
        gate
    }

    #[test]
    fn turn_changes_the_secret_of_later_events_without_a_hold() {
        for issuer in [Issuer::Server, Issuer::Backend] {
            let bed = GateFixture::new();
            let mut gate = gate(&bed, issuer, false);
            let mut sent = 0;
            let before =
                gate.deliver(&bed.frames("1", BOTH), bed.at(0), BUDGET, &mut |_| sent += 1);
            assert_eq!((before, gate.version()), (GateOutcome::Unchanged, OLD));
            assert_eq!(gate.take_turn(bed.at(1)), GateOutcome::Rekeyed);
            assert_eq!((gate.served_version(), gate.due(), gate.needs_turn()), (NEW, None, false));
            let after = gate.deliver(&bed.frames("2", BOTH), bed.at(2), BUDGET, &mut |_| sent += 1);
            assert_eq!((after, sent), (GateOutcome::Unchanged, 2));
            assert_eq!(gate.auth_requested(bed.at(3), None), (NEW, GateOutcome::Unchanged));
            assert_eq!(bed.versions_in_use(), [(NEW, 1)]);
        }
    }

    #[test]
    fn forced_rekey_takes_effect_at_once_and_closes_nothing() {
        let bed = GateFixture::new();
        let mut gate = gate(&bed, Issuer::Server, true);
        let next = gate.pending_rekey().cloned().expect("a pending rekey");
        let outcome = gate.force_rekey(next, bed.at(0), &mut ResealCache::new(None), &mut |_| {
            panic!("nothing is sent");
        });
        assert_eq!((outcome, gate.served_version()), (GateOutcome::Rekeyed, NEW));
        assert_eq!(bed.versions_in_use(), [(NEW, 1)]);
    }
}
