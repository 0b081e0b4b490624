//! Access to the live feed by address.

use serde::Deserialize;

/// Addresses from which the feed may be watched with the admin token. The admin socket is local
/// anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveFeedAccess {
    #[default]
    Loopback,
    Anywhere,
    Off,
}
