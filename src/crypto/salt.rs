//! Salts for keys that pages make of passphrases. No secrets: each only has to be another for each
//! app and channel, the same after a restart, and unknown in advance.

use super::signature::AppSecret;

pub type PassphraseSalt = [u8; 16];

/// No text that anybody signs with an app's secret begins with a zero byte.
const LABEL: &[u8] = b"\0sealcast encryption salt 1\0";

/// The salt key is the app secret's HMAC of the label and the app; the salt is its HMAC of the
/// channel's name.
pub fn encryption_salt(secret: &AppSecret, app: &str, channel: &str) -> PassphraseSalt {
    let salt_key = AppSecret::new(&secret.sign(&[LABEL, app.as_bytes()]).into_bytes());
    let whole = salt_key.sign(&[channel.as_bytes()]).into_bytes();
    *whole.first_chunk().expect("a signature has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_differ_by_secret_app_and_channel_and_stay() {
        let of = |secret: &str, app, channel| {
            encryption_salt(&AppSecret::new(secret.as_bytes()), app, channel)
        };
        let salt = of("secret", "1", "private-a");
        assert_eq!(salt, of("secret", "1", "private-a"));
        assert_eq!(crate::crypto::encoding::hex(&salt), "54771a5d0076edd2d27e8f798d73197b");
        for other in [
            of("other", "1", "private-a"),
            of("secret", "2", "private-a"),
            of("secret", "1", "private-b"),
            of("secret", "1p", "rivate-a"),
        ] {
            assert_ne!(salt, other);
        }
    }
}
