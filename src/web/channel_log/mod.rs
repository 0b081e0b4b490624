//! What the APIs for backends and for clients share about the logs of channels: pages, entity tags
//! and conditions.

pub mod condition;
pub mod page;
pub mod paging;
pub mod tag;

use crate::{
    domain::{channel::Channel, channel_settings::HistoryStore, refusal::RefusalCode},
    engine::AppRuntime,
    web::http::error::ApiError,
};

/// The place of the channel's log.
pub fn store(runtime: &AppRuntime, channel: &Channel) -> Result<HistoryStore, ApiError> {
    let settings = runtime.app().channel_settings(channel).history;
    settings.map(|settings| settings.store).ok_or_else(no_history)
}

pub fn no_history() -> ApiError {
    ApiError::new(RefusalCode::NoHistory, "The channel has no history")
}
