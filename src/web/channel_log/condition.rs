//! The condition of an event, in the headers of its request.

use actix_web::http::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};

use super::tag;
use crate::{
    domain::{channel::Channel, refusal::RefusalCode},
    engine::{
        AppRuntime, Engine,
        history::{condition::Condition, outcome::NotPublished},
    },
    history::position::PositionLookup,
    web::http::{error::ApiError, headers::single},
};

#[derive(Debug, PartialEq, Eq)]
pub enum RequestedCondition {
    /// `If-Match: "position"`
    Newest(String),
    /// `If-None-Match: *`
    Empty,
}

impl RequestedCondition {
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let invalid = |message| Err(ApiError::new(RefusalCode::InvalidCondition, message));
        match (single(headers, IF_MATCH)?, single(headers, IF_NONE_MATCH)?) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => invalid("An event has one condition: If-Match or If-None-Match"),
            (Some(value), None) => match tag::position(value) {
                Some(position) => Ok(Some(Self::Newest(position.to_owned()))),
                None => invalid("If-Match takes one position in quotes, such as \"AQ3x...\""),
            },
            (None, Some("*")) => Ok(Some(Self::Empty)),
            (None, Some(_)) => invalid("If-None-Match takes * only: the channel has no event yet"),
        }
    }

    /// A position that does not verify is not the newest one.
    pub fn resolve(&self, engine: &Engine, runtime: &AppRuntime, channel: &Channel) -> Condition {
        let position = match self {
            Self::Empty => return Condition::Empty,
            Self::Newest(position) => position,
        };
        let store = runtime.app().channel_settings(channel).history.map(|history| history.store);
        let place = store.and_then(|s| engine.history.look_up(runtime, channel, s, position));
        Condition::Newest(match place {
            Some(PositionLookup::Named(number)) => Some(number),
            Some(
                PositionLookup::Restarted | PositionLookup::Ambiguous | PositionLookup::NotNamed,
            )
            | None => None,
        })
    }
}

/// The refusal, with the newest position and nothing else of the channel.
pub fn not_published(
    engine: &Engine,
    runtime: &AppRuntime,
    channel: &Channel,
    reason: NotPublished,
) -> ApiError {
    match reason {
        NotPublished::PositionChanged { newest, store } => {
            let position = engine.history.position(runtime, channel, store, newest);
            ApiError::from(reason).with_position(position)
        }
        reason => reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn read(
        headers: &[(HeaderName, &'static str)],
    ) -> Result<Option<RequestedCondition>, ApiError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        RequestedCondition::read(&map)
    }

    #[test]
    fn one_condition_is_read() {
        let newest = |position: &str| Some(RequestedCondition::Newest(position.to_owned()));
        assert_eq!(read(&[]).expect("none"), None);
        assert_eq!(read(&[(IF_MATCH, "\"a\"")]).expect("strong"), newest("a"));
        assert_eq!(read(&[(IF_MATCH, "W/\"a\"")]).expect("weak"), newest("a"));
        let empty = read(&[(IF_NONE_MATCH, "*")]).expect("the other one");
        assert_eq!(empty, Some(RequestedCondition::Empty));
        for headers in [
            &[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "*")][..],
            &[(IF_MATCH, "\"a\", \"b\"")],
            &[(IF_MATCH, "*")],
            &[(IF_MATCH, "a")],
            &[(IF_MATCH, "")],
            &[(IF_NONE_MATCH, "\"a\"")],
        ] {
            let error = read(headers).expect_err("invalid");
            assert_eq!(error.code().name(), "invalid_condition", "{headers:?}");
        }
        let error = read(&[(IF_MATCH, "\"a\""), (IF_MATCH, "\"a\"")]).expect_err("twice");
        assert_eq!(error.code().name(), "duplicate_header");
    }
}
