//! Triggers: `POST /events`, `/batch_events` and the older form (protocol.md 7.2, 7.3 and 7.8).

use std::{borrow::Cow, collections::BTreeMap, time::Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::verify::SignedRequest;
use crate::{
    app::App,
    crypto::sealer::sealed_bytes,
    domain::{channel::Channel, ids::SocketId, limits::Limits, refusal::RefusalCode},
    engine::{
        event::PublishedEvent,
        queries::{Attributes, ChannelInfo},
    },
    protocol::{dialect::is_reserved, json::string},
    web::{
        channel_log::condition::{RequestedCondition, not_published},
        http::{
            body::{item, json_text},
            delivery::told,
            error::ApiError,
        },
    },
};

#[derive(Deserialize, Default)]
struct Trigger<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    /// Kept raw, so that "not a string" gets its own error.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    channels: Option<Vec<String>>,
    #[serde(default)]
    socket_id: Option<String>,
    #[serde(default)]
    info: Option<String>,
    #[serde(default)]
    allow_mixed: bool,
}

#[derive(Deserialize)]
struct BatchBody<'a> {
    #[serde(borrow)]
    batch: Vec<&'a RawValue>,
}

/// A trigger with parsed names and checked sizes.
struct ParsedEvent<'a> {
    name: Cow<'a, str>,
    data: Cow<'a, str>,
    channels: Vec<Channel>,
    targets: Vec<EventTarget>,
    except: Option<SocketId>,
    info: Attributes,
    allow_mixed: bool,
}

/// A channel, with the backend's name for it: its own name or an alias.
struct EventTarget {
    name: String,
    channel: Channel,
}

pub async fn trigger(
    signed: SignedRequest,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let body = json_text(&signed.body)?;
    let mut trigger: Trigger<'_> = match body.as_str() {
        "" => Trigger::default(),
        text => item(text, "The body")?,
    };
    let from_query = fill_from_query(&mut trigger, &signed);
    let parsed = parse(trigger, from_query, &signed.app)?;
    record_call(&signed, &parsed);
    within_rate(&signed, std::slice::from_ref(&parsed))?;
    let event = event(&parsed);
    let Some(condition) = RequestedCondition::read(request.headers())? else {
        let prepared = signed.engine().prepare(&signed.runtime, &signed.app, vec![event])?;
        let published = signed.engine().publish(&signed.runtime, prepared).settled().await?;
        return Ok(told(published.delivery, answer(&signed, &parsed, None).await));
    };
    let position = publish_if(&signed, event, &condition).await?;
    Ok(answer(&signed, &parsed, position).await)
}

/// Publishes an event on one channel, if the condition holds. Returns its position.
async fn publish_if(
    signed: &SignedRequest,
    event: PublishedEvent<'_>,
    condition: &RequestedCondition,
) -> Result<Option<String>, ApiError> {
    let (engine, runtime) = (signed.engine(), &signed.runtime);
    let [channel] = &*event.channels else {
        let message = "An event with a condition is for one channel";
        return Err(ApiError::new(RefusalCode::InvalidCondition, message));
    };
    let channel = channel.clone();
    let condition = Some(condition.resolve(engine, runtime, &channel));
    let event = PublishedEvent { condition, ..event };
    let prepared = engine.prepare(runtime, &signed.app, vec![event])?;
    let published = engine.publish(runtime, prepared).settled().await;
    let published = published.map_err(|reason| not_published(engine, runtime, &channel, reason))?;
    let place = published.logged.first();
    Ok(place.map(|place| engine.history.position(runtime, &channel, place.store, place.number)))
}

/// `position`: of an event with a condition.
async fn answer(
    signed: &SignedRequest,
    parsed: &ParsedEvent<'_>,
    position: Option<String>,
) -> HttpResponse {
    #[derive(Serialize)]
    struct TriggerAnswer<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        channels: Option<BTreeMap<&'a str, ChannelInfo>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<String>,
    }
    if parsed.info.is_empty() && position.is_none() {
        return empty();
    }
    let mut channels = (!parsed.info.is_empty()).then(BTreeMap::new);
    if let Some(channels) = &mut channels {
        for target in &parsed.targets {
            let info = info(signed, &target.channel, parsed.info).await;
            channels.insert(&*target.name, info);
        }
    }
    HttpResponse::Ok().json(TriggerAnswer { channels, position })
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
    parsed.iter().for_each(|item| record_call(&signed, item));
    within_rate(&signed, &parsed)?;
    let events = parsed.iter().map(event).collect();
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
            Some(channel) => info(&signed, channel, item.info).await,
            None => ChannelInfo::default(),
        });
    }
    Ok(told(published.delivery, HttpResponse::Ok().json(BTreeMap::from([("batch", infos)]))))
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
    record_call(&signed, &parsed);
    within_rate(&signed, std::slice::from_ref(&parsed))?;
    let prepared = signed.engine().prepare(&signed.runtime, &signed.app, vec![event(&parsed)])?;
    let published = signed.engine().publish(&signed.runtime, prepared).settled().await?;
    Ok(told(published.delivery, HttpResponse::Accepted().json(serde_json::Map::new())))
}

/// Checked before sealing. Every well-formed event counts, delivered or not.
fn within_rate(signed: &SignedRequest, parsed: &[ParsedEvent<'_>]) -> Result<(), ApiError> {
    let count = parsed.iter().map(|event| event.channels.len() as u64).sum();
    let allowed = signed.app.limits.events();
    signed.runtime.events.take(count, allowed, Instant::now()).map_err(|wait| {
        signed.runtime.counts.limited.add("events_per_second");
        ApiError::over_rate(
            RefusalCode::TooManyEvents,
            "events",
            "events_per_second",
            allowed.per_second,
            wait,
        )
    })
}

fn record_call(signed: &SignedRequest, parsed: &ParsedEvent<'_>) {
    signed.call_recorder.event(&parsed.name, &parsed.channels);
}

fn empty() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body("{}")
}

async fn info(signed: &SignedRequest, channel: &Channel, asked: Attributes) -> ChannelInfo {
    signed.engine().known_attributes(&signed.runtime, channel, asked).await
}

fn event<'a>(parsed: &'a ParsedEvent<'a>) -> PublishedEvent<'a> {
    let channels = parsed.channels.clone();
    PublishedEvent {
        except: parsed.except,
        allow_mixed: parsed.allow_mixed,
        ..PublishedEvent::of_backend(&parsed.name, &parsed.data, channels)
    }
}

/// Parameters in the URL instead of the body are deprecated, and legal. Returns the data, if the
/// URL contains it.
fn fill_from_query<'a>(
    trigger: &mut Trigger<'_>,
    signed: &'a SignedRequest,
) -> Option<Cow<'a, str>> {
    let owned = |name| signed.query.first(name).map(str::to_owned);
    trigger.name = trigger.name.take().or_else(|| owned("name").map(Cow::Owned));
    trigger.socket_id = trigger.socket_id.take().or_else(|| owned("socket_id"));
    trigger.info = trigger.info.take().or_else(|| {
        let list = signed.query.list("info");
        (!list.is_empty()).then(|| list.join(","))
    });
    if trigger.channel.is_none() && trigger.channels.is_none() {
        trigger.channel = owned("channel");
        let list = signed.query.list("channels");
        trigger.channels =
            (!list.is_empty()).then(|| list.into_iter().map(str::to_owned).collect());
    }
    signed.query.first("data").filter(|_| trigger.data.is_none()).map(Cow::Borrowed)
}

fn parse_item<'a>(raw: &'a RawValue, app: &App) -> Result<ParsedEvent<'a>, ApiError> {
    let trigger: Trigger<'a> = item(raw.get(), "The event")?;
    if trigger.channels.is_some() {
        let message = "The event has channels; in a batch each event has one channel";
        return Err(ApiError::new(RefusalCode::InvalidBatch, message));
    }
    parse(trigger, None, app)
}

/// `data`: the event's data, if it is not in the trigger itself.
fn parse<'a>(
    trigger: Trigger<'a>,
    data: Option<Cow<'a, str>>,
    app: &App,
) -> Result<ParsedEvent<'a>, ApiError> {
    let limits = &app.limits;
    let name = parse_name(trigger.name, limits)?;
    let data = data.map_or_else(|| parse_data(trigger.data), Ok)?;
    let targets = parse_channels(trigger.channel, trigger.channels, app)?;
    let channels = distinct(&targets);
    check_size(&data, &channels, limits)?;
    let except = trigger.socket_id.filter(|id| !id.is_empty()).map(|id| id.parse());
    Ok(ParsedEvent {
        name,
        data,
        channels,
        targets,
        except: except.transpose().map_err(|e: crate::domain::ids::InvalidSocketId| {
            ApiError::new(RefusalCode::InvalidSocketId, e.to_string())
        })?,
        info: Attributes::parse(trigger.info.as_deref().unwrap_or_default()),
        allow_mixed: trigger.allow_mixed,
    })
}

fn parse_name<'a>(name: Option<Cow<'a, str>>, limits: &Limits) -> Result<Cow<'a, str>, ApiError> {
    let invalid = |message: String| ApiError::new(RefusalCode::InvalidEventName, message);
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| invalid("The event's name is missing".into()))?;
    let length = name.chars().count();
    if length > limits.event_name_chars {
        let limit = limits.event_name_chars;
        return Err(invalid(format!(
            "The event's name is {length} characters long, the limit is {limit} (limits.event_name_chars)"
        )));
    }
    if is_reserved(&name) {
        return Err(invalid(
            "Event names that begin with pusher:, sealcast: or their _internal: forms belong to the protocol".into(),
        ));
    }
    Ok(name)
}

fn parse_data(data: Option<&RawValue>) -> Result<Cow<'_, str>, ApiError> {
    let invalid = |message| ApiError::new(RefusalCode::InvalidData, message);
    let raw = data.ok_or_else(|| invalid("The event's data is missing"))?;
    string(raw.get()).ok_or_else(|| {
        invalid("The event's data must be a string: send structures as JSON text in a string")
    })
}

fn parse_channels(
    one: Option<String>,
    many: Option<Vec<String>>,
    app: &App,
) -> Result<Vec<EventTarget>, ApiError> {
    let invalid = |message: String| ApiError::new(RefusalCode::InvalidChannels, message);
    let names: Vec<String> = match (one, many) {
        (Some(_), Some(_)) => return Err(invalid("Give channel or channels, not both".into())),
        (Some(one), None) => vec![one],
        (None, Some(many)) => many,
        (None, None) => Vec::new(),
    };
    let limit = app.limits.channels_per_event;
    if names.is_empty() || names.len() > limit {
        return Err(invalid(format!(
            "An event goes to 1 to {limit} channels, this one names {} (limits.channels_per_event)",
            names.len()
        )));
    }
    names
        .into_iter()
        .map(|name| Ok(EventTarget { channel: app.published_channel(&name)?, name }))
        .collect()
}

/// Each channel once: names may repeat, and a channel may be named by its alias as well.
fn distinct(targets: &[EventTarget]) -> Vec<Channel> {
    let mut channels: Vec<Channel> = Vec::with_capacity(targets.len());
    for EventTarget { channel, .. } in targets {
        if !channels.contains(channel) {
            channels.push(channel.clone());
        }
    }
    channels
}

/// The limit is for plaintext: an envelope is measured by its content.
fn check_size(data: &str, channels: &[Channel], limits: &Limits) -> Result<(), ApiError> {
    let limit = limits.event_bytes;
    let encrypted = channels.iter().any(|c| c.kind().is_encrypted());
    let sealed = if data.len() > limit && encrypted { sealed_bytes(data) } else { None };
    let size = sealed.unwrap_or(data.len());
    if size <= limit {
        return Ok(());
    }
    let message = format!(
        "The data content of this event exceeds the allowed maximum ({limit} bytes): it is {size} bytes (limits.event_bytes)"
    );
    Err(ApiError::too_large(RefusalCode::EventTooLarge, message, size, limit))
}
