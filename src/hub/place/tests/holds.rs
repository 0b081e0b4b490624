//! The hold: its length, its bound in bytes, and clients that do not ask.

use super::*;
use crate::hub::outbox::cost;

const HOLD: u64 = 2000;

/// Publishes `text` in both forms.
fn publish(bed: &Bed, place: &mut Place, text: &str, ms: u64, client: &mut Client<'_>) -> Outcome {
    let frames = bed.frames(text, BOTH);
    if let Some(frame) = frames.of(place.served_version()) {
        client.receive(frame);
        return Outcome::Stays;
    }
    place.take(&frames, bed.at(ms), BUDGET, &mut |f| client.receive(f))
}

#[test]
fn f31_a_late_question_earns_another_turn_with_a_longer_hold() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    place.arm(bed.at(0));
    let _ = publish(&bed, &mut place, "1", 0, &mut client);
    assert_eq!(place.tick(bed.at(HOLD), None, &mut |f| client.receive(f)), Outcome::Reverted);
    let _ = publish(&bed, &mut place, "2", 2500, &mut client);
    let (version, outcome) = place.asked(bed.at(2700), None);
    assert_eq!((version, outcome), (OLD, Outcome::Late), "what was sent since opens with that");
    client.answered(version);
    let turn = 2700 + place.retry_after().as_millis() as u64;
    place.arm(bed.at(turn));
    let _ = publish(&bed, &mut place, "3", turn, &mut client);
    assert_eq!(place.tick(bed.at(turn + 2700), None, &mut |_| {}), Outcome::Stays);
    let _ = publish(&bed, &mut place, "4", turn + 2700, &mut client);
    client.answered(bed.ask(&mut place, turn + 2700));
    opens(&mut place, &bed, turn + 2800, &mut client);
    assert_eq!((client.secret, client.read.join("")), (NEW, "1234".into()));
    assert_eq!((client.asked, client.lost), (2, 1), "the nudge that was sent again as it was");
}

#[test]
fn f31_where_nothing_was_sent_since_the_late_question_itself_moves_the_client() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    place.arm(bed.at(0));
    assert_eq!(place.tick(bed.at(100), None, &mut |f| client.receive(f)), Outcome::Stays);
    assert_eq!(place.tick(bed.at(100 + HOLD), None, &mut |_| {}), Outcome::Reverted);
    client.answered(bed.ask(&mut place, 2700));
    assert_eq!((client.secret, place.served_version()), (NEW, Version::HELD));
    let _ = publish(&bed, &mut place, "1", 2710, &mut client);
    opens(&mut place, &bed, 2800, &mut client);
    assert_eq!((client.asked, client.lost, client.read.join("")), (1, 0, "{}1".into()));
}

#[test]
fn f31_a_client_that_may_have_lost_its_secret_is_closed_where_others_are_left_with_it() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.java_place(), Client::new(&bed));
    place.arm(bed.at(0));
    for n in 1..=3 {
        let _ = publish(&bed, &mut place, &n.to_string(), 0, &mut client);
    }
    assert_eq!(place.tick(bed.at(HOLD - 1), None, &mut |_| {}), Outcome::Stays);
    assert_eq!(place.tick(bed.at(HOLD), None, &mut |f| client.receive(f)), Outcome::Close);
    assert_eq!((client.asked, client.read.len()), (1, 0), "it is sent the nudge and nothing else");
    // The same when the buffer is full.
    let (mut place, mut client) = (bed.java_place(), Client::new(&bed));
    assert_eq!(published_until_open(&bed, &mut place, &mut client).1, Outcome::Close);
    assert_eq!((client.asked, client.read.len()), (1, 0));
}

#[test]
fn f31_a_refused_question_closes_the_client_that_has_no_secret_then() {
    let bed = Bed::new();
    for client in [Reauthorization::Retries, Reauthorization::LosesSecret] {
        let closes = client == Reauthorization::LosesSecret;
        let expected = if closes { Outcome::Close } else { Outcome::Stays };
        let mut place = bed.place(Issuer::Server, false);
        place.client = client;
        assert_eq!(place.refused(), Outcome::Stays, "nothing has made it ask");
        place.arm(bed.at(0));
        assert_eq!(place.refused(), Outcome::Stays, "nor has its turn");
        let _ = place.take(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
        assert_eq!((place.refused(), place.is_held()), (expected, !closes));
        let mut place = bed.place(Issuer::Server, false);
        (place.client, place.renewing) = (client, true);
        assert_eq!(place.refused(), expected, "its authorization is about to end");
        let mut place = bed.place(Issuer::Server, true);
        place.client = client;
        let _ = place.cut(bed.next(NEW, true), bed.at(9), &mut Resealing::new(None), &mut |_| {});
        assert_eq!(place.refused(), expected, "after a cut");
    }
}

#[test]
fn f31_a_client_that_asks_for_one_channel_after_the_other_is_waited_for() {
    let bed = Bed::new();
    let mut place = bed.java_place();
    place.arm(bed.at(0));
    let _ = place.take(&bed.frames("1", BOTH), bed.at(0), BUDGET, &mut |_| {});
    let mut asked = 0;
    // Each second it asks for another channel.
    for ms in (HOLD..15_000).step_by(1000) {
        asked = ms - 500;
        let outcome = place.tick(bed.at(ms), Some(bed.at(asked)), &mut |_| {});
        assert_eq!(outcome, Outcome::Stays, "{ms}");
    }
    let last = Some(bed.at(asked));
    assert_eq!(place.tick(bed.at(14_999), last, &mut |_| {}), Outcome::Stays);
    assert_eq!(place.tick(bed.at(15_000), last, &mut |_| {}), Outcome::Close, "not for ever");
}

/// Publishes until the gate is idle again; returns the number of events and the outcome.
fn published_until_open(bed: &Bed, place: &mut Place, client: &mut Client<'_>) -> (u64, Outcome) {
    place.arm(bed.at(0));
    let mut taken = 0;
    loop {
        taken += 1;
        let frames = bed.frames(&"x".repeat(100), BOTH);
        match place.take(&frames, bed.at(taken), 2000, &mut |f| client.receive(f)) {
            Outcome::Stays => {}
            outcome => return (taken, outcome),
        }
        if taken == 2 && place.issuer == Issuer::Backend {
            client.answered(NEW);
        }
    }
}

#[test]
fn what_waits_is_bounded() {
    let bed = Bed::new();
    for (issuer, outcome, version) in
        [(Issuer::Server, Outcome::Reverted, OLD), (Issuer::Backend, Outcome::Moved, NEW)]
    {
        let (mut place, mut client) = (bed.place(issuer, false), Client::new(&bed));
        let (taken, opened) = published_until_open(&bed, &mut place, &mut client);
        assert_eq!((opened, place.served_version(), client.asked), (outcome, version, 1));
        assert!(taken > 3 && client.read.len() as u64 == taken, "{taken} {}", client.read.len());
    }
}

#[test]
fn f31_a_cut_sends_no_second_nudge_to_a_client_that_has_no_secret_while_it_asks() {
    let bed = Bed::new();
    let (mut place, mut sent) = (bed.java_place(), 0);
    place.arm(bed.at(0));
    assert_eq!(place.tick(bed.at(100), None, &mut |_| sent += 1), Outcome::Stays);
    let cut = place.cut(bed.next(NEW, true), bed.at(150), &mut Resealing::new(None), &mut |_| {});
    assert_eq!((cut, sent), (Outcome::Stays, 1));
    assert_eq!(place.tick(bed.at(150), None, &mut |_| sent += 1), Outcome::Stays);
    // The request was lost on its way.
    assert_eq!(place.tick(bed.at(100 + HOLD), None, &mut |_| sent += 1), Outcome::Close);
    assert_eq!(sent, 1);
}

#[test]
fn f14_frames_at_a_gate_are_charged_what_they_cost_in_an_outbox() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    place.arm(bed.at(0));
    let frames = bed.frames("x", BOTH);
    let fits = BUDGET / cost(frames.bytes());
    assert!(fits * frames.bytes() < BUDGET * 3 / 4, "small frames cost more than their text");
    let mut take = || place.take(&frames, bed.at(1), BUDGET, &mut |f| client.receive(f));
    for n in 0..fits {
        assert_eq!(take(), Outcome::Stays, "{n} of {fits}");
    }
    assert_ne!(take(), Outcome::Stays);
}
