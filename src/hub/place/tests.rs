//! A client like pusher-js, a gate, and the wire between them.

mod any_order;
mod holds;
mod serial;

use super::{model::*, questions::LOST, *};
use crate::protocol::sealed::Resealing;

/// The gate pings at `ms`, and the client answers.
fn opens(place: &mut Place, bed: &Bed, ms: u64, client: &mut Client<'_>) {
    assert_eq!(place.tick(bed.at(ms), None, &mut |f| client.receive(f)), Outcome::Pings);
    place.pinged(8);
    assert_eq!(place.has_read(7, &mut |f| client.receive(f)), Outcome::Stays, "another one");
    assert_eq!(place.has_read(8, &mut |f| client.receive(f)), Outcome::Pings);
    place.pinged(9);
    assert_eq!(place.has_read(9, &mut |f| client.receive(f)), Outcome::Moved);
}

#[test]
fn the_next_event_is_the_nudge_and_what_follows_waits() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    assert!(place.wants_turn());
    place.arm(bed.at(0));
    assert_eq!(place.served_version(), Version::HELD);
    for (n, ms) in [(1, 10), (2, 20), (3, 30)] {
        let outcome = place.take(&bed.frames(&n.to_string(), BOTH), bed.at(ms), BUDGET, &mut |f| {
            client.receive(f);
        });
        assert_eq!(outcome, Outcome::Stays);
    }
    assert_eq!((client.asked, client.read.len()), (1, 0));
    client.answered(bed.ask(&mut place, 40));
    assert_eq!((place.version(), client.read.len()), (NEW, 1));
    let settled = 40 + bed.terms.settle().as_millis() as u64;
    assert_eq!(place.tick(bed.at(settled - 1), None, &mut |f| client.receive(f)), Outcome::Stays);
    opens(&mut place, &bed, settled, &mut client);
    assert_eq!((client.asked, client.read.join("")), (1, "123".into()));
    assert_eq!((place.served_version(), place.wants_turn()), (NEW, false));
    assert_eq!(bed.versions_in_use(), [(NEW, 1)]);
}

#[test]
fn what_waits_is_sent_at_last_to_a_client_that_answers_no_pings() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    place.arm(bed.at(0));
    for n in 1..=2 {
        let frames = bed.frames(&n.to_string(), BOTH);
        let _ = place.take(&frames, bed.at(n), BUDGET, &mut |f| client.receive(f));
    }
    client.answered(bed.ask(&mut place, 10));
    let (settled, hold) = (bed.terms.settle().as_millis() as u64 + 10, bed.terms.hold());
    assert_eq!(place.tick(bed.at(settled), None, &mut |_| {}), Outcome::Pings);
    let late = settled + hold.as_millis() as u64;
    assert_eq!(place.tick(bed.at(late - 1), None, &mut |_| {}), Outcome::Stays);
    assert_eq!(place.tick(bed.at(late), None, &mut |f| client.receive(f)), Outcome::Moved);
    assert_eq!(client.read.join(""), "12");
}

#[test]
fn the_settle_time_begins_when_the_answer_is_on_its_way() {
    let bed = Bed::new();
    let (mut place, settle) = (bed.place(Issuer::Server, false), bed.terms.settle());
    place.arm(bed.at(0));
    let _ = place.take(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
    assert_eq!((place.asked(bed.at(2), None).0, place.is_settling()), (NEW, true));
    let told = settle.as_millis() as u64 * 5;
    assert_eq!(place.tick(bed.at(told), None, &mut |_| {}), Outcome::Stays);
    place.told(bed.at(told));
    assert_eq!(place.tick(bed.at(told) + settle, None, &mut |_| {}), Outcome::Pings);
    let mut never_told = bed.place(Issuer::Server, false);
    never_told.arm(bed.at(0));
    let _ = never_told.take(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
    let _ = never_told.asked(bed.at(2), None);
    assert_eq!(never_told.tick(bed.at(2) + bed.terms.hold(), None, &mut |_| {}), Outcome::Pings);
}

#[test]
fn on_a_quiet_channel_an_empty_event_is_the_nudge() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    place.arm(bed.at(0));
    assert_eq!(place.tick(bed.at(50), None, &mut |f| client.receive(f)), Outcome::Stays);
    assert_eq!(client.asked, 0);
    assert_eq!(place.tick(bed.at(100), None, &mut |f| client.receive(f)), Outcome::Stays);
    client.answered(bed.ask(&mut place, 120));
    opens(&mut place, &bed, 1000, &mut client);
    assert_eq!((client.asked, client.read.join("")), (1, "{}".into()));
}

#[test]
fn who_does_not_ask_stays_with_the_secret_that_it_has() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    place.arm(bed.at(0));
    for n in 1..=3 {
        let frames = bed.frames(&n.to_string(), BOTH);
        let _ = place.take(&frames, bed.at(n), BUDGET, &mut |f| client.receive(f));
    }
    let late = bed.terms.hold().as_millis() as u64 + 2;
    assert_eq!(place.tick(bed.at(late), None, &mut |f| client.receive(f)), Outcome::Reverted);
    assert_eq!((place.served_version(), place.wants_turn()), (OLD, true));
    assert_eq!(place.retry_after(), LOST);
    // The request arrives at last: the client is given the secret that it is served with, and
    // cannot open the nudge alone, which was sent again in the old form.
    client.answered(bed.ask(&mut place, late + 1));
    assert!(place.retry_after() < LOST && place.wants_turn(), "it has another turn soon");
    assert_eq!((client.secret, client.lost, client.read.join("")), (OLD, 1, "123".into()));
    assert_eq!(bed.versions_in_use(), [(OLD, 1)]);
}

#[test]
fn where_nobody_tells_it_waits_for_as_long_as_is_agreed() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Backend, false), Client::new(&bed));
    place.arm(bed.at(0));
    for n in 1..=3 {
        let frames = bed.frames(&n.to_string(), BOTH);
        let _ = place.take(&frames, bed.at(n), BUDGET, &mut |f| client.receive(f));
    }
    client.answered(NEW);
    let held = bed.terms.hold().as_millis() as u64 + 1;
    assert_eq!(place.tick(bed.at(held), None, &mut |f| client.receive(f)), Outcome::Moved);
    assert_eq!((client.asked, client.read.join("")), (1, "123".into()));
    assert_eq!(bed.versions_in_use(), [(NEW, 1)]);
}

#[test]
fn after_a_cut_nothing_is_sent_that_the_old_secret_opens() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    let next = bed.next(NEW, true);
    let out = &mut |f: &Frame| client.receive(f);
    assert_eq!(place.cut(next, bed.at(100), &mut Resealing::new(None), out), Outcome::Stays);
    assert_eq!(place.take(&bed.frames("1", &[NEW]), bed.at(1), BUDGET, out), Outcome::Stays);
    assert_eq!(place.tick(bed.at(99), None, out), Outcome::Stays);
    assert_eq!(place.tick(bed.at(100), None, out), Outcome::Stays);
    assert_eq!(client.asked, 1);
    client.answered(bed.ask(&mut place, 120));
    opens(&mut place, &bed, 400, &mut client);
    assert_eq!((client.asked, client.read.join("")), (1, "{}1".into()));
}

#[test]
fn after_a_cut_who_does_not_ask_must_reconnect() {
    let bed = Bed::new();
    let mut place = bed.place(Issuer::Server, true);
    let next = place.next().unwrap().clone();
    assert_eq!(place.cut(next, bed.at(0), &mut Resealing::new(None), &mut |_| {}), Outcome::Stays);
    assert_eq!(place.tick(bed.at(0), None, &mut |_| {}), Outcome::Stays);
    assert_eq!(place.tick(bed.at(60_000), None, &mut |_| {}), Outcome::Close);
}

#[test]
fn after_a_cut_who_asks_before_it_is_nudged_is_given_the_next() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, true), Client::new(&bed));
    let next = place.next().unwrap().clone();
    assert_eq!(
        place.cut(next, bed.at(300), &mut Resealing::new(None), &mut |_| {}),
        Outcome::Stays
    );
    client.answered(bed.ask(&mut place, 10));
    let _ = place.take(&bed.frames("1", &[NEW]), bed.at(20), BUDGET, &mut |f| client.receive(f));
    opens(&mut place, &bed, 300, &mut client);
    assert_eq!((client.secret, client.asked, client.read.join("")), (NEW, 0, "1".into()));
}

#[test]
fn nobody_moves_back() {
    let bed = Bed::new();
    let mut place = bed.place(Issuer::Server, false);
    place.arm(bed.at(0));
    let _ = place.take(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
    assert_eq!(bed.ask(&mut place, 2), NEW);
    place.set_next(bed.next(OLD, false));
    opens(&mut place, &bed, 5000, &mut Client::new(&bed));
    assert!(!place.wants_turn());
}

#[test]
fn what_waits_when_a_cut_comes_was_accepted_before_and_is_sent() {
    let bed = Bed::new();
    let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
    let next = bed.next(NEW, true);
    place.arm(bed.at(0));
    let out = &mut |f: &Frame| client.receive(f);
    for n in 1..=2 {
        let _ = place.take(&bed.frames(&n.to_string(), BOTH), bed.at(n), BUDGET, out);
    }
    assert_eq!(place.cut(next, bed.at(50), &mut Resealing::new(None), out), Outcome::Stays);
    assert_eq!(client.read.join(""), "12");
}

#[test]
fn what_waits_when_a_second_cut_comes_is_sealed_anew() {
    let bed = Bed::new();
    let resealer = bed.ring.resealer(&bed.channel, NEW, LATER).unwrap();
    let cut_to = |target| bed.next(target, true);
    // The second forced rekey comes before the nudge of the first, before the request, or before
    // the flush; or the request comes between the second rekey and its nudge.
    for stage in 0..4 {
        let (mut place, mut client) = (bed.place(Issuer::Server, false), Client::new(&bed));
        let none = &mut Resealing::new(None);
        let out = &mut |f: &Frame| client.receive(f);
        assert_eq!(place.cut(cut_to(NEW), bed.at(10), none, out), Outcome::Stays);
        let _ = place.take(&bed.frames("1", &[NEW]), bed.at(1), BUDGET, out);
        if stage > 0 {
            assert_eq!(place.tick(bed.at(10), None, out), Outcome::Stays);
            let _ = place.take(&bed.frames("2", &[NEW]), bed.at(11), BUDGET, out);
        }
        if stage == 2 {
            client.answered(bed.ask(&mut place, 12));
        }
        let again = &mut Resealing::new(Some(&resealer));
        let out = &mut |f: &Frame| client.receive(f);
        assert_eq!(place.cut(cut_to(LATER), bed.at(20), again, out), Outcome::Stays);
        if stage == 3 {
            client.answered(bed.ask(&mut place, 15));
        }
        let out = &mut |f: &Frame| client.receive(f);
        let _ = place.take(&bed.frames("3", &[LATER]), bed.at(19), BUDGET, out);
        assert_eq!(place.tick(bed.at(20), None, out), Outcome::Stays);
        client.answered(bed.ask(&mut place, 21));
        opens(&mut place, &bed, 1000, &mut client);
        let read: String = client.read.iter().filter(|text| *text != "{}").cloned().collect();
        assert_eq!(read, if stage == 0 { "13" } else { "123" }, "{stage}");
        assert_eq!((place.served_version(), client.secret), (LATER, LATER));
    }
}
