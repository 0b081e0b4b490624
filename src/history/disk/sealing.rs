//! The file shows no name, user or data: records are sealed, and their keys are keyed hashes.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{file::LogId, record::store_code};
use crate::{
    crypto::key::{Fingerprint, MasterKey},
    history::{journal::LogAddress, keys::HistoryKeys},
};

/// Names the format. It is part of each key.
const LABEL: &str = "sealcast history file 1";

const KEY_ID: usize = 6;
const HEADER: usize = KEY_ID + NONCE_LEN;

/// The history keys in the form for the file. The first one seals.
pub struct FileKeys(Vec<FileKey>);

struct FileKey {
    id: [u8; KEY_ID],
    cipher: LessSafeKey,
}

/// A record that does not open.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    #[error("it is sealed with the history key {0}, and this server has others")]
    MissingKey(Fingerprint),
    #[error("it is damaged, or was altered: a record does not open")]
    Altered,
}

impl FileKeys {
    pub fn new(keys: &HistoryKeys) -> Self {
        Self(keys.newest_first().map(FileKey::new).collect())
    }

    /// Key, nonce and ciphertext. `place` is authenticated, so that no record can stand for another.
    pub fn seal(&self, place: &[u8], mut plaintext: Vec<u8>) -> Result<Vec<u8>, getrandom::Error> {
        let key = self.0.first().expect("there is a history key at all times");
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        key.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut plaintext,
            )
            .expect("a record is far shorter than the cipher's limit");
        let mut record = Vec::with_capacity(HEADER + plaintext.len());
        record.extend(key.id);
        record.extend(nonce);
        record.extend(plaintext);
        Ok(record)
    }

    pub fn open(&self, place: &[u8], record: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (id, rest) = record.split_first_chunk::<KEY_ID>().ok_or(Unopened::Altered)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unopened::Altered)?;
        let key = self.0.iter().find(|key| key.id == *id);
        let key = key.ok_or_else(|| Unopened::MissingKey(Fingerprint::from_bytes(*id)))?;
        let mut text = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.cipher.open_in_place(nonce, Aad::from(place), &mut text);
        let length = opened.map_err(|_| Unopened::Altered)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// The fingerprint of the record's key.
    pub fn key_of(record: &[u8]) -> Option<[u8; KEY_ID]> {
        record.first_chunk().copied()
    }

    /// True if the newest key has sealed it.
    pub fn is_newest(&self, record: &[u8]) -> bool {
        self.0.first().is_some_and(|key| record.starts_with(&key.id))
    }
}

impl FileKey {
    fn new(key: &MasterKey) -> Self {
        let bytes = key.derive(LABEL);
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, &*bytes).expect("the key has 32 bytes");
        Self { id: key.fingerprint_bytes(), cipher: LessSafeKey::new(cipher) }
    }
}

/// Hashes names. It stays with the file, while history keys change.
pub struct NameKey(Hmac<Sha256>);

impl NameKey {
    pub fn new(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes a key of any length"))
    }

    pub fn id(&self, log: &LogAddress) -> LogId {
        let LogAddress { app, channel, store } = log;
        let mut mac = self.0.clone();
        mac.update(&[store_code(*store)]);
        // With its length, so that app and channel cannot be taken for others.
        mac.update(&(app.len() as u64).to_be_bytes());
        mac.update(app.as_bytes());
        mac.update(channel.as_bytes());
        let code = mac.finalize().into_bytes();
        std::array::from_fn(|at| code[at])
    }
}
