//! The tripwire, the last check before delivery: no plaintext on an encrypted channel. Types forbid
//! it already (`Sealed`); this check reads the bytes, so that a fault in the types is found as
//! well. It runs once for each event, not for each subscriber.

use memchr::memmem;

use super::{dialect::Dialect, frame::Frame};
use crate::crypto::sealer::is_envelope;

/// The longest text before the channel, with any event name fully escaped.
const HEAD_BYTES: usize = 2048;
/// Quotes in values are escaped, so that only the key itself matches.
const CHANNEL: &[u8] = br#""channel":"private-encrypted-"#;
const DATA: &[u8] = br#"","data":"#;
const USER: &[u8] = br#","user_id":"#;

/// True if the frame is plaintext on an encrypted channel. The protocol's own events (counts,
/// success) are never sealed.
pub fn is_plaintext_on_encrypted(frame: &[u8]) -> bool {
    let head = &frame[..frame.len().min(HEAD_BYTES)];
    let Some(channel) = memmem::find(head, CHANNEL) else { return false };
    if is_protocol(&frame[..channel]) {
        return false;
    }
    let Some(data) = memmem::find(&frame[channel..], DATA) else { return true };
    let data = &frame[channel + data + DATA.len()..];
    let Some(data) = data.strip_suffix(b"}") else { return true };
    let is_sealed = |data: &[u8]| is_sealed_here(data) || is_relayed(data);
    !(is_sealed(data) || without_user(data).is_some_and(is_sealed))
}

/// The data in front of the user behind a client's event. Quotes in both are escaped, so that the
/// key itself is found.
fn without_user(data: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(data, USER)?;
    let user = &data[at + USER.len()..];
    serde_json::from_slice::<String>(user).ok().map(|_| &data[..at])
}

fn is_protocol(before_channel: &[u8]) -> bool {
    [br#"{"event":"pusher"#.as_slice(), br#"{"event":"jetsocket"#]
        .into_iter()
        .filter_map(|start| {
            let at = memmem::find(before_channel, start)?;
            Some(&before_channel[at + start.len()..])
        })
        .any(|rest| rest.starts_with(b":") || rest.starts_with(b"_internal:"))
}

/// The form of our sealer: only base64 between the marks.
fn is_sealed_here(data: &[u8]) -> bool {
    let sealed = || {
        let rest = data.strip_prefix(br#""{\"nonce\":\""#)?;
        let (nonce, rest) = rest.split_at_checked(32)?;
        let rest = rest.strip_prefix(br#"\",\"ciphertext\":\""#)?;
        let ciphertext = rest.strip_suffix(br#"\"}""#)?;
        Some(is_base64(nonce) && is_base64(ciphertext))
    };
    sealed().unwrap_or(false)
}

/// Checks whole blocks without a branch, so that the compiler vectorizes the loop: long payloads
/// are read here once more.
fn is_base64(bytes: &[u8]) -> bool {
    let is = |b: &u8| {
        ((b | 0x20).wrapping_sub(b'a') < 26)
            | (b.wrapping_sub(b'0') < 10)
            | matches!(b, b'+' | b'/' | b'=')
    };
    bytes.chunks(256).all(|block| block.iter().fold(true, |good, b| good & is(b)))
}

/// The forms of the SDKs.
fn is_relayed(data: &[u8]) -> bool {
    serde_json::from_slice::<String>(data).is_ok_and(|text| is_envelope(&text))
}

/// The same check for a frame.
pub fn leaks_plaintext(frame: &Frame) -> bool {
    is_plaintext_on_encrypted(frame.in_dialect(Dialect::Pusher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEALED: &str = r#""{\"nonce\":\"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7\",\"ciphertext\":\"N9+dP/FWA14Cj9+VnIE8bQ==\"}""#;
    const RELAYED: &str = r#""{ \"ciphertext\" : \"N9+dP\\/FWA14Cj9+VnIE8bQ==\", \"nonce\":\"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7\"}""#;

    fn frame(event: &str, channel: &str, data: &str) -> Vec<u8> {
        let event = serde_json::to_string(event).unwrap();
        format!(r#"~~~~{{"event":{event},"channel":"{channel}","data":{data}}}"#).into_bytes()
    }

    #[test]
    fn only_envelopes_pass_on_encrypted_channels() {
        for (event, channel, data, clear) in [
            ("e", "private-encrypted-a", SEALED, false),
            ("e", "private-encrypted-a", RELAYED, false),
            ("e", "private-encrypted-a", r#""hello""#, true),
            ("e", "private-encrypted-a", r#""{\"nonce\":\"x\",\"ciphertext\":\"y\"}""#, true),
            ("e", "private-encrypted-a", &SEALED.replace("N9+d", "N9 d"), true),
            ("e", "private-encrypted-a", &SEALED.replace("==", "==\\\",\\\"more\\\":\\\"x"), true),
            ("e", "private-encrypted-a", "{}", true),
            ("e", "private-encrypted-a", &format!(r#"{SEALED},"user_id":"7\"é""#), false),
            ("e", "private-encrypted-a", &format!(r#"{RELAYED},"user_id":"7""#), false),
            ("e", "private-encrypted-a", r#""hello","user_id":"7""#, true),
            ("e", "private-encrypted-a", &format!(r#"{SEALED},"user_id":"7","more":"x""#), true),
            ("e", "private-encrypted-a", &format!(r#"{SEALED},"user_id":7"#), true),
            ("e", "private-encrypted-a", &format!(r#"{SEALED},"more":"x","user_id":"7""#), true),
            ("e", "private-a", r#""hello""#, false),
            ("pusher_internal:subscription_count", "private-encrypted-a", r#""{}""#, false),
            ("jetsocket:cache_miss", "private-encrypted-a", r#""{}""#, false),
            ("pushers", "private-encrypted-a", r#""{}""#, true),
            ("say \"pusher:x", "private-encrypted-a", r#""{}""#, true),
        ] {
            assert_eq!(
                is_plaintext_on_encrypted(&frame(event, channel, data)),
                clear,
                "{event} {channel} {data}"
            );
        }
    }

    proptest! {
        #[test]
        fn event_name_cannot_hide_the_channel(event in "\\PC{0,200}", data in "\\PC{0,50}") {
            let data = serde_json::to_string(&data).unwrap();
            let event = format!("x{event}");
            prop_assert!(is_plaintext_on_encrypted(&frame(&event, "private-encrypted-a", &data)));
            prop_assert!(!is_plaintext_on_encrypted(&frame(&event, "private-a", &data)));
        }

        #[test]
        fn any_bytes_never_panic(bytes: Vec<u8>) {
            let _ = is_plaintext_on_encrypted(&bytes);
        }
    }
}
