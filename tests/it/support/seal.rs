//! Key derivation, sealing, opening and tokens, written from protocol.md 9 and encryption.md 1.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, Nonce, XSalsa20Poly1305};
use serde_json::{Value, json};

use super::{hmac_sha256, sha256};

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn unbase64(text: &str) -> Vec<u8> {
    match STANDARD.decode(text) {
        Ok(bytes) => bytes,
        Err(err) => panic!("{text:?} is not padded standard base64: {err}"),
    }
}

/// A master key, the same in every run and unlike any published example.
pub fn master_key(label: &str) -> [u8; 32] {
    sha256(format!("integration test master key: {label}").as_bytes())
}

/// `SHA-256(channel || key)`, the derivation of nearly every SDK.
pub fn shared_secret(master: &[u8; 32], channel: &str) -> [u8; 32] {
    let mut text = channel.as_bytes().to_vec();
    text.extend_from_slice(master);
    sha256(&text)
}

/// `HMAC-SHA256(key, channel)`, the derivation of the .NET SDK.
pub fn dotnet_secret(master: &[u8; 32], channel: &str) -> [u8; 32] {
    hmac_sha256(master, channel.as_bytes())
}

/// The `data` of an SDK for an encrypted channel.
pub fn seal(secret: &[u8; 32], nonce: [u8; 24], plaintext: &[u8]) -> String {
    let sealed = XSalsa20Poly1305::new(&(*secret).into())
        .encrypt(&Nonce::from(nonce), plaintext)
        .expect("sealing in memory does not fail");
    json!({"nonce": base64(&nonce), "ciphertext": base64(&sealed)}).to_string()
}

/// Opens `data` of an event as strictly as pusher-js; `None` if the key does not fit.
pub fn try_open(secret: &[u8; 32], data: &str) -> Option<Vec<u8>> {
    let envelope: Value = match serde_json::from_str(data) {
        Ok(value) => value,
        Err(err) => panic!("data is not an envelope ({err}): {data:?}"),
    };
    let field = |name: &str| match envelope[name].as_str() {
        Some(text) => unbase64(text),
        None => panic!("no string {name:?} in {data:?}"),
    };
    let (nonce, ciphertext) = (field("nonce"), field("ciphertext"));
    let nonce: [u8; 24] = match nonce.try_into() {
        Ok(nonce) => nonce,
        Err(other) => panic!("nonce of {} bytes in {data:?}", Vec::len(&other)),
    };
    assert!(ciphertext.len() >= 16, "ciphertext of {} bytes in {data:?}", ciphertext.len());
    XSalsa20Poly1305::new(&(*secret).into())
        .decrypt(&Nonce::from(nonce), ciphertext.as_slice())
        .ok()
}

/// Opens `data` and expects the key to fit.
pub fn open(secret: &[u8; 32], data: &str) -> String {
    let plaintext = try_open(secret, data).unwrap_or_else(|| panic!("does not open: {data:?}"));
    String::from_utf8(plaintext).expect("these tests seal text only")
}

/// A signed token; `header` is free so that bad ones can be made.
pub fn token(header: &Value, claims: &Value, secret: &str) -> String {
    token_of(&header.to_string(), &claims.to_string(), secret)
}

/// A signed token from JSON texts.
pub fn token_of(header: &str, claims: &str, secret: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac_sha256(secret.as_bytes(), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The vectors of protocol.md 13: if this fails, the tests are wrong and not the server.
#[test]
fn s13_vectors_hold_for_the_sealing_of_the_tests() {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let rotated: [u8; 32] = std::array::from_fn(|i| 255 - i as u8);
    let nonce: [u8; 24] = std::array::from_fn(|i| 100 + i as u8);
    let channel = "private-encrypted-my-channel";
    let secret = shared_secret(&key, channel);
    assert_eq!(base64(&secret), "H9IhsxDUIQ2admPlZsLa8FXXcogOOUJ7+wA+5vhp/qI=");
    let cached = shared_secret(&key, "private-encrypted-cache-a");
    assert_eq!(base64(&cached), "glt2N1xHtA4nwXvjhvDYt72SBZlpgmjbP8pmgjvN3H4=");
    let second = shared_secret(&rotated, channel);
    assert_eq!(base64(&second), "JkKvpUp/81XL2zGQYcDTwlt4HM4hkp4tyLA9f5c9g1Q=");

    let rows = [
        (
            &secret,
            "{\"message\":\"hello world\",\"n\":1,\"u\":\"héllo ✓\"}",
            "HZSzVhuMPpoli+SBD9xYZd5ui/SFBKBYDbomQvRphTHLIgC31Gi3geLRD/aEBoRWUhFo4Qy+DHgem5XEYKagQg==",
        ),
        (&second, "\"rotated\"", "qEJJQ9fEH3EgKvBUXwI3LJfBPGJcAPm6Qg=="),
        (&secret, "", "N9+dP/FWA14Cj9+VnIE8bQ=="),
    ];
    for (secret, plaintext, wanted) in rows {
        let data = seal(secret, nonce, plaintext.as_bytes());
        let envelope: Value = serde_json::from_str(&data).expect("an object");
        assert_eq!(envelope["ciphertext"], wanted, "{plaintext:?}");
        assert_eq!(envelope["nonce"], "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7");
        assert_eq!(open(secret, &data), plaintext);
    }
    assert_eq!(try_open(&secret, &seal(&second, nonce, b"\"rotated\"")), None);
}
