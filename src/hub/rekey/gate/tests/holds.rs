//! The hold: its length, its bound in bytes, and clients that do not ask.

use super::*;
use crate::hub::outbox::cost;

const HOLD: u64 = 2000;

/// Publishes `text` in both forms.
fn publish(
    bed: &GateFixture,
    gate: &mut Gate,
    text: &str,
    ms: u64,
    client: &mut ModelClient<'_>,
) -> GateOutcome {
    let frames = bed.frames(text, BOTH);
    if let Some(frame) = frames.of(gate.served_version()) {
        client.receive(frame);
        return GateOutcome::Unchanged;
    }
    gate.deliver(&frames, bed.at(ms), BUDGET, &mut |f| client.receive(f))
}

#[test]
fn f31_late_question_earns_another_turn_with_a_longer_hold() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    let _ = publish(&bed, &mut gate, "1", 0, &mut client);
    assert_eq!(gate.tick(bed.at(HOLD), None, &mut |f| client.receive(f)), GateOutcome::Reverted);
    let _ = publish(&bed, &mut gate, "2", 2500, &mut client);
    let (version, outcome) = gate.auth_requested(bed.at(2700), None);
    assert_eq!(
        (version, outcome),
        (OLD, GateOutcome::LateReauth),
        "what was sent since opens with that"
    );
    client.answered(version);
    let turn = 2700 + gate.retry_after().as_millis() as u64;
    gate.begin_turn(bed.at(turn));
    let _ = publish(&bed, &mut gate, "3", turn, &mut client);
    assert_eq!(gate.tick(bed.at(turn + 2700), None, &mut |_| {}), GateOutcome::Unchanged);
    let _ = publish(&bed, &mut gate, "4", turn + 2700, &mut client);
    client.answered(bed.ask(&mut gate, turn + 2700));
    opens(&mut gate, &bed, turn + 2800, &mut client);
    assert_eq!((client.secret, client.read.join("")), (NEW, "1234".into()));
    assert_eq!(
        (client.auth_requests, client.lost),
        (2, 1),
        "the nudge that was sent again as it was"
    );
}

#[test]
fn f31_late_question_moves_the_client_if_nothing_was_sent_since() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    assert_eq!(gate.tick(bed.at(100), None, &mut |f| client.receive(f)), GateOutcome::Unchanged);
    assert_eq!(gate.tick(bed.at(100 + HOLD), None, &mut |_| {}), GateOutcome::Reverted);
    client.answered(bed.ask(&mut gate, 2700));
    assert_eq!((client.secret, gate.served_version()), (NEW, Version::REKEYING));
    let _ = publish(&bed, &mut gate, "1", 2710, &mut client);
    opens(&mut gate, &bed, 2800, &mut client);
    assert_eq!((client.auth_requests, client.lost, client.read.join("")), (1, 0, "{}1".into()));
}

#[test]
fn f31_client_that_may_have_lost_its_secret_is_closed() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.java_gate(), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    for n in 1..=3 {
        let _ = publish(&bed, &mut gate, &n.to_string(), 0, &mut client);
    }
    assert_eq!(gate.tick(bed.at(HOLD - 1), None, &mut |_| {}), GateOutcome::Unchanged);
    assert_eq!(gate.tick(bed.at(HOLD), None, &mut |f| client.receive(f)), GateOutcome::Close);
    assert_eq!(
        (client.auth_requests, client.read.len()),
        (1, 0),
        "it is sent the nudge and nothing else"
    );
    // The same when the buffer is full.
    let (mut gate, mut client) = (bed.java_gate(), ModelClient::new(&bed));
    assert_eq!(published_until_open(&bed, &mut gate, &mut client).1, GateOutcome::Close);
    assert_eq!((client.auth_requests, client.read.len()), (1, 0));
}

#[test]
fn f31_refused_question_closes_a_client_without_a_secret() {
    let bed = GateFixture::new();
    for client in [Reauthorization::Retries, Reauthorization::LosesSecret] {
        let closes = client == Reauthorization::LosesSecret;
        let expected = if closes { GateOutcome::Close } else { GateOutcome::Unchanged };
        let mut gate = bed.gate(Issuer::Server, false);
        gate.client = client;
        assert_eq!(gate.auth_refused(), GateOutcome::Unchanged, "nothing has made it ask");
        gate.begin_turn(bed.at(0));
        assert_eq!(gate.auth_refused(), GateOutcome::Unchanged, "nor has its turn");
        let _ = gate.deliver(&bed.frames("1", BOTH), bed.at(1), BUDGET, &mut |_| {});
        assert_eq!((gate.auth_refused(), gate.is_rekeying()), (expected, !closes));
        let mut gate = bed.gate(Issuer::Server, false);
        (gate.client, gate.renewing) = (client, true);
        assert_eq!(gate.auth_refused(), expected, "its authorization is about to end");
        let mut gate = bed.gate(Issuer::Server, true);
        gate.client = client;
        let _ = gate.force_rekey(
            bed.next(NEW, true),
            bed.at(9),
            &mut ResealCache::new(None),
            &mut |_| {},
        );
        assert_eq!(gate.auth_refused(), expected, "after a cut");
    }
}

#[test]
fn f31_client_asking_for_one_channel_after_another_is_waited_for() {
    let bed = GateFixture::new();
    let mut gate = bed.java_gate();
    gate.begin_turn(bed.at(0));
    let _ = gate.deliver(&bed.frames("1", BOTH), bed.at(0), BUDGET, &mut |_| {});
    let mut auth_requests = 0;
    // Each second it asks for another channel.
    for ms in (HOLD..15_000).step_by(1000) {
        auth_requests = ms - 500;
        let outcome = gate.tick(bed.at(ms), Some(bed.at(auth_requests)), &mut |_| {});
        assert_eq!(outcome, GateOutcome::Unchanged, "{ms}");
    }
    let last = Some(bed.at(auth_requests));
    assert_eq!(gate.tick(bed.at(14_999), last, &mut |_| {}), GateOutcome::Unchanged);
    assert_eq!(gate.tick(bed.at(15_000), last, &mut |_| {}), GateOutcome::Close, "not for ever");
}

/// Publishes until the gate is idle again; returns the number of events and the outcome.
fn published_until_open(
    bed: &GateFixture,
    gate: &mut Gate,
    client: &mut ModelClient<'_>,
) -> (u64, GateOutcome) {
    gate.begin_turn(bed.at(0));
    let mut taken = 0;
    loop {
        taken += 1;
        let frames = bed.frames(&"x".repeat(100), BOTH);
        match gate.deliver(&frames, bed.at(taken), 2000, &mut |f| client.receive(f)) {
            GateOutcome::Unchanged => {}
            outcome => return (taken, outcome),
        }
        if taken == 2 && gate.issuer == Issuer::Backend {
            client.answered(NEW);
        }
    }
}

#[test]
fn buffer_is_bounded() {
    let bed = GateFixture::new();
    for (issuer, outcome, version) in
        [(Issuer::Server, GateOutcome::Reverted, OLD), (Issuer::Backend, GateOutcome::Rekeyed, NEW)]
    {
        let (mut gate, mut client) = (bed.gate(issuer, false), ModelClient::new(&bed));
        let (taken, opened) = published_until_open(&bed, &mut gate, &mut client);
        assert_eq!((opened, gate.served_version(), client.auth_requests), (outcome, version, 1));
        assert!(taken > 3 && client.read.len() as u64 == taken, "{taken} {}", client.read.len());
    }
}

#[test]
fn f31_forced_rekey_sends_no_second_nudge_to_an_asking_client() {
    let bed = GateFixture::new();
    let (mut gate, mut sent) = (bed.java_gate(), 0);
    gate.begin_turn(bed.at(0));
    assert_eq!(gate.tick(bed.at(100), None, &mut |_| sent += 1), GateOutcome::Unchanged);
    let forced = gate.force_rekey(
        bed.next(NEW, true),
        bed.at(150),
        &mut ResealCache::new(None),
        &mut |_| {},
    );
    assert_eq!((forced, sent), (GateOutcome::Unchanged, 1));
    assert_eq!(gate.tick(bed.at(150), None, &mut |_| sent += 1), GateOutcome::Unchanged);
    // The request was lost on its way.
    assert_eq!(gate.tick(bed.at(100 + HOLD), None, &mut |_| sent += 1), GateOutcome::Close);
    assert_eq!(sent, 1);
}

#[test]
fn f14_buffered_frames_cost_as_much_as_in_an_outbox() {
    let bed = GateFixture::new();
    let (mut gate, mut client) = (bed.gate(Issuer::Server, false), ModelClient::new(&bed));
    gate.begin_turn(bed.at(0));
    let frames = bed.frames("x", BOTH);
    let fits = BUDGET / cost(frames.bytes());
    assert!(fits * frames.bytes() < BUDGET * 3 / 4, "small frames cost more than their text");
    let mut take = || gate.deliver(&frames, bed.at(1), BUDGET, &mut |f| client.receive(f));
    for n in 0..fits {
        assert_eq!(take(), GateOutcome::Unchanged, "{n} of {fits}");
    }
    assert_ne!(take(), GateOutcome::Unchanged);
}
