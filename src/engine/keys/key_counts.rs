//! Subscriptions by key and version.

use std::collections::HashMap;

use super::key_report::RekeyTotals;
use crate::{engine::AppRuntime, hub::rekey::channel_keys::ChannelKeys};

/// Subscriptions to sealed channels.
#[derive(Default)]
pub(in crate::engine) struct KeyCounts {
    /// Those that have to move to their channel's target version.
    pub behind: u32,
    /// By the number of the key.
    pub by_key: HashMap<u32, u32>,
    pub moves: RekeyTotals,
}

impl KeyCounts {
    pub(in crate::engine) fn add(
        &mut self,
        behind: u32,
        by_key: impl IntoIterator<Item = (u32, u32)>,
    ) {
        self.behind = self.behind.saturating_add(behind);
        for (key, count) in by_key {
            let sum = self.by_key.entry(key).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

impl AppRuntime {
    pub(in crate::engine) fn key_counts(&self) -> KeyCounts {
        let moves = (&self.rekey_policy.counts).into();
        let mut sum = KeyCounts { moves, ..KeyCounts::default() };
        self.for_each_sealed(|keys| {
            sum.add(keys.behind(), keys.counts().map(|(version, count)| (version.key, count)));
        });
        sum
    }

    /// Subscriptions still to move to their channel's target version.
    pub fn behind(&self) -> u32 {
        let mut sum = 0;
        self.for_each_sealed(|keys| sum += keys.behind());
        sum
    }

    fn for_each_sealed(&self, mut action: impl FnMut(&ChannelKeys)) {
        for record in self.directory.records() {
            if self.ring(record.channel()).is_some()
                && let Some(locked) = record.enter()
                && let Some(keys) = locked.keys()
            {
                action(keys);
            }
        }
    }
}
