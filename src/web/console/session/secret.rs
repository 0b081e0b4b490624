//! Random texts that open something, and their hashes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// SHA-256 of a random text. Its guesser cannot steer it, so that the time of a comparison tells
/// nothing.
#[derive(PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Neither of the two contains a line break.
    pub fn of_both(one: &str, other: &str) -> Self {
        let both = Sha256::new().chain_update(one).chain_update("\n").chain_update(other);
        Self(both.finalize().into())
    }
}

/// `BYTES` random bytes in the alphabet of URLs.
pub fn random_text<const BYTES: usize>() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *bytes)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}
