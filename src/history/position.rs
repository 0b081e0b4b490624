//! Positions in the hands of clients: how far a reader has come in one or several logs.
//!
//! A position is encrypted, so it tells nothing of other channels or of the server's load, and
//! authenticated, so a reader resumes only where some reader has been. Equal positions are equal
//! texts, since they serve as entity tags.
//!
//! Plaintext: a byte with the stores in use; the epoch of each; the newest number; for each channel
//! its hash, its store, and how far its number lies behind the newest. Numbers are variable-length.

use std::{cell::Cell, fmt, sync::Arc};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{channels::log::LogNumber, domain::channel_settings::HistoryStore};

mod fields;

use fields::{FieldReader, write_number};

/// The most channels of one position.
pub const MAX_CHANNELS: usize = 64;

/// The longest text that is decoded.
pub const MAX_TEXT: usize = 1300;

/// Names the format. It is part of the key and of each text's authentication.
const LABEL: &str = "sealcast position 1";

const STORES: usize = 4;

/// The life of a store, as a random number: new whenever the store may have lost what it
/// acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Epoch([u8; 5]);

impl Epoch {
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 5];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub const fn from_bytes(bytes: [u8; 5]) -> Self {
        Self(bytes)
    }

    pub const fn to_bytes(self) -> [u8; 5] {
        self.0
    }
}

/// The epochs of all stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epochs {
    pub memory: Epoch,
    pub disk_behind: Epoch,
    pub disk_before: Epoch,
    /// Of the cluster. It never changes: the numbers in Redis tell what is lost.
    pub redis: Epoch,
}

impl Epochs {
    pub fn of(&self, store: HistoryStore) -> Epoch {
        match store {
            HistoryStore::Memory => self.memory,
            HistoryStore::DiskBehind => self.disk_behind,
            HistoryStore::DiskBefore => self.disk_before,
            HistoryStore::Redis => self.redis,
        }
    }
}

/// Encodes the positions of one app. Changing the app's secret makes all of them unknown.
pub struct PositionKey {
    /// Tells keys apart.
    id: [u8; 8],
    app: Box<str>,
    texts: LessSafeKey,
    names: Hmac<Sha256>,
}

/// A channel of a reader that needs many positions. Its hash is made once, and again when the app's
/// secret has been replaced.
pub struct HashedChannel {
    name: Arc<str>,
    hash: Cell<Option<([u8; 8], [u8; 5])>>,
}

/// A decoded position. Has no `Debug`: it tells of channels.
#[derive(Clone, PartialEq, Eq)]
pub struct Position {
    /// By store. `None`: no channel of this store.
    epochs: [Option<Epoch>; STORES],
    /// In ascending order.
    entries: Vec<PositionEntry>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PositionEntry {
    /// A keyed hash of the name.
    channel: [u8; 5],
    /// The number of `index`.
    store: usize,
    number: LogNumber,
}

/// The place of one channel in a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PositionLookup {
    Named(LogNumber),
    /// Of another epoch, or of a store that the channel has left.
    Restarted,
    /// Two channels of the position have the same hash.
    Ambiguous,
    NotNamed,
}

impl PositionKey {
    pub fn derive(app_secret: &[u8], app: &str) -> Self {
        let mut keys = Zeroizing::new([0; 72]);
        // The label has no NUL, so that label and app cannot be taken for others.
        Hkdf::<Sha256>::new(None, app_secret)
            .expand_multi_info(&[LABEL.as_bytes(), &[0], app.as_bytes()], &mut *keys)
            .expect("HKDF gives up to 8160 bytes");
        let (texts, names, id) = (&keys[..32], &keys[32..64], &keys[64..]);
        let texts = UnboundKey::new(&AES_256_GCM_SIV, texts).expect("the key has 32 bytes");
        Self {
            id: id.try_into().expect("72 bytes less 64 are eight"),
            app: app.into(),
            texts: LessSafeKey::new(texts),
            names: Hmac::new_from_slice(names).expect("HMAC takes a key of any length"),
        }
    }

    /// The position of a reader of these channels, each named once, `MAX_CHANNELS` at most.
    pub fn encode(&self, epochs: &Epochs, channels: &[(&str, HistoryStore, LogNumber)]) -> String {
        let hashed =
            channels.iter().map(|(name, store, number)| (self.hash(name), *store, *number));
        self.encode_entries(epochs, hashed)
    }

    /// The same for a reader that keeps the hashes of its channels.
    pub fn encode_hashed<'a>(
        &self,
        epochs: &Epochs,
        channels: impl ExactSizeIterator<Item = (&'a HashedChannel, HistoryStore, LogNumber)>,
    ) -> String {
        let hashed = channels.map(|(channel, store, number)| (channel.hash(self), store, number));
        self.encode_entries(epochs, hashed)
    }

    fn encode_entries(
        &self,
        epochs: &Epochs,
        channels: impl ExactSizeIterator<Item = ([u8; 5], HistoryStore, LogNumber)>,
    ) -> String {
        debug_assert!(channels.len() <= MAX_CHANNELS);
        let mut position =
            Position { epochs: [None; _], entries: Vec::with_capacity(channels.len()) };
        for (channel, store, number) in channels {
            let at = index(store);
            position.epochs[at] = Some(epochs.of(store));
            position.entries.push(PositionEntry { channel, store: at, number });
        }
        position.entries.sort_unstable();
        self.seal(position.to_bytes())
    }

    /// `None` for all but an exact text of `encode` for this app.
    pub fn decode(&self, text: &str) -> Option<Position> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes = self.texts.open_in_place(nonce(), self.bound(), &mut bytes).ok()?;
        Position::from_bytes(bytes)
    }

    fn seal(&self, mut bytes: Vec<u8>) -> String {
        self.texts
            .seal_in_place_append_tag(nonce(), self.bound(), &mut bytes)
            .expect("a position is far shorter than the cipher's limit");
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn bound(&self) -> Aad<Vec<u8>> {
        Aad::from([LABEL.as_bytes(), &[0], self.app.as_bytes()].concat())
    }

    fn hash(&self, channel: &str) -> [u8; 5] {
        let mut mac = self.names.clone();
        mac.update(channel.as_bytes());
        let code = mac.finalize().into_bytes();
        std::array::from_fn(|at| code[at])
    }
}

impl HashedChannel {
    pub fn new(name: Arc<str>) -> Self {
        Self { name, hash: Cell::new(None) }
    }

    fn hash(&self, key: &PositionKey) -> [u8; 5] {
        match self.hash.get() {
            Some((id, hash)) if id == key.id => hash,
            _ => {
                let hash = key.hash(&self.name);
                self.hash.set(Some((key.id, hash)));
                hash
            }
        }
    }
}

impl fmt::Debug for PositionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PositionKey(..)")
    }
}

impl Position {
    /// The place of a channel whose log is in this store now.
    pub fn of(
        &self,
        key: &PositionKey,
        channel: &str,
        store: HistoryStore,
        epochs: &Epochs,
    ) -> PositionLookup {
        let (hash, store_at) = (key.hash(channel), index(store));
        let start = self.entries.partition_point(|entry| entry.channel < hash);
        let mut named = self.entries[start..].iter().take_while(|entry| entry.channel == hash);
        match (named.next(), named.next()) {
            (None, _) => PositionLookup::NotNamed,
            (Some(_), Some(_)) => PositionLookup::Ambiguous,
            (Some(entry), None) => {
                let epoch = self.epochs[entry.store].filter(|_| entry.store == store_at);
                if epoch == Some(epochs.of(store)) {
                    PositionLookup::Named(entry.number)
                } else {
                    PositionLookup::Restarted
                }
            }
        }
    }

    fn newest(&self) -> u64 {
        self.entries.iter().map(|entry| entry.number.0).max().unwrap_or_default()
    }

    fn to_bytes(&self) -> Vec<u8> {
        // Room for the tag, so that sealing does not move it.
        let mut bytes = Vec::with_capacity(48 + self.entries.len() * 15);
        bytes.push(self.stores());
        self.epochs.iter().flatten().for_each(|epoch| bytes.extend(epoch.0));
        let newest = self.newest();
        write_number(newest, &mut bytes);
        for entry in &self.entries {
            bytes.extend(entry.channel);
            bytes.push(entry.store as u8);
            write_number(newest - entry.number.0, &mut bytes);
        }
        bytes
    }

    /// One bit for each store with an epoch.
    fn stores(&self) -> u8 {
        self.epochs.iter().rev().fold(0, |bits, epoch| bits << 1 | u8::from(epoch.is_some()))
    }

    /// `None` for all but the exact result of `to_bytes`.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let position = Self::read(FieldReader(bytes))?;
        (position.to_bytes() == bytes).then_some(position)
    }

    fn read(mut bytes: FieldReader<'_>) -> Option<Self> {
        let [stores] = bytes.take()?;
        let mut epochs = [None; _];
        for (at, epoch) in epochs.iter_mut().enumerate() {
            if stores >> at & 1 == 1 {
                *epoch = Some(Epoch(bytes.take()?));
            }
        }
        let (newest, mut entries) = (bytes.number()?, Vec::new());
        while !bytes.is_empty() {
            let channel = bytes.take()?;
            let store = usize::from(bytes.take::<1>()?[0]);
            epochs.get(store)?.as_ref()?;
            let number = LogNumber(newest.checked_sub(bytes.number()?)?);
            entries.push(PositionEntry { channel, store, number });
        }
        let used = |at| entries.iter().any(|entry: &PositionEntry| entry.store == at);
        let exact = epochs.iter().enumerate().all(|(at, epoch)| epoch.is_some() == used(at));
        let fits = entries.len() <= MAX_CHANNELS;
        (exact && fits && entries.is_sorted()).then_some(Self { epochs, entries })
    }
}

fn index(store: HistoryStore) -> usize {
    match store {
        HistoryStore::Memory => 0,
        HistoryStore::DiskBehind => 1,
        HistoryStore::DiskBefore => 2,
        HistoryStore::Redis => 3,
    }
}

/// Without a changing nonce equal texts are sealed equally, which is all that this cipher then
/// gives away.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod tests;
