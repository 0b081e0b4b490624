//! The frames of a browser.

use serde::Deserialize;

use crate::{domain::refusal::RefusalCode, web::http::error::ApiError};

/// A number that the page chooses. Frames of a watch carry that of its request.
pub type RequestId = u32;

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct SocketRequest {
    pub id: Option<RequestId>,
    watch: Option<String>,
    stop: Option<RequestId>,
    range: Option<usize>,
    filter: Option<String>,
    app: Option<String>,
    channel: Option<String>,
    minutes: Option<u64>,
    reason: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    Series { range: usize },
    Feed { filter: String },
    Reveal(RevealWish),
    Stop(RequestId),
}

#[derive(Debug, PartialEq, Eq)]
pub struct RevealWish {
    pub app: String,
    pub channel: String,
    pub minutes: u64,
    pub reason: String,
}

impl SocketRequest {
    /// With the number, where it can be read, for the answer.
    pub fn parse(text: &str) -> Result<(RequestId, Wish), (Option<RequestId>, ApiError)> {
        let request: Self = serde_json::from_str(text)
            .map_err(|error| (None, invalid(format!("The frame cannot be read: {error}"))))?;
        let Some(id) = request.id else {
            return Err((None, invalid("The frame has no id, a whole number")));
        };
        request.wish().map(|wish| (id, wish)).map_err(|error| (Some(id), error))
    }

    fn wish(self) -> Result<Wish, ApiError> {
        match (self.watch.as_deref(), self.stop) {
            (None, Some(watch)) => Ok(Wish::Stop(watch)),
            (Some("series"), None) => Ok(Wish::Series { range: self.range.unwrap_or(900) }),
            (Some("feed"), None) => Ok(Wish::Feed { filter: self.filter.unwrap_or_default() }),
            (Some("reveal"), None) => match (self.app, self.channel, self.minutes, self.reason) {
                (Some(app), Some(channel), Some(minutes), Some(reason)) => {
                    Ok(Wish::Reveal(RevealWish { app, channel, minutes, reason }))
                }
                _ => Err(invalid("reveal needs app, channel, minutes and reason")),
            },
            _ => Err(invalid("The frame must have watch (series, feed or reveal) or stop")),
        }
    }
}

pub fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(RefusalCode::InvalidWatch, message)
}
