//! A model of pusher-js in a page that sleeps now and then.

use super::*;

/// A client that reads in rounds, with pauses: in each round it reads its socket first, then the
/// auth responses that had arrived when the round began.
struct Sleeper<'a> {
    client: Client<'a>,
    inbox: Vec<Message>,
    round: Option<Vec<Answer>>,
    pings: u64,
    answers: Vec<Answer>,
    served: usize,
    /// Answers that the auth endpoint has not sent yet.
    serving: Vec<Answer>,
}

/// `None`: the request is refused, or lost.
type Answer = Option<Version>;

enum Message {
    Event(Frame),
    Ping(u64),
}

impl Sleeper<'_> {
    fn out(&mut self) -> impl FnMut(&Frame) {
        |frame| self.inbox.push(Message::Event(frame.clone()))
    }

    fn follow(&mut self, place: &mut Place, outcome: Outcome) {
        if outcome == Outcome::Pings {
            self.pings += 1;
            place.pinged(self.pings);
            self.inbox.push(Message::Ping(self.pings));
        }
    }

    fn look(&mut self, place: &mut Place, now: Instant) -> Outcome {
        let outcome = place.tick(now, None, &mut self.out());
        self.follow(place, outcome);
        outcome
    }

    fn begin(&mut self) {
        if self.round.is_none() {
            self.round = Some(std::mem::take(&mut self.answers));
        }
    }

    fn read(&mut self, place: &mut Place) {
        self.begin();
        let mut answered = Vec::new();
        for message in std::mem::take(&mut self.inbox) {
            match message {
                Message::Event(frame) => self.client.receive(&frame),
                Message::Ping(number) => answered.push(number),
            }
        }
        // The pongs are there before the rest of the round is read.
        for number in answered {
            let outcome = place.has_read(number, &mut self.out());
            self.follow(place, outcome);
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
    fn serve(&mut self, place: &mut Place, now: Instant) {
        if self.served < self.client.asked {
            self.served += 1;
            self.serving.push(Some(place.asked(now, None).0));
        }
    }

    fn refuse(&mut self, place: &mut Place) -> Outcome {
        if self.served == self.client.asked {
            return Outcome::Stays;
        }
        self.served += 1;
        self.serving.push(None);
        place.refused()
    }

    fn reply(&mut self, place: &mut Place, now: Instant) {
        if !self.serving.is_empty() {
            self.answers.append(&mut self.serving);
            place.told(now);
        }
    }
}

/// The longest pause of the client that a gate tolerates, in milliseconds.
pub(in crate::hub::place) const LONGEST: u64 = 500;

#[derive(Clone, Debug)]
pub(in crate::hub::place) enum Step {
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
const LOOK: u64 = 400;

/// The client reads every event once and in order, except empty nudges, and asks at most once for
/// each nudge. This holds for late and refused requests, if the client reads within the hold.
pub(in crate::hub::place) fn run(steps: Vec<Step>) {
    let bed = Bed::new();
    let mut place = bed.place(Issuer::Server, false);
    let mut sleeper = Sleeper {
        client: Client::new(&bed),
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
            Step::Publish => {
                published += 1;
                let versions = if place.version() == NEW { &BOTH[..1] } else { BOTH };
                let frames = bed.frames(&published.to_string(), versions);
                match frames.of(place.served_version()) {
                    Some(frame) => sleeper.out()(frame),
                    None => {
                        let outcome = place.take(&frames, bed.at(now), BUDGET, &mut sleeper.out());
                        assert_ne!(outcome, Outcome::Close);
                    }
                }
            }
            Step::Look(ms) => {
                if now + ms >= awake + LONGEST {
                    sleeper.reply(&mut place, bed.at(now));
                    sleeper.read(&mut place);
                    awake = now;
                }
                now += ms;
                assert_ne!(sleeper.look(&mut place, bed.at(now)), Outcome::Close);
            }
            Step::Begin => sleeper.begin(),
            Step::Read => {
                sleeper.read(&mut place);
                if sleeper.serving.is_empty() {
                    awake = now;
                }
            }
            Step::Serve => sleeper.serve(&mut place, bed.at(now)),
            Step::Reply => sleeper.reply(&mut place, bed.at(now)),
            Step::Refuse => assert_eq!(sleeper.refuse(&mut place), Outcome::Stays),
            Step::Wait(ms) => {
                for _ in 0..ms.div_ceil(LOOK) {
                    sleeper.reply(&mut place, bed.at(now));
                    sleeper.read(&mut place);
                    now += LOOK;
                    awake = now;
                    assert_ne!(sleeper.look(&mut place, bed.at(now)), Outcome::Close);
                }
            }
            Step::Turn if place.wants_turn() && place.retry_after() < LOST => {
                place.arm(bed.at(now))
            }
            Step::Turn => {}
        }
    }
    // In the end all outstanding requests and frames arrive.
    for _ in 0..5 {
        sleeper.read(&mut place);
        sleeper.serve(&mut place, bed.at(now));
        sleeper.reply(&mut place, bed.at(now));
        sleeper.read(&mut place);
        now += 5000;
        assert_ne!(sleeper.look(&mut place, bed.at(now)), Outcome::Close);
    }
    let client = sleeper.client;
    let read: Vec<u64> = client.read.iter().filter_map(|text| text.parse().ok()).collect();
    assert_eq!(read, (1..=published).collect::<Vec<_>>());
    assert!(client.asked as u64 <= bed.terms.moves.nudged.get());
}
