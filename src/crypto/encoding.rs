//! Hex and base64 as the protocol writes them: lower-case hex; standard, padded base64. Pages write
//! base64url without padding.

use base64::{Engine, engine::general_purpose};

pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Accepts either case: one client lower-cases the text it forwards.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).map(|d| d as u8);
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(out)
}

pub fn base64(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Accepts the form that clients decode: standard alphabet with padding.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    general_purpose::STANDARD.decode(text).ok()
}

pub fn base64url(bytes: &[u8]) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Accepts the canonical form alone: no padding, and no bits that count for nothing.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}

/// Accepts keys as people paste them: either alphabet, padded or not.
pub fn from_any_base64(text: &str) -> Option<Vec<u8>> {
    let standard: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    general_purpose::STANDARD_NO_PAD.decode(standard).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hex_round_trips(bytes: [u8; 16]) {
            prop_assert_eq!(from_hex::<16>(&hex(&bytes)), Some(bytes));
            prop_assert_eq!(from_hex::<16>(&hex(&bytes).to_uppercase()), Some(bytes));
        }

        #[test]
        fn decoding_never_panics(text in "\\PC{0,80}") {
            let _ = (from_hex::<32>(&text), from_base64(&text), from_any_base64(&text));
        }

        #[test]
        fn base64url_has_one_text_for_bytes(text in "[A-Za-z0-9_=-]{0,12}") {
            if let Some(bytes) = from_base64url(&text) {
                prop_assert_eq!(base64url(&bytes), text);
            }
        }
    }
}
