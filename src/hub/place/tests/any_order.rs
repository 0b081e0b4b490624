//! Whatever happens when.

use proptest::prelude::*;

use super::*;

/// A client that does not read at once, and then its socket first: what the auth endpoint answered
/// may have been there for longer.
struct Sleeper<'a> {
    client: Client<'a>,
    /// `None` is a ping.
    inbox: Vec<Option<Frame>>,
    answers: Vec<Version>,
    served: usize,
    /// What the auth endpoint is about to answer.
    serving: Vec<Version>,
}

impl Sleeper<'_> {
    fn out(&mut self) -> impl FnMut(&Frame) {
        |frame| self.inbox.push(Some(frame.clone()))
    }

    fn look(&mut self, place: &mut Place, now: Instant) -> Outcome {
        let outcome = place.tick(now, &mut self.out());
        if outcome == Outcome::Pings {
            self.inbox.push(None);
        }
        outcome
    }

    fn wake(&mut self, place: &mut Place) {
        let mut pinged = false;
        for message in std::mem::take(&mut self.inbox) {
            match message {
                Some(frame) => self.client.receive(&frame),
                None => pinged = true,
            }
        }
        for version in std::mem::take(&mut self.answers) {
            self.client.answered(version);
        }
        if pinged {
            let _ = place.has_read(&mut self.out());
        }
    }

    /// The auth endpoint serves what it has been asked.
    fn serve(&mut self, place: &mut Place, now: Instant) {
        if self.served < self.client.asked {
            self.served += 1;
            self.serving.push(place.asked(now, None));
        }
    }

    fn reply(&mut self, place: &mut Place, now: Instant) {
        if !self.serving.is_empty() {
            self.answers.append(&mut self.serving);
            place.told(now);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// The worker looks at deadlines, so many milliseconds later.
    Look(u64),
    Wake,
    Serve,
    Reply,
    Turn,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Publish),
        4 => (1u64..80).prop_map(Step::Look),
        1 => (1000u64..2500).prop_map(Step::Look),
        4 => Just(Step::Wake),
        2 => Just(Step::Serve),
        2 => Just(Step::Reply),
        1 => Just(Step::Turn),
    ];
    prop::collection::vec(step, 1..160)
}

proptest! {
    /// The client reads every event once and in order, but for empty nudges, and asks at most once
    /// for each nudge: if neither it nor the auth endpoint sleeps as long as a place waits for them.
    #[test]
    fn nothing_is_lost_or_overtaken(steps in steps()) {
        let bed = Bed::new();
        let mut place = bed.place(Issuer::Server, false);
        let mut sleeper = Sleeper { client: Client::new(&bed), inbox: Vec::new(), answers: Vec::new(), served: 0, serving: Vec::new() };
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
                            prop_assert_ne!(outcome, Outcome::Close);
                        }
                    }
                }
                Step::Look(ms) => {
                    if now + ms >= awake + bed.terms.hold.as_millis() as u64 {
                        sleeper.reply(&mut place, bed.at(now));
                        sleeper.wake(&mut place);
                        awake = now;
                    }
                    now += ms.min(bed.terms.hold.as_millis() as u64 - 1);
                    prop_assert_ne!(sleeper.look(&mut place, bed.at(now)), Outcome::Close);
                }
                Step::Wake => {
                    sleeper.wake(&mut place);
                    if sleeper.serving.is_empty() {
                        awake = now;
                    }
                }
                Step::Serve => sleeper.serve(&mut place, bed.at(now)),
                Step::Reply => sleeper.reply(&mut place, bed.at(now)),
                Step::Turn if place.wants_turn() && place.retry_after() < LOST => place.arm(bed.at(now)),
                Step::Turn => {}
            }
        }
        // In the end everybody gets what they wait for.
        for _ in 0..5 {
            sleeper.wake(&mut place);
            sleeper.serve(&mut place, bed.at(now));
            sleeper.reply(&mut place, bed.at(now));
            sleeper.wake(&mut place);
            now += 5000;
            prop_assert_ne!(sleeper.look(&mut place, bed.at(now)), Outcome::Close);
        }
        let client = sleeper.client;
        let read: Vec<u64> = client.read.iter().filter_map(|text| text.parse().ok()).collect();
        prop_assert_eq!(read, (1..=published).collect::<Vec<_>>());
        prop_assert!(client.asked as u64 <= bed.terms.moves.nudged.get());
    }
}
