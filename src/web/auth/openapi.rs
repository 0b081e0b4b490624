//! The auth endpoints in the OpenAPI document.

use serde_json::{Value, json};

use super::grants::{ChannelGrant, UserGrant};
use crate::{
    domain::refusal::RefusalCode::{self, *},
    web::openapi::{ApiGroup, ApiOperation, Document},
};

const REFUSED: [RefusalCode; 16] = [
    InvalidForm,
    InvalidSocketId,
    InvalidChannel,
    SealingAlias,
    UnknownSocket,
    NoAuthorizationNeeded,
    InvalidUserInfo,
    InvalidUserId,
    InvalidMember,
    BlindChannel,
    TooManyAuthorizations,
    SecretReplaced,
    UnsupportedMediaType,
    UnknownAuthKey,
    ReservedChannel,
    ClusterUnacknowledged,
];

pub fn describe(document: &mut Document) {
    for (path, id) in [
        ("/apps/{app}/auth/channel", "auth_channel"),
        ("/pusher/auth", "pusher_auth_channel"),
        ("/jetsocket/auth", "jetsocket_auth_channel"),
        ("/broadcasting/auth", "broadcasting_auth_channel"),
    ] {
        document.add(
            endpoint(path, id, "Authorize a connection for a channel", "channel_name")
                .answer::<ChannelGrant>(
                    200,
                    "The client subscribes with it.",
                    json!({"auth": "shop-key:58df8b0c36d6982b"}),
                ),
        );
    }
    for (path, id) in [
        ("/apps/{app}/auth/user", "auth_user"),
        ("/pusher/user-auth", "pusher_auth_user"),
        ("/jetsocket/user-auth", "jetsocket_auth_user"),
        ("/broadcasting/user-auth", "broadcasting_auth_user"),
    ] {
        document.add(endpoint(path, id, "Sign a connection in", "user_id").answer::<UserGrant>(
            200,
            "The client signs in with it.",
            json!({"auth": "shop-key:58df8b0c36d6982b", "user_data": "{\"id\":\"42\"}"}),
        ));
    }
}

fn endpoint(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    second: &str,
) -> ApiOperation {
    ApiOperation::new(ApiGroup::Auth, ("post", path), id, summary)
        .raw_body(body(second))
        .refuses(&REFUSED)
}

/// Other fields belong to the application, or to a signed member.
fn body(second: &str) -> Value {
    let schema = json!({
        "type": "object",
        "required": ["socket_id"],
        "properties": {"socket_id": {"type": "string"}, second: {"type": "string"}},
    });
    json!({
        "application/x-www-form-urlencoded": {"schema": schema},
        "application/json": {"schema": schema},
    })
}
