//! Logs of channels: accepted events come in, readers page through them and resume.

mod awaited;
pub mod condition;
pub mod keeper;
pub mod last;
pub(super) mod logging;
pub mod outcome;
pub mod reading;
pub mod recovery;
mod restore;

use std::sync::Arc;

use recovery::ReaderStart;

use super::{AppRuntime, Engine};
use crate::{
    channels::log::LogNumber,
    domain::{channel::Channel, channel_settings::HistoryStore},
    history::{
        at_rest::AtRestKeys,
        journal::Journal,
        position::{Epoch, Epochs, PositionLookup},
    },
};

/// The stores of all logs.
pub struct HistoryStores {
    pub epochs: Epochs,
    /// The keys of events of channels that are sealed here.
    pub keys: Arc<AtRestKeys>,
    pub journal: Journal,
}

impl HistoryStores {
    /// Without a store on disk.
    pub fn in_memory() -> Self {
        let epoch = || Epoch::random().expect("the operating system gives random bytes");
        let keys = AtRestKeys::ephemeral().expect("the operating system gives random bytes");
        let epochs =
            Epochs { memory: epoch(), disk_behind: epoch(), disk_before: epoch(), redis: epoch() };
        Self { epochs, keys: Arc::new(keys), journal: Journal::Memory }
    }

    /// With a journal, and the keys of its events.
    pub fn with_journal(journal: Journal, epochs: Epochs, keys: AtRestKeys) -> Self {
        Self { epochs, keys: Arc::new(keys), journal }
    }

    /// As a node of a cluster, whose nodes share one epoch.
    pub fn join_cluster(&mut self, epoch: [u8; 5]) {
        self.epochs.redis = Epoch::from_bytes(epoch);
    }

    /// The position of a reader of this channel alone.
    pub fn position(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        store: HistoryStore,
        number: LogNumber,
    ) -> String {
        runtime.app().positions.encode(&self.epochs, &[(channel.name(), store, number)])
    }

    pub fn look_up(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        store: HistoryStore,
        position: &str,
    ) -> Option<PositionLookup> {
        let app = runtime.app();
        let position = app.positions.decode(position)?;
        Some(position.of(&app.positions, channel.name(), store, &self.epochs))
    }
}

impl Engine {
    /// `None` on a channel without a log. Without a position, readers begin now.
    pub fn reader_start(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        position: Option<&str>,
    ) -> Option<ReaderStart> {
        let store = runtime.log_store(channel)?;
        let Some(position) = position else { return Some(ReaderStart::FromNow) };
        let found = self.history.look_up(runtime, channel, store, position);
        Some(found.map_or(ReaderStart::Unknown, ReaderStart::At))
    }
}
