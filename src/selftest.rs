//! The self-test: known-answer checks of this binary on this machine. It runs at every start,
//! before any socket is opened, because a wrong cipher or a broken random source shows in no other
//! way.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use crypto_secretbox::{
    XSalsa20Poly1305,
    aead::{Aead, KeyInit},
};
use hkdf::Hkdf;
use jsonwebtoken::Algorithm;
use sha2::{Digest, Sha256};

use crate::{
    auth::{
        jwt::InvalidToken,
        keys::{TokenChecks, VerifyingKey},
    },
    crypto::{
        encoding::{from_any_base64, from_hex, hex},
        keyring::KeyRing,
        keytable::KeyTable,
        padding::Padding,
        sealer::Sealing,
        secret::{Context, Derivation, SharedSecret},
        signature::AppSecret,
        vectors::{example_key, example_salt},
    },
    domain::channel::Channel,
    platform::clock::ServerClock,
};

/// A computation and its expected result.
pub struct Check {
    pub name: &'static str,
    actual: fn() -> String,
    expected: &'static str,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the self-test failed: {0}. Do not rely on anything sealed or signed on this machine: reinstall Sealcast, then try another machine (`sealcast selftest` shows every check)"
)]
pub struct SelfTestError(&'static str);

impl Check {
    pub fn holds(&self) -> bool {
        (self.actual)() == self.expected
    }
}

pub fn run(checks: &[Check]) -> Result<(), SelfTestError> {
    match checks.iter().find(|check| !check.holds()) {
        Some(check) => Err(SelfTestError(check.name)),
        None => Ok(()),
    }
}

pub const CHECKS: [Check; 13] = [
    Check {
        name: "SHA-256, two blocks (FIPS 180)",
        actual: || hex(&Sha256::digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
        expected: "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    },
    Check {
        name: "HMAC-SHA256, short key (RFC 4231, case 2)",
        actual: || hmac(b"Jefe", b"what do ya want for nothing?"),
        expected: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    },
    Check {
        name: "HMAC-SHA256, long key (RFC 4231, case 6)",
        actual: || hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
        expected: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    },
    Check {
        name: "HKDF-SHA256 (RFC 5869, case 1)",
        actual: hkdf,
        expected: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    },
    Check {
        name: "secretbox: XSalsa20-Poly1305 (NaCl)",
        actual: secretbox,
        expected: "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
    },
    Check {
        name: "AES-256-GCM-SIV (RFC 8452, C.2)",
        actual: aes_gcm_siv,
        expected: "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28",
    },
    Check {
        name: "shared secret, derivation pusher",
        actual: || shared_secret(Derivation::Pusher),
        expected: "H9IhsxDUIQ2admPlZsLa8FXXcogOOUJ7+wA+5vhp/qI=",
    },
    Check {
        name: "shared secret, derivation dotnet",
        actual: || shared_secret(Derivation::Dotnet),
        expected: "FrBTJn6U3m2ELAygtp1nCWhbfWSOdHxTQiKQJpPcqQk=",
    },
    Check {
        name: "shared secret, derivation hkdf",
        actual: || shared_secret(Derivation::Hkdf),
        expected: "lZs3T54AjgUJ8hkBacSyi8gGzA7ZjHCveGiCN15ZEbQ=",
    },
    Check {
        name: "a sealed payload opens, an altered one does not",
        actual: || format!("{} {}", opens(ENVELOPE), opens(&ENVELOPE.replace("HZSz", "IZSz"))),
        expected: "true false",
    },
    Check {
        name: "what is sealed here opens here, and never looks the same twice",
        actual: sealed_twice,
        expected: "true true",
    },
    Check {
        name: "token, HS256 (RFC 7515, A.1)",
        actual: token,
        expected: "signature good, then bad",
    },
    Check {
        name: "random source",
        actual: || drawn(getrandom::fill).to_owned(),
        expected: TWO_DRAWS,
    },
];

const CHANNEL: &str = "private-encrypted-my-channel";
/// Sealed by PyNaCl and by tweetnacl for this channel, with the key below.
const ENVELOPE: &str = r#"{"nonce":"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7","ciphertext":"HZSzVhuMPpoli+SBD9xYZd5ui/SFBKBYDbomQvRphTHLIgC31Gi3geLRD/aEBoRWUhFo4Qy+DHgem5XEYKagQg=="}"#;

fn hmac(key: &[u8], message: &[u8]) -> String {
    AppSecret::new(key).sign(&[message]).to_hex()
}

fn hkdf() -> String {
    let salt: [u8; 13] = std::array::from_fn(|i| i as u8);
    let info: [u8; 10] = std::array::from_fn(|i| 0xf0 + i as u8);
    let mut okm = [0; 42];
    Hkdf::<Sha256>::new(Some(&salt), &[0x0b; 22])
        .expand(&info, &mut okm)
        .expect("HKDF gives up to 8160 bytes");
    hex(&okm)
}

fn secretbox() -> String {
    const KEY: &str = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
    const NONCE: &str = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";
    const MESSAGE: &str = "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705";
    let (key, nonce) = (from_hex::<32>(KEY), from_hex::<24>(NONCE));
    let (Some(key), Some(nonce), Some(message)) = (key, nonce, from_hex::<131>(MESSAGE)) else {
        return String::new();
    };
    let cipher = XSalsa20Poly1305::new(&key.into());
    let sealed = cipher.encrypt(&nonce.into(), message.as_slice()).unwrap_or_default();
    match cipher.decrypt(&nonce.into(), sealed.as_slice()) {
        Ok(opened) if opened == message => hex(&sealed),
        _ => String::new(),
    }
}

/// For positions and logged events.
fn aes_gcm_siv() -> String {
    let (mut key, mut nonce) = ([0; 32], [0; NONCE_LEN]);
    (key[0], nonce[0]) = (1, 3);
    let message = [1, 0, 0, 0, 0, 0, 0, 0];
    let Ok(key) = UnboundKey::new(&AES_256_GCM_SIV, &key) else { return String::new() };
    let (key, nonce) = (LessSafeKey::new(key), || Nonce::assume_unique_for_key(nonce));
    let mut sealed = message.to_vec();
    if key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).is_err() {
        return String::new();
    }
    let text = hex(&sealed);
    match key.open_in_place(nonce(), Aad::empty(), &mut sealed) {
        Ok(opened) if *opened == message => text,
        _ => String::new(),
    }
}

fn shared_secret(derivation: Derivation) -> String {
    let context = Context { salt: example_salt(), app: "app", channel: CHANNEL, epoch: 3 };
    SharedSecret::derive(derivation, &example_key(), &context).to_base64().to_string()
}

/// The server's own result for a payload on the channel above.
fn admitted(data: &str) -> Option<String> {
    let channel = Channel::parse(CHANNEL, CHANNEL.len()).ok()?;
    let table = KeyTable::new(example_key(), 0);
    let version = table.target(CHANNEL);
    let ring = KeyRing::new("app", table, Derivation::Pusher, example_salt(), Padding::None);
    let sealing = Sealing::Auto(ring.into());
    let payload = sealing.admit(&channel, data, false).ok()?;
    Some(sealing.seal(&channel, &payload, version).ok()?.envelope().to_string())
}

fn opens(envelope: &str) -> bool {
    admitted(envelope).as_deref() == Some(envelope)
}

fn sealed_twice() -> String {
    let (first, second) = (admitted("hello"), admitted("hello"));
    let opens = first.as_deref().is_some_and(opens) && second.as_deref().is_some_and(opens);
    format!("{opens} {}", first != second)
}

/// Uses another HMAC implementation than the other checks. The published token expired in 2011;
/// expiry is checked only after the signature.
fn token() -> String {
    const KEY: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let secret = from_any_base64(KEY).unwrap_or_default();
    let Ok(key) = VerifyingKey::secret(&secret, &[Algorithm::HS256]) else {
        return "no key".to_owned();
    };
    let checks = TokenChecks { issuer: None, audience: None, leeway: 0 };
    let now = ServerClock::default().now();
    let said = |token: &str| match key.verify(token, &checks, now).err() {
        Some(InvalidToken::Expired) => "good",
        Some(InvalidToken::Signature) => "bad",
        _ => "neither",
    };
    format!("signature {}, then {}", said(TOKEN), said(&TOKEN.replace(".dBj", ".eBj")))
}

const TWO_DRAWS: &str = "two draws that differ";

fn drawn<E>(fill: impl Fn(&mut [u8]) -> Result<(), E>) -> &'static str {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    match fill(&mut first).and_then(|()| fill(&mut second)) {
        Err(_) => "no bytes",
        Ok(()) if first == [0; 32] || second == [0; 32] => "zeros",
        Ok(()) if first == second => "the same twice",
        Ok(()) => TWO_DRAWS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_is_the_known_one() {
        for check in &CHECKS {
            assert_eq!((check.actual)(), check.expected, "{}", check.name);
        }
        assert!(run(&CHECKS).is_ok());
    }

    /// Makes each check fail, and expects the run to stop with its name.
    #[test]
    fn wrong_result_is_reported() {
        for wrong in 0..CHECKS.len() {
            let mut checks = CHECKS;
            checks[wrong].expected = "something else";
            assert!(!checks[wrong].holds());
            let error = run(&checks).unwrap_err().to_string();
            assert!(error.contains(checks[wrong].name), "{error}");
        }
    }

    #[test]
    fn broken_random_source_is_reported() {
        let constant = |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok::<(), ()>(())
        };
        assert_eq!(drawn(constant), "the same twice");
        assert_eq!(drawn(|_| Ok::<(), ()>(())), "zeros");
        assert_eq!(drawn(|_| Err(())), "no bytes");
    }
}
