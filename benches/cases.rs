//! The benchmark cases, measured in time by `micro` and in instructions by `instructions`.
//!
//! The cases call the public modules as the server does. The result of a call is
//! dropped within the measurement, since the server pays for that too.

mod cluster;
mod history;
mod presence;
mod topics;

use std::{array, hint::black_box};

use sealcast::{
    crypto::{
        key::MasterKey,
        keyring::KeyRing,
        keytable::{KeyTable, Version},
        padding::Padding,
        sealer::{Sealed, Sealing},
        secret::Derivation,
        signature::{AppSecret, Signature},
        vectors::example_salt,
    },
    domain::channel::Channel,
    protocol::{
        client::{ClientFrame, data_as_text},
        dialect::Dialect,
        escape::Escaped,
        form::Form,
        frame::Frame,
        message::Message,
        websocket::{Decoder, WsMessage},
        well_formed::WellFormed,
    },
};

/// Runs a case once. Made anew for each measurement, with all that the case needs prepared.
pub type Run = Box<dyn FnMut()>;

pub struct Case {
    pub name: &'static str,
    /// Bytes of payload that one run handles; zero where throughput has no meaning.
    pub bytes: usize,
    pub prepare: fn() -> Run,
}

const fn case(name: &'static str, bytes: usize, prepare: fn() -> Run) -> Case {
    Case { name, bytes, prepare }
}

pub const ALL: &[Case] = &[
    case("encode/event-128", 128, || encode_event(128)),
    case("encode/event-1024", 1024, || encode_event(1024)),
    case("encode/event-8192", 8192, || encode_event(8192)),
    case("encode/sealed-1024", 1024, || encode_sealed(1024)),
    case("encode/client-event-128", 128, || encode_client_event(128)),
    case("encode/member-added", 0, encode_member_added),
    case("encode/subscription-succeeded", 0, encode_subscription_succeeded),
    case("encode/connection-established", 0, encode_connection_established),
    case("encode/pong", 0, || run(|| black_box(Form::Pusher).pong())),
    case("escape/text-1024", 1024, || escape_text("t".repeat(1024))),
    case("escape/json-1024", 1024, || escape_text(payload(1024))),
    case("parse/ping", 0, || parse(r#"{"event":"pusher:ping","data":{}}"#.into())),
    case("parse/subscribe-public", 0, || parse(subscribe("orders", None, None))),
    case("parse/subscribe-private", 0, parse_subscribe_private),
    case("parse/subscribe-presence", 0, parse_subscribe_presence),
    case("parse/subscribe-in-a-string", 0, parse_subscribe_in_a_string),
    case("parse/unsubscribe", 0, parse_unsubscribe),
    case("parse/signin", 0, parse_signin),
    case("parse/client-event-128", 128, || parse_client_event(128)),
    case("parse/client-event-1024", 1024, || parse_client_event(1024)),
    case("parse/client-event-string-1024", 1024, || parse_client_event_string(1024)),
    case("decode/text-128", 128, || decode(&[(0x81, 128)])),
    case("decode/text-1024", 1024, || decode(&[(0x81, 1024)])),
    case("decode/text-8192", 8192, || decode(&[(0x81, 8192)])),
    case("decode/20-texts-of-64", 20 * 64, || decode(&[(0x81, 64); 20])),
    case("decode/4-fragments-of-256", 4 * 256, decode_fragments),
    case("signature/verify-private", 0, || verify(&private_text())),
    case("signature/verify-presence", 0, || verify(&presence_text())),
    case("signature/verify-api-request", 0, || verify(&api_text())),
    case("signature/sign-private", 0, sign_private),
    case("seal/128", 128, || seal(128)),
    case("seal/1024", 1024, || seal(1024)),
    case("seal/8192", 8192, || seal(8192)),
    case("open/128", 128, || open(128)),
    case("open/1024", 1024, || open(1024)),
    case("open/8192", 8192, || open(8192)),
    case("log/append-128", 128, || history::append(128)),
    case("log/append-1024", 1024, || history::append(1024)),
    case("log/append-sealed-128", 128, || history::append_sealed(128)),
    case("log/append-sealed-1024", 1024, || history::append_sealed(1024)),
    case("log/resume-100", 0, history::resume),
    case("position/encode-1", 0, || history::encode_position(1)),
    case("position/encode-8", 0, || history::encode_position(8)),
    case("position/encode-64", 0, || history::encode_position(64)),
    case("position/encode-next-8", 0, || history::encode_next_position(8)),
    case("position/encode-next-64", 0, || history::encode_next_position(64)),
    case("position/decode-64", 0, || history::decode_position(64)),
    case("topics/join-and-leave-one-of-1000", 0, topics::join_and_leave),
    case("topics/subscribe-1000", 0, || {
        topics::subscribe_many(topics::one_topic, topics::Then::Drop)
    }),
    case("topics/subscribe-and-unsubscribe-1000", 0, || {
        topics::subscribe_many(topics::one_topic, topics::Then::Leave)
    }),
    case("topics/1000-topics-of-one", 0, || {
        topics::subscribe_many(topics::topics_of_one, topics::Then::Leave)
    }),
    case("topics/walk-1000", 0, topics::walk),
    case("topics/find-one-of-1000", 0, topics::find),
    case("presence/parse-member", 0, presence::parse_member),
    case("presence/join-and-leave-100", 0, presence::join_and_leave),
    case("presence/roster-of-100", 0, presence::roster),
    case("presence/success-frame-of-100", 0, presence::success_frame),
    case("cluster/seal-300", 300, || cluster::seal(300)),
    case("cluster/open-300", 300, || cluster::open(300)),
    case("cluster/open-300-new-sender", 300, || cluster::open_new_sender(300)),
    case("cluster/admit", 0, cluster::admit),
    case("cluster/channel-id", 0, cluster::channel_id),
];

/// A case by its name, for programs that run a single one.
pub fn named(name: &str) -> Option<&'static Case> {
    ALL.iter().find(|case| case.name == name)
}

/// The optimizer is to see neither that the result is unused nor that every run is the same.
fn run<T>(mut call: impl FnMut() -> T + 'static) -> Run {
    Box::new(move || drop(black_box(call())))
}

/// A JSON object of exactly `bytes` bytes, with about as many quotes to escape as events have.
fn payload(bytes: usize) -> String {
    const RECORD: &str = r#"{"id":4711,"name":"ada","text":"on its way to you"}"#;
    const OPEN: &str = r#"{"items":["#;
    const CLOSE: &str = r#"],"rest":""}"#;
    let records = (bytes - OPEN.len() - CLOSE.len() + 1) / (RECORD.len() + 1);
    let items = vec![RECORD; records].join(",");
    let rest = "r".repeat(bytes - OPEN.len() - items.len() - CLOSE.len());
    let payload = format!(r#"{OPEN}{items}],"rest":"{rest}"}}"#);
    assert_eq!(payload.len(), bytes);
    payload
}

fn channel(name: &str) -> Channel {
    Channel::parse(name, 200).expect("the name is a literal of this file and keeps the rules")
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("a string becomes JSON")
}

// Frames of the server.

fn encode_event(bytes: usize) -> Run {
    let (channel, data) = (channel("orders-4711"), payload(bytes));
    run(move || {
        Message::event(black_box(&channel), "order-updated", black_box(&data))
            .map(|event| Frame::new(&event))
    })
}

fn encode_sealed(bytes: usize) -> Run {
    let sealed = sealed(&encrypted(), &payload(bytes), &sealing());
    run(move || Frame::new(&Message::sealed("order-updated", None, black_box(&sealed))))
}

fn encode_client_event(bytes: usize) -> Run {
    let (channel, data) = (channel("presence-room-7"), payload(bytes));
    run(move || {
        Message::from_client(black_box(&channel), "client-typing", black_box(&data), Some("u-4711"))
            .map(|event| Frame::new(&event))
    })
}

fn encode_member_added() -> Run {
    let channel = channel("presence-room-7");
    run(move || {
        Frame::new(&Message::member_added(
            black_box(&channel),
            "u-4711",
            black_box(Some(r#"{"name":"Ada"}"#)),
        ))
    })
}

fn encode_subscription_succeeded() -> Run {
    let channel = channel("orders-4711");
    run(move || Form::Pusher.encode(&Message::subscription_succeeded(black_box(&channel), None)))
}

fn encode_connection_established() -> Run {
    let id = SOCKET_ID.parse().expect("two numbers with a dot between them");
    run(move || Form::Pusher.encode(&Message::connection_established(black_box(id), 120)))
}

fn escape_text(text: String) -> Run {
    run(move || Escaped::new(black_box(&text)))
}

// Frames of clients.

const SOCKET_ID: &str = "4503599627370496.2251799813685248";
const AUTH: &str =
    "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
const MEMBER: &str = r#"{"user_id":"u-4711","user_info":{"name":"Ada","picture":"/ada.png"}}"#;

fn subscribe(channel: &str, auth: Option<&str>, channel_data: Option<&str>) -> String {
    let auth = auth.map_or(String::new(), |auth| format!(r#""auth":{},"#, json(auth)));
    let member = channel_data.map_or(String::new(), |d| format!(r#","channel_data":{}"#, json(d)));
    format!(r#"{{"event":"pusher:subscribe","data":{{{auth}"channel":"{channel}"{member}}}}}"#)
}

fn parse_subscribe_private() -> Run {
    parse(subscribe("private-orders-4711", Some(AUTH), None))
}

fn parse_subscribe_presence() -> Run {
    parse(subscribe("presence-room-7", Some(AUTH), Some(MEMBER)))
}

fn parse_subscribe_in_a_string() -> Run {
    let data = format!(r#"{{"auth":"{AUTH}","channel":"private-orders-4711"}}"#);
    parse(format!(r#"{{"event":"pusher:subscribe","data":{}}}"#, json(&data)))
}

fn parse_unsubscribe() -> Run {
    parse(r#"{"event":"pusher:unsubscribe","data":{"channel":"orders-4711"}}"#.into())
}

fn parse_signin() -> Run {
    let user = json(r#"{"id":"u-4711","user_info":{"name":"Ada"}}"#);
    parse(format!(r#"{{"event":"pusher:signin","data":{{"auth":"{AUTH}","user_data":{user}}}}}"#))
}

fn parse(text: String) -> Run {
    let frame = WellFormed::new(&text);
    ClientFrame::parse(&frame, Dialect::Pusher).expect("the frame is a literal of this file");
    Box::new(move || {
        let text = WellFormed::new(black_box(&text));
        let frame = ClientFrame::parse(&text, Dialect::Pusher);
        drop(black_box(frame));
    })
}

fn client_event(data: &str) -> String {
    format!(r#"{{"event":"client-typing","channel":"presence-room-7","data":{data}}}"#)
}

fn parse_client_event(bytes: usize) -> Run {
    parse(client_event(&payload(bytes)))
}

/// With `data` as a string that holds JSON, which is unescaped for the subscribers.
fn parse_client_event_string(bytes: usize) -> Run {
    let text = client_event(&json(&payload(bytes)));
    run(move || match ClientFrame::parse(&WellFormed::new(black_box(&text)), Dialect::Pusher) {
        Ok(ClientFrame::Event(event)) => event.data.map(|data| data_as_text(data).len()),
        other => unreachable!("a client event was parsed as {other:?}"),
    })
}

// WebSocket frames of clients.

/// Frames by their first byte and length. The mask is zero: unmasking costs the same whatever the
/// mask is, and leaves the buffer as it was, so that it can be read again.
fn decode(frames: &[(u8, usize)]) -> Run {
    let mut bytes = Vec::new();
    for (first, length) in frames {
        bytes.push(*first);
        match u16::try_from(*length).expect("no frame here is longer than 64 KiB") {
            short @ ..126 => bytes.push(0x80 | short as u8),
            long => {
                bytes.push(0x80 | 126);
                bytes.extend(long.to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload_or_text(*length).bytes());
    }
    let mut decoder = Decoder::new(64 * 1024);
    run(move || {
        let used = decoder.read(black_box(&mut bytes), |message| {
            assert!(matches!(black_box(message), WsMessage::Text(_) | WsMessage::Fragment));
            true
        });
        assert!(used.is_ok_and(|used| used == bytes.len()));
    })
}

fn decode_fragments() -> Run {
    decode(&[(0x01, 256), (0x00, 256), (0x00, 256), (0x80, 256)])
}

fn payload_or_text(bytes: usize) -> String {
    if bytes < 100 { "t".repeat(bytes) } else { payload(bytes) }
}

// Signatures.

fn private_text() -> String {
    format!("{SOCKET_ID}:private-orders-4711")
}

fn presence_text() -> String {
    format!("{SOCKET_ID}:presence-room-7:{MEMBER}")
}

fn api_text() -> String {
    "POST\n/apps/4711/events\nauth_key=278d425bdf160c739803&auth_timestamp=1700000000&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f".into()
}

fn app_secret() -> AppSecret {
    AppSecret::new(b"7ad3773142a6692b25b8")
}

fn verify(text: &str) -> Run {
    let secret = app_secret();
    let signature = secret.sign(&[text.as_bytes()]).to_hex();
    let text = text.to_owned();
    run(move || {
        let signature = Signature::parse(black_box(&signature)).expect("it was printed by sign");
        assert!(secret.verify(&[black_box(&text).as_bytes()], &signature));
    })
}

fn sign_private() -> Run {
    let (secret, text) = (app_secret(), private_text());
    run(move || secret.sign(&[black_box(&text).as_bytes()]).to_hex())
}

// Sealing.

fn encrypted() -> Channel {
    channel("private-encrypted-orders-4711")
}

fn sealing() -> Sealing {
    let key = MasterKey::from_bytes(array::from_fn(|i| (i * 37 % 251) as u8));
    let table = KeyTable::new(key, 0);
    Sealing::Auto(
        KeyRing::new("app", table, Derivation::Pusher, example_salt(), Padding::None).into(),
    )
}

fn sealed(channel: &Channel, data: &str, sealing: &Sealing) -> Sealed {
    let payload = sealing.admit(channel, data, false).expect("what was sealed here opens");
    let version = Version { key: 1, epoch: 0 };
    sealing.seal(channel, &payload, version).expect("the key is in use")
}

/// The whole work for a publisher's plaintext: its shape is checked, the channel's
/// secret derived, the payload sealed and the envelope written.
fn seal(bytes: usize) -> Run {
    let (channel, sealing, plaintext) = (encrypted(), sealing(), payload(bytes));
    run(move || sealed(black_box(&channel), black_box(&plaintext), &sealing))
}

/// The whole work for a publisher's envelope, which is relayed if it opens.
fn open(bytes: usize) -> Run {
    let (channel, sealing) = (encrypted(), sealing());
    let envelope = sealed(&channel, &payload(bytes), &sealing).envelope().clone();
    run(move || sealed(black_box(&channel), black_box(&envelope), &sealing))
}
