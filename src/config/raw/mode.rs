//! The written form of the reading of encrypted channels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawMode {
    /// The server seals plaintext with the master key, and checks envelopes.
    Auto,
    /// The server holds no key and relays envelopes.
    Blind,
}
