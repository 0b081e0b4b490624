//! Hides the length of a payload within its size bucket (encryption.md 5.4).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::IgnoredAny};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// No padding.
    #[default]
    None,
    /// Appends blanks to JSON, which its readers ignore, up to the next bucket: 64 bytes and their
    /// doubles up to 4 KiB, then every 4 KiB. Other texts are not padded, because their readers
    /// would see the blanks.
    Buckets,
}

const SMALLEST: usize = 64;
const STEP: usize = 4096;

impl Padding {
    pub fn pad(self, plaintext: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::None || serde_json::from_slice::<IgnoredAny>(plaintext).is_err() {
            return Cow::Borrowed(plaintext);
        }
        let mut padded = plaintext.to_vec();
        padded.resize(bucket(plaintext.len()), b' ');
        Cow::Owned(padded)
    }
}

fn bucket(length: usize) -> usize {
    if length <= STEP {
        length.next_power_of_two().max(SMALLEST)
    } else {
        length.next_multiple_of(STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_buckets() {
        for (length, expected) in
            [(0, 64), (64, 64), (65, 128), (4096, 4096), (4097, 8192), (10_240, 12_288)]
        {
            assert_eq!(bucket(length), expected, "{length}");
        }
    }

    proptest! {
        #[test]
        fn only_json_is_padded_and_keeps_its_meaning(text in r#"([0-9]{1,90}|"[a-z ]{0,300}"|[a-z{}]{0,20}|\[[0-9]{1,9}\])"#) {
            let padded = Padding::Buckets.pad(text.as_bytes());
            let value = serde_json::from_str::<serde_json::Value>(&text).ok();
            match value {
                Some(value) => {
                    prop_assert_eq!(padded.len(), bucket(text.len()));
                    prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&padded).unwrap(), value);
                }
                None => prop_assert_eq!(&*padded, text.as_bytes()),
            }
            prop_assert_eq!(&*Padding::None.pad(text.as_bytes()), text.as_bytes());
        }
    }
}
