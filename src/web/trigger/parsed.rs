//! The trigger of an event, as a backend writes it (protocol.md 7.2): names are parsed once, and sizes
//! are checked.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    app::App,
    crypto::sealer::sealed_bytes,
    domain::{
        channel::Channel,
        ids::{InvalidSocketId, SocketId},
        limits::Limits,
        refusal::RefusalCode,
    },
    engine::{event::PublishedEvent, queries::Attributes},
    protocol::{dialect::is_reserved, json::string},
    web::http::{error::ApiError, query::Query},
};

#[derive(Deserialize, Default, utoipa::ToSchema)]
pub struct Trigger<'a> {
    #[serde(borrow, default)]
    pub name: Option<Cow<'a, str>>,
    /// Kept raw, so that "not a string" gets its own error.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub data: Option<&'a RawValue>,
    #[serde(default)]
    pub channel: Option<String>,
    #[serde(default)]
    pub channels: Option<Vec<String>>,
    #[serde(default)]
    pub socket_id: Option<String>,
    #[serde(default)]
    pub info: Option<String>,
    #[serde(default)]
    pub allow_mixed: bool,
}

/// A trigger with parsed names and checked sizes.
pub struct ParsedEvent<'a> {
    pub name: Cow<'a, str>,
    data: Cow<'a, str>,
    pub channels: Vec<Channel>,
    pub(super) targets: Vec<EventTarget>,
    except: Option<SocketId>,
    pub info: Attributes,
    allow_mixed: bool,
}

/// A channel, with the backend's name for it: its own name or an alias.
pub(super) struct EventTarget {
    pub(super) name: String,
    pub(super) channel: Channel,
}

impl ParsedEvent<'_> {
    pub fn event(&self) -> PublishedEvent<'_> {
        let channels = self.channels.clone();
        PublishedEvent {
            except: self.except,
            allow_mixed: self.allow_mixed,
            ..PublishedEvent::of_backend(&self.name, &self.data, channels)
        }
    }
}

/// Parameters in the URL instead of the body are deprecated, and legal. Returns the data, if the
/// URL contains it.
pub fn fill_from_query<'a>(trigger: &mut Trigger<'_>, query: &'a Query) -> Option<Cow<'a, str>> {
    let owned = |name| query.first(name).map(str::to_owned);
    trigger.name = trigger.name.take().or_else(|| owned("name").map(Cow::Owned));
    trigger.socket_id = trigger.socket_id.take().or_else(|| owned("socket_id"));
    trigger.info = trigger.info.take().or_else(|| {
        let list = query.list("info");
        (!list.is_empty()).then(|| list.join(","))
    });
    if trigger.channel.is_none() && trigger.channels.is_none() {
        trigger.channel = owned("channel");
        let list = query.list("channels");
        trigger.channels =
            (!list.is_empty()).then(|| list.into_iter().map(str::to_owned).collect());
    }
    query.first("data").filter(|_| trigger.data.is_none()).map(Cow::Borrowed)
}

/// `data`: the event's data, if it is not in the trigger itself.
pub fn parse<'a>(
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
        except: except.transpose().map_err(|e: InvalidSocketId| {
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
