//! HMAC-SHA256 under an application's secret (protocol.md 2.3, 5.1, 7.1).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::encoding::{from_hex, hex};

/// An application's secret, kept as the keyed HMAC state: cheaper than keying it for each
/// message, and the secret itself need not stay in memory.
#[derive(Clone)]
pub struct AppSecret(Hmac<Sha256>);

/// Has no `PartialEq`: a signature is only ever compared in constant time, by `AppSecret::verify`.
pub struct Signature([u8; 32]);

impl AppSecret {
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }

    pub fn sign(&self, parts: &[&[u8]]) -> Signature {
        Signature(self.mac(parts).finalize().into_bytes().into())
    }

    pub fn verify(&self, parts: &[&[u8]], signature: &Signature) -> bool {
        self.mac(parts).verify_slice(&signature.0).is_ok()
    }

    /// True if the signature begins with these bytes.
    pub fn verify_start(&self, parts: &[&[u8]], start: &[u8; 16]) -> bool {
        self.mac(parts).verify_truncated_left(start).is_ok()
    }
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppSecret(..)")
    }
}

impl Signature {
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }

    /// For keys derived from the secret.
    pub fn into_bytes(self) -> [u8; 32] {
        self.0
    }

    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_protocol_section_13() {
        let secret = AppSecret::new(b"7ad3773142a6692b25b8");
        for (text, expected) in [
            (
                "1234.1234:private-foobar",
                "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
            ),
            (
                r#"1234.1234:presence-foobar:{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#,
                "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
            ),
            (
                r#"1234.1234::user::{"id":"12345"}"#,
                "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba",
            ),
        ] {
            let (head, tail) = text.split_at(7);
            assert_eq!(
                secret.sign(&[head.as_bytes(), tail.as_bytes()]).to_hex(),
                expected,
                "{text}"
            );
            let signature = Signature::parse(&expected.to_uppercase()).unwrap();
            assert!(secret.verify(&[text.as_bytes()], &signature));
            assert!(!secret.verify(&[text.as_bytes(), b" "], &signature));
        }
    }
}
