//! Publishing for backends and operators: the same body, checks and answer on the signed API and on
//! the admin API.

mod parsed;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use actix_web::{HttpResponse, http::header::HeaderMap};
use serde::Serialize;
use utoipa::ToSchema;

pub use parsed::{ParsedEvent, Trigger, fill_from_query, parse};

use super::{
    channel_log::condition::{RequestedCondition, not_published},
    context::call_recorder::CallRecorder,
    http::{
        body::{item, json_text},
        delivery::told,
        error::ApiError,
        query::Query,
    },
};
use crate::{
    app::App,
    domain::{channel::Channel, refusal::RefusalCode},
    engine::{
        AppRuntime, Engine,
        event::PublishedEvent,
        queries::{Attributes, ChannelInfo},
    },
};

/// Attributes of the channels, if they were asked for.
#[derive(Serialize, ToSchema)]
pub struct TriggerAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<BTreeMap<String, ChannelInfo>>,
    /// Of an event with a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
}

/// The publisher's app, with the settings of the whole request.
#[derive(Clone, Copy)]
pub struct TriggerScope<'a> {
    pub engine: &'a Arc<Engine>,
    pub runtime: &'a Arc<AppRuntime>,
    pub app: &'a App,
    pub recorder: &'a CallRecorder,
}

impl TriggerScope<'_> {
    /// Publishes the event of one request. `note` runs before it is sent.
    pub async fn trigger(
        self,
        body: &[u8],
        query: &Query,
        headers: &HeaderMap,
        note: impl FnOnce(&ParsedEvent<'_>),
    ) -> Result<HttpResponse, ApiError> {
        let body = json_text(body)?;
        let mut trigger: Trigger<'_> = match body.as_str() {
            "" => Trigger::default(),
            text => item(text, "The body")?,
        };
        let from_query = fill_from_query(&mut trigger, query);
        let parsed = parse(trigger, from_query, self.app)?;
        self.record_call(&parsed);
        self.within_rate(std::slice::from_ref(&parsed))?;
        let Some(condition) = RequestedCondition::read(headers)? else {
            let prepared = self.engine.prepare(self.runtime, self.app, vec![parsed.event()])?;
            note(&parsed);
            let published = self.engine.publish(self.runtime, prepared).settled().await?;
            return Ok(told(published.delivery, self.answer(&parsed, None).await));
        };
        note(&parsed);
        let position = self.publish_if(parsed.event(), &condition).await?;
        Ok(self.answer(&parsed, position).await)
    }

    /// Publishes an event on one channel, if the condition holds. Returns its position.
    async fn publish_if(
        self,
        event: PublishedEvent<'_>,
        condition: &RequestedCondition,
    ) -> Result<Option<String>, ApiError> {
        let Self { engine, runtime, .. } = self;
        let [channel] = &*event.channels else {
            let message = "An event with a condition is for one channel";
            return Err(ApiError::new(RefusalCode::InvalidCondition, message));
        };
        let channel = channel.clone();
        let condition = Some(condition.resolve(engine, runtime, &channel));
        let event = PublishedEvent { condition, ..event };
        let prepared = engine.prepare(runtime, self.app, vec![event])?;
        let published = engine.publish(runtime, prepared).settled().await;
        let published =
            published.map_err(|reason| not_published(engine, runtime, &channel, reason))?;
        let place = published.logged.first();
        Ok(place.map(|place| engine.history.position(runtime, &channel, place.store, place.number)))
    }

    /// `position`: of an event with a condition.
    async fn answer(self, parsed: &ParsedEvent<'_>, position: Option<String>) -> HttpResponse {
        if parsed.info.is_empty() && position.is_none() {
            return empty();
        }
        let mut channels = (!parsed.info.is_empty()).then(BTreeMap::new);
        if let Some(channels) = &mut channels {
            for target in &parsed.targets {
                let info = self.info(&target.channel, parsed.info).await;
                channels.insert(target.name.clone(), info);
            }
        }
        HttpResponse::Ok().json(TriggerAnswer { channels, position })
    }

    pub async fn info(self, channel: &Channel, asked: Attributes) -> ChannelInfo {
        self.engine.known_attributes(self.runtime, channel, asked).await
    }

    /// Checked before sealing. Every well-formed event counts, delivered or not.
    pub fn within_rate(self, parsed: &[ParsedEvent<'_>]) -> Result<(), ApiError> {
        let count = parsed.iter().map(|event| event.channels.len() as u64).sum();
        let allowed = self.app.limits.events();
        self.runtime.events.take(count, allowed, Instant::now()).map_err(|wait| {
            self.runtime.counts.limited.add("events_per_second");
            ApiError::over_rate(
                RefusalCode::TooManyEvents,
                "events",
                "events_per_second",
                allowed.per_second,
                wait,
            )
        })
    }

    pub fn record_call(self, parsed: &ParsedEvent<'_>) {
        self.recorder.event(&parsed.name, &parsed.channels);
    }
}

/// The answer to an event without further questions.
pub fn empty() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body("{}")
}
