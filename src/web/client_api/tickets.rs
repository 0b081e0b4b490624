//! `POST /app/{key}/tickets`: a URL's worth of permission, for a browser's `EventSource`.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use crate::{
    auth::{
        Ability, Denied,
        jwt::InvalidToken,
        tickets::{TicketContent, UNSPENT},
    },
    domain::time::UnixSeconds,
    platform::clock::unix_now,
    web::{
        client::Client,
        http::{body::json, error::ApiError},
    },
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketRequest {
    channels: Vec<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct TicketResponse<'a> {
    ticket: &'a str,
    /// When it has to be used first.
    expires: UnixSeconds,
}

pub async fn make(client: Client) -> HttpResponse {
    let made = ticket(&client).await;
    client.answer(made)
}

/// For bearers: a foreign page can make a browser send its cookies, and could open streams with
/// what it was given for them.
async fn ticket(client: &Client) -> Result<HttpResponse, ApiError> {
    let bearer = client.credentials.bearer.as_deref();
    let bearer = bearer.ok_or_else(|| ApiError::from(Denied::from(InvalidToken::Missing)))?;
    let TicketRequest { channels: names } = json(&client.body)?;
    let mut channels = Vec::with_capacity(names.len());
    let mut verified = false;
    for channel in client.channels(names.iter().map(String::as_str))? {
        let grant = client.decide(&channel, Ability::Subscribe).await;
        let grant = grant.map_err(|error| error.on_channel(channel.name()))?;
        verified |= client.has_verified(&channel);
        channels.push((channel, grant));
    }
    if !verified {
        return Err(Denied::from(InvalidToken::Missing).into());
    }
    let user = channels.iter().find_map(|(_, grant)| grant.user_id.clone());
    let owner = user.unwrap_or_else(|| client.owner_of(bearer));
    let content = TicketContent { channels, page: client.page().origin() };
    let ticket = client.engine().issue_ticket(&client.runtime, &owner, content)?;
    let expires = unix_now() + UNSPENT.as_secs();
    Ok(HttpResponse::Ok().json(TicketResponse { ticket: &ticket, expires }))
}
