//! Authorizations on their way to another node.

use std::sync::Arc;

use crate::{
    auth::{Abilities, access::TokenId},
    cluster::content::{GrantRequest, GrantTerms, GrantToken},
    domain::{channel::Channel, ids::SocketId},
    engine::grants::AskedChannel,
    hub::authorization_cache::AuthorizationScope,
};

pub(super) fn request<'a>(socket: SocketId, asked: &'a AskedChannel<'_>) -> GrantRequest<'a> {
    let AuthorizationScope { expires, abilities, token } = &asked.scope;
    let terms = GrantTerms {
        user: asked.user.as_deref(),
        as_of: asked.as_of,
        expires: *expires,
        abilities: abilities.bits(),
        token: token.as_ref().map(written_token),
    };
    GrantRequest { socket, channel: asked.channel.name(), terms }
}

pub(super) fn asked<'a>(channel: &'a Channel, terms: &GrantTerms<'_>) -> AskedChannel<'a> {
    let scope = AuthorizationScope {
        expires: terms.expires,
        abilities: Abilities::from_bits(terms.abilities),
        token: terms.token.as_ref().map(token),
    };
    AskedChannel { channel, user: terms.user.map(Arc::from), as_of: terms.as_of, scope }
}

pub(super) fn written_token(token: &TokenId) -> GrantToken<'_> {
    GrantToken { jti: &token.jti, user: &token.user, issued: token.issued }
}

pub(super) fn token(written: &GrantToken<'_>) -> TokenId {
    TokenId { jti: written.jti.into(), user: written.user.into(), issued: written.issued }
}
