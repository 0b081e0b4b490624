//! Access to the live feed by address.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Addresses from which the feed may be watched with the admin token. The admin socket is local
/// anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LiveFeedAccess {
    /// This machine.
    #[default]
    Loopback,
    /// All machines.
    Anywhere,
    /// None.
    Off,
}
