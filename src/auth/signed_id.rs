//! Unguessable ids: `ID.SIGNATURE`, where the app has signed the channel name up to the id. A
//! signature is therefore valid at its own position only.

use crate::crypto::{encoding::from_hex, signature::AppSecret};

/// Half of a SHA-256: names are limited to 200 bytes, and 128 bits cannot be guessed.
const BYTES: usize = 16;
const LABEL: &[u8] = b"sealcast-id:";

pub struct SignedIds(AppSecret);

impl SignedIds {
    pub fn new(secret: AppSecret) -> Self {
        Self(secret)
    }

    /// The channel name: `PREFIX` + `ID` and their signature.
    pub fn name(&self, prefix: &str, id: &str) -> String {
        let signature = self.0.sign(&[LABEL, prefix.as_bytes(), id.as_bytes()]).to_hex();
        format!("{prefix}{id}.{}", &signature[..BYTES * 2])
    }

    /// Strips a signed id from the start of `rest`, which follows `prefix` in a channel name.
    pub fn strip<'a>(&self, prefix: &str, rest: &'a str) -> Option<&'a str> {
        let (id, after) = rest.split_once('.')?;
        let (signature, after) = after.split_at_checked(BYTES * 2)?;
        let signature: [u8; BYTES] = from_hex(signature)?;
        let signed = [LABEL, prefix.as_bytes(), id.as_bytes()];
        (!id.is_empty() && self.0.verify_start(&signed, &signature)).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_id_is_valid_in_its_position_only() {
        let ids = SignedIds::new(AppSecret::new(b"secret"));
        let name = ids.name("private-list-", "42");
        let rest = name.strip_prefix("private-list-").unwrap();
        assert_eq!(ids.strip("private-list-", rest), Some(""));
        assert_eq!(ids.strip("private-list-", &format!("{rest}-x")), Some("-x"));
        assert_eq!(ids.strip("private-other-", rest), None);
        let other = SignedIds::new(AppSecret::new(b"another"));
        assert_eq!(other.strip("private-list-", rest), None);
        let signature = rest.strip_prefix("42.").unwrap();
        for bad in [
            format!("43.{signature}"),
            format!("42.{}", &signature[..31]),
            format!("42.{}", "0".repeat(32)),
            format!(".{signature}"),
            "42".to_owned(),
            "42.".to_owned(),
            String::new(),
        ] {
            assert_eq!(ids.strip("private-list-", &bad), None, "{bad}");
        }
    }

    /// `printf sealcast-id:private-list-42 | openssl dgst -sha256 -hmac it-secret-9b21d4f7e6`
    #[test]
    fn known_vector() {
        let ids = SignedIds::new(AppSecret::new(b"it-secret-9b21d4f7e6"));
        assert_eq!(
            ids.name("private-list-", "42"),
            "private-list-42.00854f5d3489858309a5a3809cd465e3"
        );
    }
}
