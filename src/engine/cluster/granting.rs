//! Authorizations on their way to the node of the connection.

use std::sync::Arc;

use crate::{
    auth::{Abilities, access::TokenId},
    cluster::content::{GrantRequest, GrantToken},
    domain::{channel::Channel, ids::SocketId},
    engine::grants::AskedChannel,
    hub::authorization_cache::AuthorizationScope,
};

pub(super) fn request<'a>(socket: SocketId, asked: &'a AskedChannel<'_>) -> GrantRequest<'a> {
    let AuthorizationScope { expires, abilities, token } = &asked.scope;
    GrantRequest {
        socket,
        channel: asked.channel.name(),
        user: asked.user.as_deref(),
        as_of: asked.as_of,
        expires: *expires,
        abilities: abilities.bits(),
        token: token.as_ref().map(|token| GrantToken {
            jti: &token.jti,
            user: &token.user,
            issued: token.issued,
        }),
    }
}

pub(super) fn asked<'a>(channel: &'a Channel, request: &GrantRequest<'_>) -> AskedChannel<'a> {
    let token = request.token.as_ref().map(|token| TokenId {
        jti: token.jti.into(),
        user: token.user.into(),
        issued: token.issued,
    });
    let abilities = Abilities::from_bits(request.abilities);
    AskedChannel {
        channel,
        user: request.user.map(Arc::from),
        as_of: request.as_of,
        scope: AuthorizationScope { expires: request.expires, abilities, token },
    }
}
