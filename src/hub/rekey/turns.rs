//! The part of a shard that gives turns, keeps deadlines, and applies the results to sockets.

use std::{rc::Rc, time::Instant};

use super::{
    gate::{Gate, GateOutcome},
    rekey_scheduler::{GateId, RekeyScheduler, ScheduledRekey, TURN_INTERVAL, TurnKind},
};
use crate::{
    hub::{
        shard::{Shard, Table},
        socket::Socket,
        topics::Slot,
    },
    protocol::{code::Close, form::Form, frame::Frame},
};

pub(in crate::hub) type Dirty = Vec<Rc<dyn Socket>>;

/// Facts about the socket that a gate needs.
pub(in crate::hub) struct SocketContext {
    /// The outbox budget in bytes; it also bounds the gate buffer.
    pub budget: usize,
    /// See `Gate::tick`.
    pub last_auth_request: Option<Instant>,
}

/// Steps before the worker turns to other work.
const STEPS: usize = 256;

impl Shard {
    /// Gives turns and keeps deadlines until the worker ends.
    pub async fn run_turns(self: Rc<Self>) {
        let mut dirty = Vec::new();
        loop {
            self.moving.notified().await;
            while !self.scheduler.borrow().is_idle() {
                let now = Instant::now();
                while self.take_turns(now, &mut dirty) {
                    dirty.drain(..).for_each(|socket| socket.flush());
                    tokio::task::yield_now().await;
                }
                dirty.drain(..).for_each(|socket| socket.flush());
                tokio::time::sleep(TURN_INTERVAL).await;
            }
        }
    }

    /// Returns true if more may be due at this time.
    pub(in crate::hub) fn take_turns(&self, now: Instant, dirty: &mut Dirty) -> bool {
        let mut steps = 0..STEPS;
        while steps.next().is_some() {
            let turn = self.scheduler.borrow_mut().next_turn(&self.hub.turns, now);
            let Some(ScheduledRekey { gate, kind, .. }) = turn else { break };
            self.drive(gate, dirty, |gate, _, _| match kind {
                TurnKind::Rekey => gate.take_turn(now),
                TurnKind::Close { .. } => gate.close(),
            });
        }
        while steps.next().is_some() {
            let due = self.scheduler.borrow_mut().deadlines.next_due(now);
            let Some(id) = due else { return false };
            self.drive(id, dirty, |gate, context, out| {
                gate.tick(now, context.last_auth_request, out)
            });
        }
        true
    }

    /// Called when the socket's client has answered this ping.
    pub fn pong_received(&self, slot: Slot, ping: u64) {
        // A number that was never sent to this socket is ignored.
        let waits = self.scheduler.borrow().pings.get(&ping).copied().filter(|id| id.0 == slot);
        let Some(id) = waits else { return };
        let mut dirty = Vec::new();
        self.drive(id, &mut dirty, |gate, _, out| gate.pong_received(ping, out));
        dirty.iter().for_each(|socket| socket.flush());
    }

    /// Runs one step of a gate and applies its outcome to the topic's list, the deadlines and the
    /// socket.
    pub(in crate::hub) fn drive(
        &self,
        id: GateId,
        dirty: &mut Dirty,
        action: impl FnOnce(&mut Gate, &SocketContext, &mut dyn FnMut(&Frame)) -> GateOutcome,
    ) {
        let mut table = self.table.borrow_mut();
        let mut scheduler = self.scheduler.borrow_mut();
        #[cfg(test)]
        {
            scheduler.steps += 1;
        }
        let RekeyScheduler { gates, deadlines, pings, last_ping, .. } = &mut *scheduler;
        let Some(gate) = gates.get_mut(&id) else { return };
        let Table { sockets, topics, .. } = &mut *table;
        let entry = &sockets[id.0 as usize];
        let outbox = entry.socket.outbox();
        let context =
            SocketContext { budget: outbox.budget(), last_auth_request: entry.last_auth_request };
        let (was_rekeying, awaited) = (gate.is_rekeying(), gate.ping());
        let (mut frames, mut bytes) = (0, 0);
        let tells_positions = topics
            .subscription(id.1, id.0)
            .is_some_and(|subscription| subscription.tells_positions);
        let outcome = action(gate, &context, &mut |frame| {
            let form = outbox.form();
            let frame = match form {
                Form::Pusher | Form::Jetsocket if tells_positions => {
                    frame.with_position(form.dialect()).clone()
                }
                // The gates of streams hold no frames, and are sent no nudges.
                Form::Pusher | Form::Jetsocket | Form::Stream => frame.in_form(form),
            };
            (frames, bytes) = (frames + 1, bytes + frame.len());
            entry.socket.send(frame);
            entry.mark(dirty);
        });
        self.gauges().delivered(frames, bytes);
        match outcome {
            GateOutcome::Close => {
                gate.policy.counts.closed.add();
                entry.close(Close::SecretRetired, dirty);
            }
            GateOutcome::SendPing => {
                *last_ping += 1;
                gate.ping_sent(*last_ping);
                pings.insert(*last_ping, id);
                entry.socket.send(outbox.form().numbered_ping(*last_ping));
                entry.mark(dirty);
            }
            GateOutcome::Unchanged
            | GateOutcome::Rekeyed
            | GateOutcome::Reverted
            | GateOutcome::LateReauth => {}
        }
        if let Some(ping) = awaited.filter(|ping| gate.ping() != Some(*ping)) {
            pings.remove(&ping);
        }
        if let Some(subscription) = topics.get_mut(id.1, id.0) {
            subscription.version = gate.served_version();
        }
        let retry_at = match outcome {
            // Another rotation began meanwhile.
            GateOutcome::Rekeyed => Some(Instant::now()),
            GateOutcome::Reverted | GateOutcome::LateReauth => {
                Some(Instant::now() + gate.retry_after())
            }
            GateOutcome::Unchanged | GateOutcome::SendPing | GateOutcome::Close => None,
        };
        let retry_at = retry_at.filter(|_| gate.needs_turn() && entry.peer.reauthorization.asks());
        match gate.due() {
            Some(due) => {
                deadlines.set(id, due);
                if !was_rekeying {
                    self.moving.notify_one();
                }
            }
            None => deadlines.remove(id),
        }
        if let Some(not_before) = retry_at {
            scheduler.schedule(id, TurnKind::Rekey, not_before);
            self.moving.notify_one();
        }
    }
}
