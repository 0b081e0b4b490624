//! Triggers: `POST /events`, `/batch_events` and the older form (protocol.md 7.2, 7.3 and 7.8).

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::verify::SignedRequest;
use crate::{
    app::App,
    domain::refusal::RefusalCode,
    engine::queries::ChannelInfo,
    web::{
        http::{
            body::{item, json_text},
            delivery::told,
            error::ApiError,
        },
        trigger::{ParsedEvent, Trigger, TriggerScope, empty, parse},
    },
};

/// One entry for each event, in their order. Nothing, if no event asks for info.
#[derive(Serialize, ToSchema)]
pub struct BatchAnswer {
    #[schema(required = false)]
    batch: Vec<ChannelInfo>,
}

#[derive(Deserialize, ToSchema)]
pub struct BatchBody<'a> {
    #[serde(borrow)]
    #[schema(value_type = Vec<Trigger>)]
    batch: Vec<&'a RawValue>,
}

fn scope(signed: &SignedRequest) -> TriggerScope<'_> {
    TriggerScope {
        engine: signed.engine(),
        runtime: &signed.runtime,
        app: &signed.app,
        recorder: &signed.call_recorder,
    }
}

pub async fn trigger(
    signed: SignedRequest,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    scope(&signed).trigger(&signed.body, &signed.query, request.headers(), |_| {}).await
}

pub async fn trigger_batch(signed: SignedRequest) -> Result<HttpResponse, ApiError> {
    let limits = &signed.app.limits;
    let body = json_text(&signed.body)?;
    let BatchBody { batch } = item(body.as_str(), "The body")?;
    check_length(batch.len(), limits.batch_events)?;
    let parsed = batch
        .into_iter()
        .enumerate()
        .map(|(index, raw)| parse_item(raw, &signed.app).map_err(|error| error.in_batch(index)))
        .collect::<Result<Vec<_>, _>>()?;
    let scope = scope(&signed);
    parsed.iter().for_each(|item| scope.record_call(item));
    scope.within_rate(&parsed)?;
    let events = parsed.iter().map(ParsedEvent::event).collect();
    let prepared =
        signed.engine().prepare(&signed.runtime, &signed.app, events).map_err(|refused| {
            let index = refused.index;
            let error = ApiError::from(refused);
            match index {
                Some(index) => error.in_batch(index),
                None => error,
            }
        })?;
    let published = signed.engine().publish(&signed.runtime, prepared).settled().await?;
    if parsed.iter().all(|item| item.info.is_empty()) {
        return Ok(told(published.delivery, empty()));
    }
    let mut infos = Vec::with_capacity(parsed.len());
    for item in &parsed {
        infos.push(match item.channels.first() {
            Some(channel) => scope.info(channel, item.info).await,
            None => ChannelInfo::default(),
        });
    }
    Ok(told(published.delivery, HttpResponse::Ok().json(BatchAnswer { batch: infos })))
}

fn check_length(length: usize, limit: usize) -> Result<(), ApiError> {
    let message = match length {
        0 => format!("The batch is empty: send 1 to {limit} events (limits.batch_events)"),
        // The PHP SDK's own tests look for the first three words.
        length if length > limit => format!(
            "Batch too large: it holds {length} events, the limit is {limit} (limits.batch_events)"
        ),
        _ => return Ok(()),
    };
    Err(ApiError::new(RefusalCode::InvalidBatch, message))
}

/// The older form: the body is the data, everything else is in the URL.
pub async fn trigger_raw(
    signed: SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let data = std::str::from_utf8(&signed.body)
        .map_err(|_| ApiError::new(RefusalCode::InvalidData, "The body is not UTF-8"))?;
    let owned = |name| signed.query.first(name).map(str::to_owned);
    let trigger = Trigger {
        name: owned("name").map(Cow::Owned),
        channel: Some(path.into_inner().1),
        socket_id: owned("socket_id"),
        ..Trigger::default()
    };
    let parsed = parse(trigger, Some(data.into()), &signed.app)?;
    let scope = scope(&signed);
    scope.record_call(&parsed);
    scope.within_rate(std::slice::from_ref(&parsed))?;
    let prepared = signed.engine().prepare(&signed.runtime, &signed.app, vec![parsed.event()])?;
    let published = signed.engine().publish(&signed.runtime, prepared).settled().await?;
    Ok(told(published.delivery, HttpResponse::Accepted().json(serde_json::Map::new())))
}

fn parse_item<'a>(raw: &'a RawValue, app: &App) -> Result<ParsedEvent<'a>, ApiError> {
    let trigger: Trigger<'a> = item(raw.get(), "The event")?;
    if trigger.channels.is_some() {
        let message = "The event has channels; in a batch each event has one channel";
        return Err(ApiError::new(RefusalCode::InvalidBatch, message));
    }
    parse(trigger, None, app)
}
