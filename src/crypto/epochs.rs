//! Epochs of channels, counted by several servers without asking each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::encoding::{from_hex, hex};

const ID_BYTES: usize = 16;

/// The counter of one state directory. No other server raises it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CounterId([u8; ID_BYTES]);

impl CounterId {
    pub fn random() -> Self {
        let mut bytes = [0; ID_BYTES];
        // A server without random bytes has not begun: its salt needs them too.
        let _ = getrandom::fill(&mut bytes);
        Self(bytes)
    }

    pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl Serialize for CounterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for CounterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        from_hex(&text).map(Self).ok_or_else(|| D::Error::custom("no id of a counter"))
    }
}

/// The counters of one channel. The epoch is their sum: each revocation raises one of them, so that
/// two servers that know nothing of each other's revocation have raised it twice.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochCounters(BTreeMap<CounterId, u64>);

impl EpochCounters {
    pub fn of(counters: impl IntoIterator<Item = (CounterId, u64)>) -> Self {
        Self(counters.into_iter().filter(|(_, count)| *count > 0).collect())
    }

    pub fn sum(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&CounterId, &u64)> {
        self.0.iter()
    }

    /// Raises one counter by one, or to `at_least`.
    pub fn raise(&mut self, counter: CounterId, at_least: u64) {
        let count = self.0.entry(counter).or_default();
        *count = count.saturating_add(1).max(at_least);
    }

    /// Raises one counter until the epoch is at least this one.
    pub fn raise_sum(&mut self, counter: CounterId, epoch: u64) {
        let short = epoch.saturating_sub(self.sum());
        if short > 0 {
            let count = self.0.entry(counter).or_default();
            *count = count.saturating_add(short);
        }
    }

    /// Each counter takes its maximum.
    pub fn merge(&mut self, other: &Self) {
        for (counter, count) in &other.0 {
            let own = self.0.entry(*counter).or_default();
            *own = (*own).max(*count);
        }
    }

    /// The counters that are above those of `known`.
    pub fn beyond(&self, known: Option<&Self>) -> Self {
        let before = |counter| known.and_then(|known| known.0.get(counter)).copied();
        let above = self.0.iter().filter(|(counter, count)| before(counter) < Some(**count));
        Self(above.map(|(counter, count)| (*counter, *count)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
