//! Frames and envelopes.

use crate::{
    crypto::{
        encoding::{base64url, from_base64url},
        key::MasterKey,
        keyring::KeyRing,
        keytable::KeyTable,
        padding::Padding,
        sealer::{Payload, Sealing, has_envelope_shape, is_envelope, sealed_bytes},
        secret::Derivation,
        vectors::example_salt,
    },
    domain::channel::Channel,
    protocol::{
        ciphertext::is_ciphertext,
        client::{ClientFrame, data_as_text},
        dialect::Dialect,
        json::is_shallow,
        websocket::{Decoder, WsMessage},
        well_formed::WellFormed,
    },
};

const MESSAGE_BYTES: usize = 300;

/// The decoded frames do not depend on how the bytes are cut.
pub fn websocket(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let whole = decoded(bytes, bytes.len().max(1));
    let cut = decoded(bytes, usize::from(*piece).max(1));
    assert_eq!(whole, cut, "cutting the bytes changes what they say");
}

fn decoded(bytes: &[u8], piece: usize) -> (Vec<String>, Option<u16>) {
    let (mut decoder, mut buffer, mut messages) =
        (Decoder::new(MESSAGE_BYTES), Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        let read = decoder.read(&mut buffer, |message| {
            if let WsMessage::Text(text) = &message {
                assert!(text.len() <= MESSAGE_BYTES);
            }
            messages.push(format!("{message:?}"));
            true
        });
        match read {
            Ok(used) => drop(buffer.drain(..used)),
            Err(close) => return (messages, close.code()),
        }
        assert!(buffer.len() <= MESSAGE_BYTES + 14, "the rest of a frame is bounded");
    }
    (messages, None)
}

/// An accepted frame is a JSON object within the nesting limit.
pub fn client_frame(bytes: &[u8]) {
    let text = super::text(bytes);
    for dialect in [Dialect::Pusher, Dialect::Jetsocket] {
        match ClientFrame::parse(&WellFormed::new(text), dialect) {
            Ok(frame) => {
                assert!(is_shallow(text.as_bytes()), "nested too deep");
                if let ClientFrame::Event(event) = frame {
                    assert!(event.event.starts_with("client-"), "not a client event");
                    let _ = event.data.map(data_as_text);
                }
            }
            Err(error) => assert!(error.to_string().len() < 1000, "a stranger's text at length"),
        }
    }
}

/// A payload that passes for ciphertext is an envelope, or has one text for its bytes, which are not
/// text themselves.
pub fn ciphertext(bytes: &[u8]) {
    let text = super::text(bytes);
    if !is_ciphertext(text) || is_envelope(text) {
        return;
    }
    let text = text.trim_matches('"');
    let parts: Vec<&str> = text.split('.').collect();
    let [iv, rest] = parts[..] else { panic!("one dot") };
    let bytes = [iv, rest].map(|part| from_base64url(part).expect("base64url"));
    assert!(bytes[0].len() == 12 && bytes[1].len() >= 17, "the lengths of a real one");
    assert_eq!(bytes.clone().map(|part| base64url(&part)), [iv, rest], "the canonical text");
    assert!(bytes.concat().iter().any(|byte| !(b' '..=b'~').contains(byte)), "encoded text");
}

/// An accepted payload opens for subscribers, to the same text.
pub fn envelope(bytes: &[u8]) {
    let text = super::text(bytes);
    assert!(!is_envelope(text) || has_envelope_shape(text));
    assert_eq!(is_envelope(text), sealed_bytes(text).is_some());
    let channel = Channel::parse("private-encrypted-x", 200).expect("a channel");
    for padding in [Padding::None, Padding::Buckets] {
        let ring = KeyRing::new(
            "app",
            KeyTable::new(MasterKey::from_bytes([7; 32]), 1),
            Derivation::Pusher,
            example_salt(),
            padding,
        );
        let sealing = Sealing::Auto(ring.into());
        let ring = sealing.keys().expect("it seals");
        let Ok(payload) = sealing.admit(&channel, text, false) else { continue };
        let sealed = sealing.seal(&channel, &payload, ring.target(&channel)).expect("it seals");
        let (_, opened) = ring.open(&channel, sealed.envelope()).expect("it opens");
        if let Payload::Plain(text) = payload {
            assert!(opened.starts_with(text.as_bytes()), "another text");
            assert!(opened[text.len()..].iter().all(|byte| *byte == b' '), "more than padding");
        }
    }
}
