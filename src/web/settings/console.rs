//! The operator's console: access and reveal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The part of the settings that concerns the console.
#[derive(Clone, Debug, Default)]
pub struct ConsoleSettings {
    pub access: ConsoleAccess,
    pub reveal: RevealPolicy,
    /// True if a proxy ends TLS in front of the operations listener.
    pub behind_tls: bool,
    /// The address of clients, if it is set.
    pub public_url: Option<String>,
}

/// Addresses from which the console may be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleAccess {
    /// None.
    #[default]
    Off,
    /// This machine.
    Local,
    /// All machines, through a proxy that ends TLS.
    Anywhere,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RevealPolicy {
    /// They are never shown.
    #[default]
    Never,
    /// An operator may show those of one channel pattern for some minutes, with a reason.
    Ask,
}

impl RevealPolicy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Ask => "ask",
        }
    }
}
