//! What the hub asks and tells about logs.

use std::sync::Arc;

use crate::{
    channels::log::Log,
    domain::{channel::Channel, channel_settings::HistorySettings},
};

/// Decides which channels have logs, and hears what becomes of them.
pub trait LogKeeper: Send + Sync {
    fn settings(&self, channel: &Channel) -> Option<Arc<HistorySettings>>;
    fn begun(&self, channel: &Channel, log: &Log);
    /// The log may have lost its oldest events. Called under the lock of the channel's record.
    fn trimmed(&self, channel: &Channel, log: &Log);
    /// Called under the lock of the channel's record: a next log begins later.
    fn ended(&self, channel: &Channel, log: &Log);
}
