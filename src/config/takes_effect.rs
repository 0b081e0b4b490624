//! The time when a changed setting takes effect. Each setting names its own in the written form.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TakesEffect {
    #[serde(rename = "at once")]
    AtOnce,
    /// Open connections keep the earlier value.
    #[serde(rename = "for new connections")]
    ForNewConnections,
    #[serde(rename = "after a restart")]
    AfterRestart,
}

impl TakesEffect {
    pub fn words(self) -> &'static str {
        match self {
            Self::AtOnce => "at once",
            Self::ForNewConnections => "for new connections",
            Self::AfterRestart => "after a restart",
        }
    }

    /// True if a running server goes on with the earlier value.
    pub fn waits_for_restart(self) -> bool {
        match self {
            Self::AtOnce | Self::ForNewConnections => false,
            Self::AfterRestart => true,
        }
    }
}
