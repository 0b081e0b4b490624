//! Keys on their way to other servers, wrapped under a master key that both have.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::key::MasterKey;

const LABEL: &[u8] = b"sealcast/1/wrapped key";
const TAG_BYTES: usize = 16;

/// A wrapping key: of one master key, and of a key that all servers share. Who lacks one of them
/// opens nothing.
pub struct Wrapping(LessSafeKey);

impl Wrapping {
    /// `control`: the key that all servers share.
    pub fn new(control: &[u8; 32], under: &MasterKey) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(control), under.expose())
            .expand(LABEL, &mut *key)
            .expect("HKDF gives up to 8160 bytes");
        let key = UnboundKey::new(&AES_256_GCM_SIV, &*key).expect("the key has 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// `place`: the one thing that it opens as.
    pub fn wrap(&self, place: &[u8], secret: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut wrapped = [&nonce[..], secret].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let body = &mut wrapped[NONCE_LEN..];
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(place), body)
            .expect("a key is far shorter than the cipher's limit");
        wrapped.extend_from_slice(tag.as_ref());
        Ok(wrapped)
    }

    pub fn wrap_key(&self, place: &[u8], key: &MasterKey) -> Result<Vec<u8>, getrandom::Error> {
        self.wrap(place, key.expose())
    }

    /// `None` if it was wrapped under another key, for another place, or altered.
    pub fn unwrap<const N: usize>(
        &self,
        place: &[u8],
        wrapped: &[u8],
    ) -> Option<Zeroizing<[u8; N]>> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>()?;
        if sealed.len() != N + TAG_BYTES {
            return None;
        }
        let mut content = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(place), &mut content).ok()?;
        Some(Zeroizing::new(<[u8; N]>::try_from(&*opened).ok()?))
    }

    pub fn unwrap_key(&self, place: &[u8], wrapped: &[u8]) -> Option<MasterKey> {
        self.unwrap(place, wrapped).map(|bytes| MasterKey::from_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_opens_with_both_keys_in_its_place_alone() {
        let key = || MasterKey::generate().unwrap();
        let (under, secret, control) = (key(), key(), [7; 32]);
        let wrapping = Wrapping::new(&control, &under);
        let wrapped = wrapping.wrap_key(b"here", &secret).unwrap();
        let back = wrapping.unwrap_key(b"here", &wrapped).unwrap();
        assert_eq!(back.fingerprint(), secret.fingerprint());
        assert!(wrapping.unwrap_key(b"there", &wrapped).is_none());
        assert!(wrapping.unwrap::<33>(b"here", &wrapped).is_none());
        for other in [Wrapping::new(&[8; 32], &under), Wrapping::new(&control, &key())] {
            assert!(other.unwrap_key(b"here", &wrapped).is_none());
        }
        for at in 0..wrapped.len() {
            let mut altered = wrapped.clone();
            altered[at] ^= 1;
            assert!(wrapping.unwrap_key(b"here", &altered).is_none(), "byte {at}");
            assert!(wrapping.unwrap_key(b"here", &wrapped[..at]).is_none(), "{at} bytes");
        }
        assert_ne!(wrapping.wrap_key(b"here", &secret).unwrap(), wrapped);
    }
}
