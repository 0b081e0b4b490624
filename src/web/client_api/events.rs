//! `POST /app/{key}/events`: one event of a page, on one channel.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::reader::own_socket;
use crate::{
    auth::{Ability, Grant},
    crypto::sealer::sealed_bytes,
    domain::{channel::Channel, refusal::RefusalCode},
    engine::event::{PublishedEvent, Publisher},
    protocol::json::{self, string},
    web::{
        channel_log::condition::{RequestedCondition, not_published},
        client::Client,
        http::{
            body::{item, json_text},
            delivery::told,
            error::ApiError,
        },
    },
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRequest<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    /// Kept raw, so that "not a string" gets its own error.
    #[serde(borrow)]
    #[schema(value_type = String)]
    data: &'a RawValue,
    socket_id: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct EventResponse {
    /// `None`: the channel does not log the event.
    position: Option<String>,
}

/// Other names are those of the backend: pages would take an event for its.
const PREFIX: &str = "client-";

pub async fn publish(client: Client, request: HttpRequest) -> HttpResponse {
    let body = match json_text(&client.body) {
        Ok(body) => body,
        Err(error) => return client.answer(Err(error)),
    };
    match item::<EventRequest<'_>>(body.as_str(), "The body") {
        Ok(event) => {
            let published = publish_event(&client, &request, &event).await;
            client.answer_about(Some(&event.channel), published)
        }
        Err(error) => client.answer(Err(error)),
    }
}

async fn publish_event(
    client: &Client,
    request: &HttpRequest,
    event: &EventRequest<'_>,
) -> Result<HttpResponse, ApiError> {
    let condition = RequestedCondition::read(request.headers())?;
    let channel = client.channel(&event.channel)?;
    let grant = client.decide(&channel, Ability::Trigger).await?;
    client.check_event_rate(&grant)?;
    check_user(client, &grant)?;
    check_name(client, &event.name)?;
    let data = data(client, &channel, event.data)?;
    let except = match event.socket_id.as_deref().filter(|id| !id.is_empty()) {
        Some(socket) => Some(own_socket(client, socket, &channel, &grant).await?.0),
        None => None,
    };
    // The user may have been taken off while the connection was looked up.
    client.refuse_revoked(&channel, &grant)?;
    let (engine, runtime, app) = (client.engine(), &client.runtime, &client.app);
    let condition = condition.map(|condition| condition.resolve(engine, runtime, &channel));
    let published = PublishedEvent {
        name: &event.name,
        data: &data,
        channels: vec![channel.clone()],
        except,
        allow_mixed: false,
        publisher: Publisher::Client { user_id: grant.user_id.as_deref() },
        condition,
    };
    let prepared = engine.prepare(runtime, app, vec![published])?;
    let published = engine.publish(runtime, prepared).settled().await;
    let published = published.map_err(|reason| not_published(engine, runtime, &channel, reason))?;
    let place = published.logged.first();
    let position =
        place.map(|place| engine.history.position(runtime, &channel, place.store, place.number));
    let response = HttpResponse::Ok().json(EventResponse { position });
    Ok(told(published.delivery, response))
}

/// Every receiver gets the user id, as on presence channels.
fn check_user(client: &Client, grant: &Grant) -> Result<(), ApiError> {
    let limit = client.app.limits.user_id_chars;
    let length = grant.user_id.as_ref().map_or(0, |user| user.chars().count());
    if length > limit {
        let message = format!(
            "The user id is {length} characters long, the limit is {limit} (limits.user_id_chars)"
        );
        return Err(ApiError::new(RefusalCode::InvalidUserId, message));
    }
    Ok(())
}

fn check_name(client: &Client, name: &str) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::new(RefusalCode::InvalidEventName, message));
    if !name.starts_with(PREFIX) {
        return invalid(format!("The name of a client's event begins with {PREFIX}"));
    }
    let (length, limit) = (name.chars().count(), client.app.limits.event_name_chars);
    if length > limit {
        return invalid(format!(
            "The event's name is {length} characters long, the limit is {limit} (limits.event_name_chars)"
        ));
    }
    Ok(())
}

/// The limit is for plaintext: an envelope is measured by its content.
fn data<'a>(
    client: &Client,
    channel: &Channel,
    raw: &'a RawValue,
) -> Result<Cow<'a, str>, ApiError> {
    let data = string(raw.get()).ok_or_else(|| {
        let message = "The event's data must be a string: send structures as JSON text in a string";
        ApiError::new(RefusalCode::InvalidData, message)
    })?;
    let limit = client.app.limits.client_event_bytes;
    let encrypted = channel.kind().is_encrypted();
    let sealed = if data.len() > limit && encrypted { sealed_bytes(&data) } else { None };
    let size = sealed.unwrap_or(data.len());
    if size > limit {
        let message = format!(
            "The event's data is {size} bytes long, the limit is {limit} (limits.client_event_bytes)"
        );
        return Err(ApiError::too_large(RefusalCode::EventTooLarge, message, size, limit));
    }
    // A string usually holds JSON, which the receivers parse.
    if !json::is_shallow(data.as_bytes()) {
        let message = format!("The event's data is nested deeper than {} levels", json::MAX_DEPTH);
        return Err(ApiError::new(RefusalCode::InvalidData, message));
    }
    Ok(data)
}
