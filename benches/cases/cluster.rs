//! Messages between the nodes of a cluster.

use std::hint::black_box;

use sealcast::{
    cluster::{
        content::{EventContent, EventData},
        envelope::{EnvelopeKind, EnvelopeOpener, EnvelopePlace, EnvelopeSealer},
        key::ClusterKey,
        names::ClusterNames,
        replay::ReplayGuard,
    },
    crypto::key::MasterKey,
    domain::channel::Channel,
};

use super::Run;

const PLACE: EnvelopePlace<'_> = EnvelopePlace { app: "1001", channel: "private-orders" };

const SENT_MS: u64 = 1_800_000_000_000;

fn key() -> ClusterKey {
    MasterKey::from_bytes([7; 32]).into()
}

fn sealer() -> EnvelopeSealer {
    EnvelopeSealer::new(&key()).expect("random bytes")
}

/// The content of an event whose data has so many bytes.
fn content(bytes: usize) -> Vec<u8> {
    let data = "d".repeat(bytes);
    let data = EventData::Clear(&data);
    EventContent {
        name: "order-updated",
        data,
        except: None,
        user_id: None,
        keep_ms: None,
        is_logged: false,
    }
    .to_bytes()
}

pub fn seal(bytes: usize) -> Run {
    let (sealer, content) = (sealer(), content(bytes));
    Box::new(move || {
        let envelope = sealer.seal(EnvelopeKind::Event, PLACE, SENT_MS, black_box(&content));
        drop(black_box(envelope.expect("it is short")));
    })
}

pub fn open(bytes: usize) -> Run {
    let envelope = sealer().seal(EnvelopeKind::Event, PLACE, SENT_MS, &content(bytes));
    let envelope = envelope.expect("it is short");
    let mut opener = EnvelopeOpener::new(&key());
    Box::new(move || {
        let opened = opener.open(PLACE, black_box(&envelope)).expect("it opens");
        let event = EventContent::parse(&opened.content).expect("an event");
        black_box(event.name.len());
    })
}

/// Of a sender that is not at hand: its key is derived first.
pub fn open_new_sender(bytes: usize) -> Run {
    let envelope = sealer().seal(EnvelopeKind::Event, PLACE, SENT_MS, &content(bytes));
    let envelope = envelope.expect("it is short");
    Box::new(move || {
        let mut opener = EnvelopeOpener::new(&key());
        drop(black_box(opener.open(PLACE, black_box(&envelope)).expect("it opens")));
    })
}

pub fn admit() -> Run {
    let sealer = sealer();
    let mut opener = EnvelopeOpener::new(&key());
    let envelope = sealer.seal(EnvelopeKind::Event, PLACE, SENT_MS, b"").expect("it is short");
    let mut head = opener.open(PLACE, &envelope).expect("it opens").head;
    let mut guard = ReplayGuard::new(SENT_MS);
    Box::new(move || {
        head.counter += 1;
        guard.admit(black_box(&head)).expect("it is new");
    })
}

pub fn channel_id() -> Run {
    let names = ClusterNames::new(&key());
    let channel = Channel::parse(PLACE.channel, 200).expect("a channel");
    Box::new(move || {
        black_box(names.channel(PLACE.app, black_box(&channel)));
    })
}
