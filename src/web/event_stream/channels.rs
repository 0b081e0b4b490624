//! The channels of a stream, and what its client may do on them.

use actix_web::HttpRequest;

use crate::{
    auth::{
        Ability, Denied, Grant, UserIdentity,
        jwt::InvalidToken,
        tickets::{TicketContent, TicketStream},
    },
    channels::members::Member,
    domain::{channel::Channel, refusal::RefusalCode},
    hub::authorization_cache::AuthorizationScope,
    session::streams::{StreamChannel, StreamGrant},
    web::{
        client::{Client, last_event_id},
        http::error::ApiError,
    },
};

/// A request that may open its stream.
pub struct AdmittedStream {
    pub channels: Vec<StreamChannel>,
    /// The position that the client has shown.
    pub position: Option<String>,
    pub ticket: Option<TicketStream>,
}

/// Decides on all channels. If one of them is refused, all are.
pub async fn admit(client: &Client, request: &HttpRequest) -> Result<AdmittedStream, ApiError> {
    let names: Vec<&str> = named_channels(client).collect();
    let given = client.query_once("last_event_id")?.map(position_of);
    let Some(opened) = client.open_ticket(request).await? else {
        let position = last_event_id(request)?.map(position_of).or(given);
        let channels = decide(client, &names).await?;
        return Ok(AdmittedStream { channels, position, ticket: None });
    };
    let channels = of_ticket(client, &opened.content, &names)?;
    let position = opened.position.or(given);
    Ok(AdmittedStream { channels, position, ticket: Some(opened.stream) })
}

/// The channels of the ticket, or those of them that the request names.
fn of_ticket(
    client: &Client,
    ticket: &TicketContent,
    names: &[&str],
) -> Result<Vec<StreamChannel>, ApiError> {
    let is_in =
        |name: &&&str| ticket.channels.iter().any(|(channel, _)| **channel.name() == ***name);
    if let Some(name) = names.iter().find(|name| !is_in(name)) {
        let message = "The ticket was not made for this channel";
        return Err(ApiError::new(RefusalCode::ChannelNotCovered, message).on_channel(name));
    }
    let is_wanted = |channel: &Channel| names.is_empty() || names.contains(&&**channel.name());
    let wanted = ticket.channels.iter().filter(|(channel, _)| is_wanted(channel));
    wanted.map(|(channel, grant)| stream_channel(client, channel.clone(), grant)).collect()
}

fn named_channels(client: &Client) -> impl Iterator<Item = &str> {
    client.query.iter().filter(|(parameter, _)| *parameter == "channel").map(|(_, name)| name)
}

/// The position in an id, which a ticket's stream ends with a tag.
fn position_of(id: &str) -> String {
    id.split('.').next().unwrap_or_default().to_owned()
}

async fn decide(client: &Client, names: &[&str]) -> Result<Vec<StreamChannel>, ApiError> {
    let wanted = client.channels(names.iter().copied())?;
    let mut channels = Vec::with_capacity(wanted.len());
    let mut is_authorized = client.app.authorization_timeout.is_none();
    for channel in wanted {
        let grant = client.decide(&channel, Ability::Subscribe).await;
        let grant = grant.map_err(|error| error.on_channel(channel.name()))?;
        is_authorized |= channel.kind().needs_authorization() || client.has_verified(&channel);
        channels.push(stream_channel(client, channel, &grant)?);
    }
    // A socket would have to authorize itself in time.
    if !is_authorized {
        return Err(Denied::from(InvalidToken::Missing).into());
    }
    Ok(channels)
}

fn stream_channel(
    client: &Client,
    channel: Channel,
    grant: &Grant,
) -> Result<StreamChannel, ApiError> {
    if !channel.kind().needs_authorization() {
        return Ok(StreamChannel { channel, member: None, grant: None });
    }
    let member = grant.member.as_ref().map(|identity| member_of(client, identity)).transpose();
    let member = member.map_err(|error| error.on_channel(channel.name()))?;
    let &Grant { as_of, expires, abilities, .. } = grant;
    let scope = AuthorizationScope { expires, abilities, token: grant.token.clone() };
    let grant = StreamGrant { user: grant.user_id.as_deref().map(Into::into), as_of, scope };
    Ok(StreamChannel { channel, member, grant: Some(grant) })
}

fn member_of(client: &Client, identity: &UserIdentity) -> Result<Member, ApiError> {
    let data = serde_json::json!({
        "user_id": identity.user_id,
        "user_info": identity.user_info,
    });
    Member::parse(&data.to_string(), client.app.member_limits())
        .map_err(|error| ApiError::new(RefusalCode::InvalidMember, error.to_string()))
}
