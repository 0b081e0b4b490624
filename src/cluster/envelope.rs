//! Messages between nodes as Redis sees them: a head in clear, then the sealed content.

#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

pub use head::{EnvelopeHead, EnvelopeKind};

use super::{
    key::{ClusterKey, KeyPurpose},
    names::Incarnation,
    rejection::ClusterRejection,
};
use crate::platform::counting::Count;

pub(super) const TAG_BYTES: usize = 16;

/// The most bytes of content. Redis cuts a reader that is 32 MiB behind.
pub const MAX_CONTENT: usize = 16 * 1024 * 1024;

/// Incarnations whose keys a node keeps at hand. Ten times the nodes of a large cluster.
const MAX_CIPHERS: usize = 4096;

/// The one place at which an envelope opens.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopePlace<'a> {
    pub app: &'a str,
    pub channel: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is longer than {MAX_CONTENT} bytes, the most that one node sends to others at once")]
pub struct ContentTooLong;

/// Seals this node's messages. Has no `Debug`.
pub struct EnvelopeSealer {
    incarnation: Incarnation,
    cipher: LessSafeKey,
    /// One for all partitions: the key is the same in all of them, and the counter is the nonce.
    counter: Count,
}

/// An authentic envelope.
pub struct OpenedEnvelope {
    pub head: EnvelopeHead,
    pub content: Zeroizing<Vec<u8>>,
}

/// Opens messages of all nodes. Has no `Debug`.
pub struct EnvelopeOpener {
    events: Zeroizing<[u8; 32]>,
    ciphers: HashMap<Incarnation, CachedCipher>,
    /// Counts lookups, to find the key that was used longest ago.
    lookups: u64,
}

struct CachedCipher {
    cipher: LessSafeKey,
    used: u64,
}

impl EnvelopeSealer {
    /// Begins another incarnation, and with it another key: counters begin anew.
    pub fn new(key: &ClusterKey) -> Result<Self, getrandom::Error> {
        Ok(Self::of(key, Incarnation::random()?))
    }

    fn of(key: &ClusterKey, incarnation: Incarnation) -> Self {
        let cipher = cipher(&key.derive(KeyPurpose::Events), &incarnation);
        Self { incarnation, cipher, counter: Count::default() }
    }

    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The counter of the envelope that was sealed last.
    pub fn last_counter(&self) -> u64 {
        self.counter.get().saturating_sub(1)
    }

    /// `sent_ms` is Redis' time. Call it under the lock of the lane that sends the message:
    /// receivers refuse a counter that is not above the one before in its partition.
    pub fn seal(
        &self,
        kind: EnvelopeKind,
        place: EnvelopePlace<'_>,
        sent_ms: u64,
        content: &[u8],
    ) -> Result<Vec<u8>, ContentTooLong> {
        if content.len() > MAX_CONTENT {
            return Err(ContentTooLong);
        }
        let counter = self.counter.next();
        let head = EnvelopeHead { kind, sender: self.incarnation, counter, sent_ms }.to_bytes();
        let mut envelope = Vec::with_capacity(head.len() + content.len() + TAG_BYTES);
        envelope.extend_from_slice(&head);
        envelope.extend_from_slice(content);
        let tag = self
            .cipher
            .seal_in_place_separate_tag(
                nonce(counter),
                Aad::from(place.authenticated(&head)),
                &mut envelope[head.len()..],
            )
            .expect("the content is far shorter than the cipher's limit");
        envelope.extend_from_slice(tag.as_ref());
        Ok(envelope)
    }
}

impl EnvelopeOpener {
    pub fn new(key: &ClusterKey) -> Self {
        let events = key.derive(KeyPurpose::Events);
        Self { events, ciphers: HashMap::new(), lookups: 0 }
    }

    /// Says nothing of replays: see `replay`.
    pub fn open(
        &mut self,
        place: EnvelopePlace<'_>,
        envelope: &[u8],
    ) -> Result<OpenedEnvelope, ClusterRejection> {
        let (head, sealed) = EnvelopeHead::split(envelope)?;
        if sealed.len() < TAG_BYTES || sealed.len() > MAX_CONTENT + TAG_BYTES {
            return Err(ClusterRejection::Length);
        }
        let mut content = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(place.authenticated(&head.to_bytes()));
        let nonce = nonce(head.counter);
        let known = self.cached(&head.sender);
        let opened = match known {
            Some(cipher) => cipher.open_in_place(nonce, aad, &mut content).map(|text| text.len()),
            None => {
                let cipher = cipher(&self.events, &head.sender);
                let opened = cipher.open_in_place(nonce, aad, &mut content).map(|text| text.len());
                // Only an authentic sender is remembered: forged ones would drive out the others.
                if opened.is_ok() {
                    self.remember(head.sender, cipher);
                }
                opened
            }
        };
        content.truncate(opened.map_err(|_| ClusterRejection::Unauthentic)?);
        Ok(OpenedEnvelope { head, content })
    }

    fn cached(&mut self, sender: &Incarnation) -> Option<&LessSafeKey> {
        self.lookups += 1;
        let cached = self.ciphers.get_mut(sender)?;
        cached.used = self.lookups;
        Some(&cached.cipher)
    }

    fn remember(&mut self, sender: Incarnation, cipher: LessSafeKey) {
        if self.ciphers.len() >= MAX_CIPHERS {
            let oldest = self.ciphers.iter().min_by_key(|(_, cached)| cached.used);
            if let Some(oldest) = oldest.map(|(sender, _)| *sender) {
                self.ciphers.remove(&oldest);
            }
        }
        self.ciphers.insert(sender, CachedCipher { cipher, used: self.lookups });
    }
}

impl EnvelopePlace<'_> {
    /// Prefixes each text with its length, so that different places give different bytes.
    fn authenticated(&self, head: &[u8; EnvelopeHead::BYTES]) -> Vec<u8> {
        let texts = [self.app, self.channel];
        let length = texts.iter().map(|text| 4 + text.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(head.len() + length);
        bytes.extend_from_slice(head);
        for text in texts {
            bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

fn cipher(events: &[u8; 32], sender: &Incarnation) -> LessSafeKey {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, events)
        .expand(sender.as_bytes(), &mut *key)
        .expect("HKDF gives up to 8160 bytes");
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &*key).expect("the key has 32 bytes"))
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
