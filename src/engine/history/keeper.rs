//! Which channels of an app have logs; the journal hears when they begin, lose events and end.

use std::sync::Arc;

use crate::{
    app::App,
    channels::log::Log,
    domain::{
        channel::Channel,
        channel_settings::{HistorySettings, HistoryStore},
    },
    history::journal::{Journal, LogAddress},
    hub::log_keeper::LogKeeper,
};

/// With the app's settings of one moment.
pub(in crate::engine) struct AppLogKeeper {
    pub(in crate::engine) app: Arc<App>,
    pub(in crate::engine) journal: Journal,
}

impl AppLogKeeper {
    /// `None`: the log ends with the server.
    fn address(&self, channel: &Channel, log: &Log) -> Option<LogAddress> {
        let store = log.settings().store;
        let (app, channel) = (self.app.id.clone(), channel.name().clone());
        store.is_on_disk().then_some(LogAddress { app, channel, store })
    }
}

impl LogKeeper for AppLogKeeper {
    fn settings(&self, channel: &Channel) -> Option<Arc<HistorySettings>> {
        // A log in Redis is there alone.
        let settings = self.app.channel_settings(channel).history;
        settings.filter(|settings| settings.store != HistoryStore::Redis)
    }

    fn begun(&self, channel: &Channel, log: &Log) {
        if let Some(address) = self.address(channel, log) {
            self.journal.begin(&address, log.last());
        }
    }

    fn trimmed(&self, channel: &Channel, log: &Log) {
        if let Some(address) = self.address(channel, log) {
            self.journal.trim(&address, log.kept_after());
        }
    }

    fn ended(&self, channel: &Channel, log: &Log) {
        if let Some(address) = self.address(channel, log) {
            self.journal.forget(&address);
        }
    }
}

#[cfg(test)]
mod tests;
