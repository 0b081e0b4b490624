//! A model of pusher-websocket-java: it handles one event after the other, blocks on its auth
//! request, and has no secret after a failed one.

use std::collections::VecDeque;

use super::*;

struct Serial<'a> {
    bed: &'a Bed,
    secret: Option<Version>,
    /// Frames received and not handled yet.
    queue: VecDeque<Frame>,
    /// The event that made it ask.
    stuck: Option<Frame>,
    read: Vec<u64>,
    asked: u64,
    /// Events that it could not open without a failed request of its own.
    unopened: usize,
    closed: bool,
    pings: u64,
}

impl<'a> Serial<'a> {
    fn new(bed: &'a Bed) -> Self {
        let (queue, read) = (VecDeque::new(), Vec::new());
        let (secret, stuck) = (Some(OLD), None);
        Self { bed, secret, queue, stuck, read, asked: 0, unopened: 0, closed: false, pings: 0 }
    }

    fn opens(&mut self, frame: &Frame) -> bool {
        let (version, text) = Client::new(self.bed).open(frame);
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
                    self.asked += 1;
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

    fn follow(&mut self, place: &mut Place, outcome: Outcome) {
        match outcome {
            Outcome::Close => self.closed = true,
            // Another thread of the client answers pings, even while it blocks.
            Outcome::Pings => {
                self.pings += 1;
                place.pinged(self.pings);
                let outcome = place.has_read(self.pings, &mut |f| self.queue.push_back(f.clone()));
                self.follow(place, outcome);
            }
            Outcome::Stays | Outcome::Moved | Outcome::Reverted | Outcome::Late => {}
        }
    }
}

#[derive(Clone, Debug)]
pub(in crate::hub::place) enum Step {
    Publish,
    Look(u64),
    Handle,
    Serve,
    Refuse,
    /// The request is lost on its way to the server.
    Lose,
    Turn,
    Cut,
}

/// The client never receives a frame that it cannot open. It reads every event once and in order,
/// until it is closed.
pub(in crate::hub::place) fn run(steps: Vec<Step>) {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.java_place(), Serial::new(&bed));
    let (mut now, mut published, mut cut) = (0, 0, false);
    for step in steps {
        if client.closed {
            break;
        }
        let mut sent = Vec::new();
        let out = &mut |frame: &Frame| sent.push(frame.clone());
        let outcome = match step {
            Step::Publish => {
                published += 1;
                let one = cut || place.version() == NEW;
                let frames =
                    bed.frames(&published.to_string(), if one { &BOTH[..1] } else { BOTH });
                match frames.of(place.served_version()) {
                    Some(frame) => {
                        out(frame);
                        Outcome::Stays
                    }
                    None => place.take(&frames, bed.at(now), BUDGET, out),
                }
            }
            Step::Look(ms) => {
                now += ms;
                place.tick(bed.at(now), None, out)
            }
            Step::Handle => {
                client.handle();
                Outcome::Stays
            }
            Step::Serve if client.stuck.is_some() && client.secret.is_none() => {
                let (version, outcome) = place.asked(bed.at(now), None);
                place.told(bed.at(now));
                client.answered(version);
                outcome
            }
            Step::Refuse if client.stuck.take().is_some() => place.refused(),
            Step::Lose => {
                client.stuck = None;
                Outcome::Stays
            }
            Step::Turn if place.wants_turn() => {
                place.arm(bed.at(now));
                Outcome::Stays
            }
            Step::Cut if !cut && place.next().is_some() => {
                cut = true;
                place.cut(bed.next(NEW, true), bed.at(now + 50), &mut Resealing::new(None), out)
            }
            Step::Serve | Step::Refuse | Step::Turn | Step::Cut => Outcome::Stays,
        };
        client.queue.extend(sent);
        client.follow(&mut place, outcome);
    }
    if !client.closed {
        client.handle();
    }
    assert_eq!(client.unopened, 0);
    assert_eq!(&client.read, &(1..=client.read.len() as u64).collect::<Vec<_>>());
    assert!(client.asked <= bed.terms.moves.nudged.get());
}
