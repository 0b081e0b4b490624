//! Decisions about public channels, which all clients may join.

use crate::{
    app::App,
    auth::{Authorizer, Credentials, Denied, Grant},
    domain::{channel::Channel, refusal::RefusalCode},
    platform::clock::ServerClock,
};

/// A token may give more than joining, if it covers the channel. A token that does not takes nothing
/// away, and one that does not verify is refused.
pub async fn decide(
    app: &App,
    credentials: &Credentials,
    channel: &Channel,
    clock: &ServerClock,
) -> Result<Grant, Denied> {
    let has_token = app.access.find_in(credentials).is_some()
        || (matches!(*app.authorizer, Authorizer::Jwt(_)) && credentials.token().is_some());
    if !has_token {
        return Ok(Grant::PUBLIC);
    }
    match app.decide_channel(credentials, None, channel, clock).await {
        Ok(grant) => Ok(grant.with_public()),
        Err(denied) => match denied.code {
            RefusalCode::ChannelNotCovered | RefusalCode::NoRule => Ok(Grant::PUBLIC),
            _ => Err(denied),
        },
    }
}
