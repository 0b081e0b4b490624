//! A model of pusher-js in a page that sleeps now and then.

use super::*;

/// A client that reads in rounds, with pauses: in each round it reads its socket first, then the
/// auth responses that had arrived when the round began.
struct Sleeper<'a> {
    client: ModelClient<'a>,
    inbox: Vec<InboxMessage>,
    round: Option<Vec<AuthAnswer>>,
    pings: u64,
    answers: Vec<AuthAnswer>,
    served: usize,
    /// Answers that the auth endpoint has not sent yet.
    serving: Vec<AuthAnswer>,
}

/// `None`: the request is refused, or lost.
type AuthAnswer = Option<Version>;

enum InboxMessage {
    Event(Frame),
    Ping(u64),
}

impl Sleeper<'_> {
    fn out(&mut self) -> impl FnMut(&Frame) {
        |frame| self.inbox.push(InboxMessage::Event(frame.clone()))
    }

    fn follow(&mut self, gate: &mut Gate, outcome: GateOutcome) {
        if outcome == GateOutcome::SendPing {
            self.pings += 1;
            gate.ping_sent(self.pings);
            self.inbox.push(InboxMessage::Ping(self.pings));
        }
    }

    fn look(&mut self, gate: &mut Gate, now: Instant) -> GateOutcome {
        let outcome = gate.tick(now, None, &mut self.out());
        self.follow(gate, outcome);
        outcome
    }

    fn begin(&mut self) {
        if self.round.is_none() {
            self.round = Some(std::mem::take(&mut self.answers));
        }
    }

    fn read(&mut self, gate: &mut Gate) {
        self.begin();
        let mut answered = Vec::new();
        for message in std::mem::take(&mut self.inbox) {
            match message {
                InboxMessage::Event(frame) => self.client.receive(&frame),
                InboxMessage::Ping(number) => answered.push(number),
            }
        }
        // The pongs are there before the rest of the round is read.
        for number in answered {
            let outcome = gate.pong_received(number, &mut self.out());
            self.follow(gate, outcome);
        }
        for answer in self.round.take().unwrap_or_default() {
            match answer {
                Some(version) => self.client.answered(version),
                // It drops the event, and keeps its secret.
                None => drop(self.client.stuck.remove(0)),
            }
        }
    }

    /// The auth endpoint handles one request.
    fn serve(&mut self, gate: &mut Gate, now: Instant) {
        if self.served < self.client.auth_requests {
            self.served += 1;
            self.serving.push(Some(gate.auth_requested(now, None).0));
        }
    }

    fn refuse(&mut self, gate: &mut Gate) -> GateOutcome {
        if self.served == self.client.auth_requests {
            return GateOutcome::Unchanged;
        }
        self.served += 1;
        self.serving.push(None);
        gate.auth_refused()
    }

    fn reply(&mut self, gate: &mut Gate, now: Instant) {
        if !self.serving.is_empty() {
            self.answers.append(&mut self.serving);
            gate.auth_answered(now);
        }
    }
}

/// The longest pause of the client that a gate tolerates, in milliseconds.
pub(in crate::hub::rekey::gate) const MAX_ROUND_MS: u64 = 500;

#[derive(Clone, Debug)]
pub(in crate::hub::rekey::gate) enum SleeperStep {
    Publish,
    /// The worker looks at deadlines, so many milliseconds later.
    Look(u64),
    Begin,
    Read,
    Serve,
    Refuse,
    Reply,
    Turn,
    /// Time passes in which the client reads, while its requests do not arrive.
    Wait(u64),
}

/// Milliseconds between two reads while time passes.
const WAIT_STEP_MS: u64 = 400;

/// The client reads every event once and in order, except empty nudges, and asks at most once for
/// each nudge. This holds for late and refused requests, if the client reads within the hold.
pub(in crate::hub::rekey::gate) fn run(steps: Vec<SleeperStep>) {
    let bed = GateFixture::new();
    let mut gate = bed.gate(Issuer::Server, false);
    let mut sleeper = Sleeper {
        client: ModelClient::new(&bed),
        inbox: Vec::new(),
        round: None,
        pings: 0,
        answers: Vec::new(),
        served: 0,
        serving: Vec::new(),
    };
    let (mut now, mut awake, mut published) = (0, 0, 0);
    for step in steps {
        match step {
            SleeperStep::Publish => {
                published += 1;
                let versions = if gate.version() == NEW { &BOTH[..1] } else { BOTH };
                let frames = bed.frames(&published.to_string(), versions);
                match frames.of(gate.served_version()) {
                    Some(frame) => sleeper.out()(frame),
                    None => {
                        let outcome =
                            gate.deliver(&frames, bed.at(now), BUDGET, &mut sleeper.out());
                        assert_ne!(outcome, GateOutcome::Close);
                    }
                }
            }
            SleeperStep::Look(ms) => {
                if now + ms >= awake + MAX_ROUND_MS {
                    sleeper.reply(&mut gate, bed.at(now));
                    sleeper.read(&mut gate);
                    awake = now;
                }
                now += ms;
                assert_ne!(sleeper.look(&mut gate, bed.at(now)), GateOutcome::Close);
            }
            SleeperStep::Begin => sleeper.begin(),
            SleeperStep::Read => {
                sleeper.read(&mut gate);
                if sleeper.serving.is_empty() {
                    awake = now;
                }
            }
            SleeperStep::Serve => sleeper.serve(&mut gate, bed.at(now)),
            SleeperStep::Reply => sleeper.reply(&mut gate, bed.at(now)),
            SleeperStep::Refuse => assert_eq!(sleeper.refuse(&mut gate), GateOutcome::Unchanged),
            SleeperStep::Wait(ms) => {
                for _ in 0..ms.div_ceil(WAIT_STEP_MS) {
                    sleeper.reply(&mut gate, bed.at(now));
                    sleeper.read(&mut gate);
                    now += WAIT_STEP_MS;
                    awake = now;
                    assert_ne!(sleeper.look(&mut gate, bed.at(now)), GateOutcome::Close);
                }
            }
            SleeperStep::Turn if gate.needs_turn() && gate.retry_after() < LATE_REAUTH_TIMEOUT => {
                gate.begin_turn(bed.at(now))
            }
            SleeperStep::Turn => {}
        }
    }
    // In the end all outstanding requests and frames arrive.
    for _ in 0..5 {
        sleeper.read(&mut gate);
        sleeper.serve(&mut gate, bed.at(now));
        sleeper.reply(&mut gate, bed.at(now));
        sleeper.read(&mut gate);
        now += 5000;
        assert_ne!(sleeper.look(&mut gate, bed.at(now)), GateOutcome::Close);
    }
    let client = sleeper.client;
    let read: Vec<u64> = client.read.iter().filter_map(|text| text.parse().ok()).collect();
    assert_eq!(read, (1..=published).collect::<Vec<_>>());
    assert!(client.auth_requests as u64 <= bed.policy.counts.nudged.get());
}
