//! The channels that a client names.

use super::Client;
use crate::{
    domain::{channel::Channel, refusal::RefusalCode},
    history::position::MAX_CHANNELS as MAX_RECOVERABLE,
    web::http::error::ApiError,
};

/// The channels of one stream.
const MAX_CHANNELS: usize = 100;

impl Client {
    /// A channel of the app's own: nobody reads or writes the channels of users over HTTP.
    pub fn channel(&self, name: &str) -> Result<Channel, ApiError> {
        let channel = self.app.channel(name)?;
        if !channel.kind().is_listed() {
            let message = "Channels of users are joined by signing in";
            return Err(ApiError::new(RefusalCode::ReservedChannel, message));
        }
        Ok(channel)
    }

    /// The channels of a stream, each once.
    pub fn channels<'a>(
        &self,
        names: impl ExactSizeIterator<Item = &'a str>,
    ) -> Result<Vec<Channel>, ApiError> {
        let count = names.len();
        if count == 0 || count > MAX_CHANNELS {
            let message = format!("Name 1 to {MAX_CHANNELS} channels: these are {count}");
            return Err(ApiError::new(RefusalCode::InvalidChannels, message));
        }
        let mut channels: Vec<Channel> = Vec::with_capacity(count);
        for name in names {
            let channel = self.channel(name).map_err(|error| error.on_channel(name))?;
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        let has_history = |channel: &&Channel| self.app.channel_settings(channel).history.is_some();
        let recoverable = channels.iter().filter(has_history).count();
        if recoverable > MAX_RECOVERABLE {
            let message = format!(
                "{recoverable} of the channels have a history, and one stream recovers {MAX_RECOVERABLE} at most: spread them over several streams"
            );
            return Err(ApiError::new(RefusalCode::TooManyRecoverable, message));
        }
        Ok(channels)
    }

    /// A parameter that may be there once.
    pub fn query_once(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.query.iter().filter(|(key, _)| *key == name).map(|(_, value)| value);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => {
                let message = format!("The parameter {name} is given twice");
                Err(ApiError::new(RefusalCode::DuplicateParameter, message))
            }
        }
    }
}
