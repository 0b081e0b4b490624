//! How a client may read a channel's log.

use crate::{
    auth::Grant,
    domain::{channel::Channel, ids::SocketId, refusal::RefusalCode},
    engine::history::reading::ReaderView,
    hub::mailbox::FoundReader,
    web::{client::Client, http::error::ApiError},
};

/// With `socket_id` in the query, events of a sealed channel are sealed for the secret of that
/// connection; else for the newest one.
pub async fn view(
    client: &Client,
    channel: &Channel,
    grant: &Grant,
) -> Result<ReaderView, ApiError> {
    let version = match client.query_once("socket_id")? {
        Some(socket) => own_socket(client, socket, channel, grant).await?.1.version,
        None => None,
    };
    let users = grant.user_id.as_deref().into_iter();
    let not_before = client.app.readable_from(channel, users, grant.as_of);
    Ok(ReaderView { version, not_before })
}

/// A live connection of the client: a socket id is known to its own client only, unless it is given
/// away. So the connection must not have been authorized for another user.
pub async fn own_socket(
    client: &Client,
    socket: &str,
    channel: &Channel,
    grant: &Grant,
) -> Result<(SocketId, FoundReader), ApiError> {
    let socket: SocketId = socket.parse().map_err(|e: crate::domain::ids::InvalidSocketId| {
        ApiError::new(RefusalCode::InvalidSocketId, e.to_string())
    })?;
    let found = client.engine().find_reader(&client.runtime, socket, channel).await?;
    match (&found.user, &grant.user_id) {
        (Some(theirs), Some(user)) if **theirs != **user => Err(ApiError::new(
            RefusalCode::UnknownSocket,
            "the connection with that socket_id is of another user",
        )),
        _ => Ok((socket, found)),
    }
}
