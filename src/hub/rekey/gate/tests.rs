//! A client like pusher-js, a gate, and the wire between them.

mod any_order;
mod holds;
mod serial;

use super::{model::*, reauth::LATE_REAUTH_TIMEOUT, *};
use crate::protocol::sealed::ResealCache;

/// The gate pings at `ms`, and the client answers.
fn opens(gate: &mut Gate, bed: &GateFixture, ms: u64, client: &mut ModelClient<'_>) {
    assert_eq!(gate.tick(bed.at(ms), None, &mut |f| client.receive(f)), GateOutcome::SendPing);
    gate.ping_sent(8);
    assert_eq!(
        gate.pong_received(7, &mut |f| client.receive(f)),
        GateOutcome::Unchanged,
        "another one"
    );
    assert_eq!(gate.pong_received(8, &mut |f| client.receive(f)), GateOutcome::SendPing);
    gate.ping_sent(9);
    assert_eq!(gate.pong_received(9, &mut |f| client.receive(f)), GateOutcome::Rekeyed);
}

#[test]
fn next_event_is_the_nudge_and_later_ones_wait() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    assert!(gate.needs_turn());
    gate.begin_turn(bed.at(0));
    assert_eq!(gate.served_version(), Version::REKEYING);
    for (n, ms) in [(1, 10), (2, 20), (3, 30)] {
        let outcome =
            gate.deliver(&bed.frames(&n.to_string(), BOTH), bed.at(ms), BUDGET, &mut |f| {
                client.receive(f);
            });
        assert_eq!(outcome, GateOutcome::Unchanged);
    }
    assert_eq!((client.auth_requests, client.read.len()), (1, 0));
    client.answered(bed.ask(&mut gate, 40));
    assert_eq!((gate.version(), client.read.len()), (NEW, 1));
    let settled = 40 + bed.policy.settle().as_millis() as u64;
    assert_eq!(
        gate.tick(bed.at(settled - 1), None, &mut |f| client.receive(f)),
        GateOutcome::Unchanged
    );
    opens(&mut gate, &bed, settled, &mut client);
    assert_eq!((client.auth_requests, client.read.join("")), (1, "123".into()));
    assert_eq!((gate.served_version(), gate.needs_turn()), (NEW, false));
    assert_eq!(bed.versions_in_use(), [(NEW, 1)]);
}

#[test]
fn buffer_is_sent_to_a_client_without_pongs_in_the_end() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    for n in 1..=2 {
        let frames = bed.frames(&n.to_string(), BOTH);
        let _ = gate.deliver(&frames, bed.at(n), BUDGET, &mut |f| client.receive(f));
    }
    client.answered(bed.ask(&mut gate, 10));
    let (settled, hold) = (bed.policy.settle().as_millis() as u64 + 10, bed.policy.hold());
    assert_eq!(gate.tick(bed.at(settled), None, &mut |_| {}), GateOutcome::SendPing);
    let late = settled + hold.as_millis() as u64;
    assert_eq!(gate.tick(bed.at(late - 1), None, &mut |_| {}), GateOutcome::Unchanged);
    assert_eq!(gate.tick(bed.at(late), None, &mut |f| client.receive(f)), GateOutcome::Rekeyed);
    assert_eq!(client.read.join(""), "12");
}

#[test]
fn settle_time_starts_when_the_answer_is_sent() {
    let bed = GateFixture::new();
    let (mut gate, settle) = (bed.gate(Issuer::Server, false), bed.policy.settle());
    gate.begin_turn(bed.at(0));
    let _ = gate.deliver(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
    assert_eq!((gate.auth_requested(bed.at(2), None).0, gate.is_auth_answered()), (NEW, true));
    let answered = settle.as_millis() as u64 * 5;
    assert_eq!(gate.tick(bed.at(answered), None, &mut |_| {}), GateOutcome::Unchanged);
    gate.auth_answered(bed.at(answered));
    assert_eq!(gate.tick(bed.at(answered) + settle, None, &mut |_| {}), GateOutcome::SendPing);
    let mut never_answered = bed.gate(Issuer::Server, false);
    never_answered.begin_turn(bed.at(0));
    let _ = never_answered.deliver(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
    let _ = never_answered.auth_requested(bed.at(2), None);
    assert_eq!(
        never_answered.tick(bed.at(2) + bed.policy.hold(), None, &mut |_| {}),
        GateOutcome::SendPing
    );
}

#[test]
fn quiet_channel_gets_an_empty_event_as_nudge() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    assert_eq!(gate.tick(bed.at(50), None, &mut |f| client.receive(f)), GateOutcome::Unchanged);
    assert_eq!(client.auth_requests, 0);
    assert_eq!(gate.tick(bed.at(100), None, &mut |f| client.receive(f)), GateOutcome::Unchanged);
    client.answered(bed.ask(&mut gate, 120));
    opens(&mut gate, &bed, 1000, &mut client);
    assert_eq!((client.auth_requests, client.read.join("")), (1, "{}".into()));
}

#[test]
fn client_that_does_not_ask_keeps_its_secret() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    for n in 1..=3 {
        let frames = bed.frames(&n.to_string(), BOTH);
        let _ = gate.deliver(&frames, bed.at(n), BUDGET, &mut |f| client.receive(f));
    }
    let late = bed.policy.hold().as_millis() as u64 + 2;
    assert_eq!(gate.tick(bed.at(late), None, &mut |f| client.receive(f)), GateOutcome::Reverted);
    assert_eq!((gate.served_version(), gate.needs_turn()), (OLD, true));
    assert_eq!(gate.retry_after(), LATE_REAUTH_TIMEOUT);
    // The request arrives at last: the client is given the secret that it is served with, and
    // cannot open the nudge alone, which was sent again in the old form.
    client.answered(bed.ask(&mut gate, late + 1));
    assert!(
        gate.retry_after() < LATE_REAUTH_TIMEOUT && gate.needs_turn(),
        "it has another turn soon"
    );
    assert_eq!((client.secret, client.lost, client.read.join("")), (OLD, 1, "123".into()));
    assert_eq!(bed.versions_in_use(), [(OLD, 1)]);
}

#[test]
fn without_auth_answers_a_fixed_hold_applies() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Backend, false), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    for n in 1..=3 {
        let frames = bed.frames(&n.to_string(), BOTH);
        let _ = gate.deliver(&frames, bed.at(n), BUDGET, &mut |f| client.receive(f));
    }
    client.answered(NEW);
    let held = bed.policy.hold().as_millis() as u64 + 1;
    assert_eq!(gate.tick(bed.at(held), None, &mut |f| client.receive(f)), GateOutcome::Rekeyed);
    assert_eq!((client.auth_requests, client.read.join("")), (1, "123".into()));
    assert_eq!(bed.versions_in_use(), [(NEW, 1)]);
}

#[test]
fn after_a_forced_rekey_nothing_opens_with_the_old_secret() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    let next = bed.next(NEW, true);
    let out = &mut |f: &Frame| client.receive(f);
    assert_eq!(
        gate.force_rekey(next, bed.at(100), &mut ResealCache::new(None), out),
        GateOutcome::Unchanged
    );
    assert_eq!(
        gate.deliver(&bed.frames("1", &[NEW]), bed.at(1), BUDGET, out),
        GateOutcome::Unchanged
    );
    assert_eq!(gate.tick(bed.at(99), None, out), GateOutcome::Unchanged);
    assert_eq!(gate.tick(bed.at(100), None, out), GateOutcome::Unchanged);
    assert_eq!(client.auth_requests, 1);
    client.answered(bed.ask(&mut gate, 120));
    opens(&mut gate, &bed, 400, &mut client);
    assert_eq!((client.auth_requests, client.read.join("")), (1, "{}1".into()));
}

#[test]
fn after_a_forced_rekey_a_silent_client_must_reconnect() {
    let bed = GateFixture::new();
    let mut gate = bed.gate(Issuer::Server, true);
    let next = gate.pending_rekey().unwrap().clone();
    assert_eq!(
        gate.force_rekey(next, bed.at(0), &mut ResealCache::new(None), &mut |_| {}),
        GateOutcome::Unchanged
    );
    assert_eq!(gate.tick(bed.at(0), None, &mut |_| {}), GateOutcome::Unchanged);
    assert_eq!(gate.tick(bed.at(60_000), None, &mut |_| {}), GateOutcome::Close);
}

#[test]
fn after_a_forced_rekey_an_early_question_gets_the_next_secret() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, true), ModelClient::new(&bed));
    let next = gate.pending_rekey().unwrap().clone();
    assert_eq!(
        gate.force_rekey(next, bed.at(300), &mut ResealCache::new(None), &mut |_| {}),
        GateOutcome::Unchanged
    );
    client.answered(bed.ask(&mut gate, 10));
    let _ = gate.deliver(&bed.frames("1", &[NEW]), bed.at(20), BUDGET, &mut |f| client.receive(f));
    opens(&mut gate, &bed, 300, &mut client);
    assert_eq!((client.secret, client.auth_requests, client.read.join("")), (NEW, 0, "1".into()));
}

#[test]
fn version_never_goes_back() {
    let bed = GateFixture::new();
    let mut gate = bed.gate(Issuer::Server, false);
    gate.begin_turn(bed.at(0));
    let _ = gate.deliver(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
    assert_eq!(bed.ask(&mut gate, 2), NEW);
    gate.set_pending_rekey(bed.next(OLD, false));
    opens(&mut gate, &bed, 5000, &mut ModelClient::new(&bed));
    assert!(!gate.needs_turn());
}

#[test]
fn buffered_events_are_sent_at_a_forced_rekey() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    let next = bed.next(NEW, true);
    gate.begin_turn(bed.at(0));
    let out = &mut |f: &Frame| client.receive(f);
    for n in 1..=2 {
        let _ = gate.deliver(&bed.frames(&n.to_string(), BOTH), bed.at(n), BUDGET, out);
    }
    assert_eq!(
        gate.force_rekey(next, bed.at(50), &mut ResealCache::new(None), out),
        GateOutcome::Unchanged
    );
    assert_eq!(client.read.join(""), "12");
}

#[test]
fn buffered_events_are_resealed_at_a_second_forced_rekey() {
    let bed = GateFixture::new();
    let resealer = bed.ring.resealer(&bed.channel, NEW, LATER).unwrap();
    let forced_to = |target| bed.next(target, true);
    // The second forced rekey comes before the nudge of the first, before the request, or before
    // the flush; or the request comes between the second rekey and its nudge.
    for stage in 0..4 {
        let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
        let none = &mut ResealCache::new(None);
        let out = &mut |f: &Frame| client.receive(f);
        assert_eq!(gate.force_rekey(forced_to(NEW), bed.at(10), none, out), GateOutcome::Unchanged);
        let _ = gate.deliver(&bed.frames("1", &[NEW]), bed.at(1), BUDGET, out);
        if stage > 0 {
            assert_eq!(gate.tick(bed.at(10), None, out), GateOutcome::Unchanged);
            let _ = gate.deliver(&bed.frames("2", &[NEW]), bed.at(11), BUDGET, out);
        }
        if stage == 2 {
            client.answered(bed.ask(&mut gate, 12));
        }
        let again = &mut ResealCache::new(Some(&resealer));
        let out = &mut |f: &Frame| client.receive(f);
        assert_eq!(
            gate.force_rekey(forced_to(LATER), bed.at(20), again, out),
            GateOutcome::Unchanged
        );
        if stage == 3 {
            client.answered(bed.ask(&mut gate, 15));
        }
        let out = &mut |f: &Frame| client.receive(f);
        let _ = gate.deliver(&bed.frames("3", &[LATER]), bed.at(19), BUDGET, out);
        assert_eq!(gate.tick(bed.at(20), None, out), GateOutcome::Unchanged);
        client.answered(bed.ask(&mut gate, 21));
        opens(&mut gate, &bed, 1000, &mut client);
        let read: String = client.read.iter().filter(|text| *text != "{}").cloned().collect();
        assert_eq!(read, if stage == 0 { "13" } else { "123" }, "{stage}");
        assert_eq!((gate.served_version(), client.secret), (LATER, LATER));
    }
}
