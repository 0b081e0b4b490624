//! Values that Redis keeps, each sealed for one place.

#[cfg(test)]
mod tests;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{
    envelope::{ContentTooLong, MAX_CONTENT, TAG_BYTES},
    key::{ClusterKey, KeyPurpose},
    rejection::ClusterRejection,
};

const VERSION: u8 = 1;

/// Version and nonce.
const HEADER: usize = 1 + NONCE_LEN;

/// The one place at which a value opens.
#[derive(Clone, Copy, Debug)]
pub struct StoredPlace<'a> {
    /// The whole name in Redis.
    pub key: &'a [u8],
    /// Of a hash; empty for other types.
    pub field: &'a [u8],
    /// The generation of a value that must not go back; 0 where there is none.
    pub generation: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness(#[from] getrandom::Error),
    #[error(transparent)]
    TooLong(#[from] ContentTooLong),
}

/// Seals and opens values. Has no `Debug`.
pub struct StoredValues(LessSafeKey);

impl StoredValues {
    pub fn new(key: &ClusterKey) -> Self {
        let key = key.derive(KeyPurpose::State);
        Self(LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM_SIV, &*key).expect("the key has 32 bytes"),
        ))
    }

    pub fn seal(&self, place: StoredPlace<'_>, content: &[u8]) -> Result<Vec<u8>, StoredError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        Ok(self.seal_with(nonce, place, content)?)
    }

    fn seal_with(
        &self,
        nonce: [u8; NONCE_LEN],
        place: StoredPlace<'_>,
        content: &[u8],
    ) -> Result<Vec<u8>, ContentTooLong> {
        if content.len() > MAX_CONTENT {
            return Err(ContentTooLong);
        }
        let mut value = Vec::with_capacity(HEADER + content.len() + TAG_BYTES);
        value.push(VERSION);
        value.extend_from_slice(&nonce);
        value.extend_from_slice(content);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.authenticated()),
                &mut value[HEADER..],
            )
            .expect("the content is far shorter than the cipher's limit");
        value.extend_from_slice(tag.as_ref());
        Ok(value)
    }

    pub fn open(
        &self,
        place: StoredPlace<'_>,
        value: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ClusterRejection> {
        let (version, rest) = value.split_first().ok_or(ClusterRejection::Length)?;
        if *version != VERSION {
            return Err(ClusterRejection::Version);
        }
        let (nonce, sealed) =
            rest.split_first_chunk::<NONCE_LEN>().ok_or(ClusterRejection::Length)?;
        if sealed.len() < TAG_BYTES || sealed.len() > MAX_CONTENT + TAG_BYTES {
            return Err(ClusterRejection::Length);
        }
        let mut content = Zeroizing::new(sealed.to_vec());
        let (nonce, aad) = (Nonce::assume_unique_for_key(*nonce), Aad::from(place.authenticated()));
        let opened = self.0.open_in_place(nonce, aad, &mut content);
        let length = opened.map_err(|_| ClusterRejection::Unauthentic)?.len();
        content.truncate(length);
        Ok(content)
    }
}

impl StoredPlace<'_> {
    /// Prefixes key and field with their lengths, so that different places give different bytes.
    fn authenticated(&self) -> Vec<u8> {
        let parts = [self.key, self.field];
        let length = parts.iter().map(|part| 4 + part.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(1 + length + 8);
        bytes.push(VERSION);
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes
    }
}
