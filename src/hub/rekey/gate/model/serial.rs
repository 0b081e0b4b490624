//! A model of pusher-websocket-java: it handles one event after the other, blocks on its auth
//! request, and has no secret after a failed one.

use std::collections::VecDeque;

use super::*;

struct Serial<'a> {
    bed: &'a GateFixture,
    secret: Option<Version>,
    /// Frames received and not handled yet.
    queue: VecDeque<Frame>,
    /// The event that made it ask.
    stuck: Option<Frame>,
    read: Vec<u64>,
    auth_requests: u64,
    /// Events that it could not open without a failed request of its own.
    unopened: usize,
    closed: bool,
    pings: u64,
}

impl<'a> Serial<'a> {
    fn new(bed: &'a GateFixture) -> Self {
        let (queue, read) = (VecDeque::new(), Vec::new());
        let (secret, stuck) = (Some(OLD), None);
        Self {
            bed,
            secret,
            queue,
            stuck,
            read,
            auth_requests: 0,
            unopened: 0,
            closed: false,
            pings: 0,
        }
    }

    fn opens(&mut self, frame: &Frame) -> bool {
        let (version, text) = ModelClient::new(self.bed).open(frame);
        if self.secret == Some(version) {
            self.read.extend(text.parse::<u64>());
        }
        self.secret == Some(version)
    }

    fn handle(&mut self) {
        while self.stuck.is_none()
            && let Some(frame) = self.queue.pop_front()
        {
            if self.opens(&frame) {
                continue;
            }
            match self.secret.take() {
                Some(_) => {
                    self.auth_requests += 1;
                    self.stuck = Some(frame);
                }
                // It throws, and never asks again.
                None => self.unopened += 1,
            }
        }
    }

    fn answered(&mut self, version: Version) {
        self.secret = Some(version);
        let frame = self.stuck.take().expect("it has asked");
        if !self.opens(&frame) {
            self.unopened += 1;
        }
    }

    fn follow(&mut self, gate: &mut Gate, outcome: GateOutcome) {
        match outcome {
            GateOutcome::Close => self.closed = true,
            // Another thread of the client answers pings, even while it blocks.
            GateOutcome::SendPing => {
                self.pings += 1;
                gate.ping_sent(self.pings);
                let outcome =
                    gate.pong_received(self.pings, &mut |f| self.queue.push_back(f.clone()));
                self.follow(gate, outcome);
            }
            GateOutcome::Unchanged
            | GateOutcome::Rekeyed
            | GateOutcome::Reverted
            | GateOutcome::LateReauth => {}
        }
    }
}

#[derive(Clone, Debug)]
pub(in crate::hub::rekey::gate) enum SerialStep {
    Publish,
    Look(u64),
    Handle,
    Serve,
    Refuse,
    /// The request is lost on its way to the server.
    Lose,
    Turn,
    ForceRekey,
}

/// The client never receives a frame that it cannot open. It reads every event once and in order,
/// until it is closed.
pub(in crate::hub::rekey::gate) fn run(steps: Vec<SerialStep>) {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.java_gate(), Serial::new(&bed));
    let (mut now, mut published, mut forced) = (0, 0, false);
    for step in steps {
        if client.closed {
            break;
        }
        let mut sent = Vec::new();
        let out = &mut |frame: &Frame| sent.push(frame.clone());
        let outcome = match step {
            SerialStep::Publish => {
                published += 1;
                let one = forced || gate.version() == NEW;
                let frames =
                    bed.frames(&published.to_string(), if one { &BOTH[..1] } else { BOTH });
                match frames.of(gate.served_version()) {
                    Some(frame) => {
                        out(frame);
                        GateOutcome::Unchanged
                    }
                    None => gate.deliver(&frames, bed.at(now), BUDGET, out),
                }
            }
            SerialStep::Look(ms) => {
                now += ms;
                gate.tick(bed.at(now), None, out)
            }
            SerialStep::Handle => {
                client.handle();
                GateOutcome::Unchanged
            }
            SerialStep::Serve if client.stuck.is_some() && client.secret.is_none() => {
                let (version, outcome) = gate.auth_requested(bed.at(now), None);
                gate.auth_answered(bed.at(now));
                client.answered(version);
                outcome
            }
            SerialStep::Refuse if client.stuck.take().is_some() => gate.auth_refused(),
            SerialStep::Lose => {
                client.stuck = None;
                GateOutcome::Unchanged
            }
            SerialStep::Turn if gate.needs_turn() => {
                gate.begin_turn(bed.at(now));
                GateOutcome::Unchanged
            }
            SerialStep::ForceRekey if !forced && gate.pending_rekey().is_some() => {
                forced = true;
                gate.force_rekey(
                    bed.next(NEW, true),
                    bed.at(now + 50),
                    &mut ResealCache::new(None),
                    out,
                )
            }
            SerialStep::Serve | SerialStep::Refuse | SerialStep::Turn | SerialStep::ForceRekey => {
                GateOutcome::Unchanged
            }
        };
        client.queue.extend(sent);
        client.follow(&mut gate, outcome);
    }
    if !client.closed {
        client.handle();
    }
    assert_eq!(client.unopened, 0);
    assert_eq!(&client.read, &(1..=client.read.len() as u64).collect::<Vec<_>>());
    assert!(client.auth_requests <= bed.policy.counts.nudged.get());
}
