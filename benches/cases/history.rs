//! Logs and positions.

use std::{hint::black_box, sync::Arc, time::Instant};

use sealcast::{
    channels::log::{EntryBody, HotFrames, Log, LogEvent, LogNumber},
    crypto::{key::MasterKey, sealer::Sealed},
    domain::channel_settings::{HistorySettings, HistoryStore},
    history::{
        at_rest::{AtRestKeys, EntryContext},
        position::{Epoch, Epochs, HashedChannel, PositionKey},
    },
    protocol::{
        frame::Frame,
        message::Message,
        sealed::{EventSource, SealedFrames},
    },
};

use super::{Run, channel, encrypted, payload, run, sealed, sealing};

/// Microseconds since 1970, in 2026.
const NOW: u64 = 1_790_000_000_000_000;

fn log() -> Log {
    Log::new(Arc::new(HistorySettings::default()), LogNumber(NOW), Instant::now())
}

fn event(body: EntryBody) -> LogEvent {
    LogEvent { at_micros: NOW, name: "order-updated".into(), user_id: None, body }
}

/// Into a full log. The frame is there already, for the subscribers.
pub fn append(bytes: usize) -> Run {
    let (mut log, data, now) = (log(), payload(bytes), Instant::now());
    let message =
        Message::event(&channel("orders-4711"), "order-updated", &data).map(|m| Frame::new(&m));
    let frame = message.expect("the channel is not encrypted");
    let mut append = move || {
        let data: &str = black_box(&data);
        let number = log.next_number(NOW);
        let frame = frame.logged(number.0, None);
        log.append(event(EntryBody::Clear { data: data.into(), frame }), number, now)
    };
    for _ in 0..300 {
        append();
    }
    run(append)
}

/// The same on a sealed channel: the event is sealed for the log as well.
pub fn append_sealed(bytes: usize) -> Run {
    let (mut log, data, now) = (log(), payload(bytes), Instant::now());
    let envelope: Sealed = sealed(&encrypted(), &data, &sealing());
    let frames = SealedFrames::new(&EventSource::backend("order-updated"), [&envelope]);
    let keys = AtRestKeys::new(&MasterKey::from_bytes([7; 32]), []);
    let channel = encrypted();
    let mut append = move || {
        let number = log.next_number(NOW);
        let context = EntryContext { app: "4711", channel: channel.name(), number };
        let at_rest = keys.seal(&context, black_box(&data).as_bytes());
        let at_rest = at_rest.expect("the library gives random bytes");
        let hot = Some(HotFrames::new(frames.logged(number.0, None), now));
        log.append(event(EntryBody::Sealed { at_rest, hot }), number, now)
    };
    for _ in 0..300 {
        append();
    }
    run(append)
}

/// A reader that has missed 100 of 200 events.
pub fn resume() -> Run {
    let (mut log, now) = (log(), Instant::now());
    let message = Message::event(&channel("orders-4711"), "e", "x").map(|m| Frame::new(&m));
    let frame = message.expect("the channel is not encrypted");
    for _ in 0..200 {
        let number = log.next_number(NOW);
        let body = EntryBody::Clear { data: "x".into(), frame: frame.clone() };
        log.append(event(body), number, now);
    }
    let from = LogNumber(NOW + 100);
    run(move || {
        let missed = log.resume(black_box(from), now).map(|missed| missed.cloned().collect());
        missed.map(|missed: Vec<_>| missed.len())
    })
}

fn position(channels: usize) -> (PositionKey, Epochs, Vec<String>) {
    let epoch = Epoch::from_bytes([7; 5]);
    let epochs = Epochs { memory: epoch, disk_behind: epoch, disk_before: epoch, redis: epoch };
    let names = (0..channels).map(|n| format!("private-orders-{n}")).collect();
    (PositionKey::derive(b"7ad3773142a6692b25b8", "4711"), epochs, names)
}

fn encode(key: &PositionKey, epochs: &Epochs, names: &[String]) -> String {
    let channels = names.iter().zip(0..);
    let channels = channels
        .map(|(name, n)| (name.as_str(), HistoryStore::Memory, LogNumber(NOW - n * 1_000_000)));
    key.encode(epochs, &channels.collect::<Vec<_>>())
}

pub fn encode_position(channels: usize) -> Run {
    let (key, epochs, names) = position(channels);
    run(move || encode(&key, &epochs, black_box(&names)))
}

/// By a stream, with the next event of one of its channels.
pub fn encode_next_position(channels: usize) -> Run {
    let (key, epochs, names) = position(channels);
    let channels: Vec<_> =
        names.iter().map(|name| HashedChannel::new(name.as_str().into())).collect();
    let mut next = NOW;
    run(move || {
        next += 1;
        let places =
            channels.iter().map(|channel| (channel, HistoryStore::Memory, LogNumber(next)));
        key.encode_hashed(&epochs, places)
    })
}

pub fn decode_position(channels: usize) -> Run {
    let (key, epochs, names) = position(channels);
    let text = encode(&key, &epochs, &names);
    run(move || key.decode(black_box(&text)).is_some())
}
