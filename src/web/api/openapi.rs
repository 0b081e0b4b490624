//! The signed API in the OpenAPI document.

use serde_json::{Value, json};

use super::{
    caller::CallerView,
    channels::{ChannelList, UserList},
    events::{BatchAnswer, BatchBody},
    explain::ExplainRequest,
    tokens::{MintRequest, RevokeTokensRequest},
    users::RevokeMemberRequest,
};
use crate::{
    auth::access::Minted,
    domain::refusal::RefusalCode::{self, *},
    engine::queries::ChannelInfo,
    observe::explain::Explanation,
    web::{
        channel_log::page::HistoryAnswer,
        context::revoking::RevokedMember,
        openapi::{ApiGroup, ApiOperation, Document, history_parameters, object, text},
        trigger::{Trigger, TriggerAnswer},
    },
};

/// What a published event may be refused with.
const PUBLISHING: [RefusalCode; 22] = [
    InvalidEventName,
    InvalidData,
    InvalidChannels,
    InvalidChannel,
    InvalidSocketId,
    InvalidCondition,
    SealingAlias,
    EventTooLarge,
    MixedChannels,
    EnvelopeForSeveralChannels,
    PlaintextOnEncryptedChannel,
    PlaintextRefused,
    EnvelopeDoesNotOpen,
    AliasWithoutKey,
    TooManyEvents,
    PositionChanged,
    NotLogged,
    HistoryUnavailable,
    Overloaded,
    ClusterAway,
    ClusterBacklog,
    NoRandomness,
];

const ON_A_CHANNEL: [RefusalCode; 3] = [InvalidChannel, SealingAlias, ClusterAway];

fn post(path: &'static str, id: &'static str, summary: &'static str) -> ApiOperation {
    ApiOperation::new(ApiGroup::Signed, ("post", path), id, summary)
}

fn get(path: &'static str, id: &'static str, summary: &'static str) -> ApiOperation {
    ApiOperation::new(ApiGroup::Signed, ("get", path), id, summary)
}

const INFO: &str = "Attributes for the answer, joined by commas: user_count, subscription_count, cache, key. Unknown ones are ignored.";

pub fn describe(document: &mut Document) {
    events(document);
    channels(document);
    history(document);
    users(document);
    others(document);
}

fn events(document: &mut Document) {
    let event = json!({"name": "order-shipped", "channels": ["news"], "data": "{\"id\":1}"});
    document.add(
        post("/apps/{app}/events", "publish", "Publish an event on up to 100 channels, or on none")
            .body::<Trigger<'_>>(event.clone())
            .header("If-Match", "The position of the channel's newest event.")
            .header("If-None-Match", "*: only if the channel has no event.")
            .answer::<TriggerAnswer>(200, "Published.", json!({}))
            .refuses(&PUBLISHING),
    );
    document.add(
        post("/apps/{app}/batch_events", "publish_batch", "Publish up to 10 events, or none")
            .body::<BatchBody<'_>>(json!({"batch": [{"name": "e", "channel": "a", "data": "1"}]}))
            .answer::<BatchAnswer>(
                200,
                "Published. Without info in any event, the object is empty.",
                json!({"batch": [{}]}),
            )
            .refuses(&PUBLISHING)
            .refuses(&[InvalidBatch]),
    );
    document.add(
        post(
            "/apps/{app}/channels/{channel}/events",
            "publish_raw",
            "Publish the body as data (the older form)",
        )
        .raw_body(json!({"application/json": {"schema": {}}, "text/plain": {"schema": text()}}))
        .query("name", "The name of the event.", text())
        .query("socket_id", "This connection gets nothing.", text())
        .schema_answer(202, "Published.", object(), json!({}))
        .refuses(&PUBLISHING),
    );
}

fn channels(document: &mut Document) {
    document.add(
        get("/apps/{app}/channels", "list_channels", "List occupied channels")
            .query("filter_by_prefix", "The beginning of the names.", text())
            .query("info", INFO, text())
            .answer::<ChannelList>(
                200,
                "Without a channel the object is empty.",
                json!({"channels": {"presence-x": {"user_count": 2}}}),
            )
            .refuses(&[InvalidInfo, ClusterAway]),
    );
    document.add(
        get("/apps/{app}/channels/{channel}", "show_channel", "Show one channel")
            .query("info", INFO, text())
            .answer::<ChannelInfo>(200, "The channel.", json!({"occupied": true}))
            .refuses(&ON_A_CHANNEL)
            .refuses(&[InvalidInfo, ReservedChannel]),
    );
    document.add(
        get(
            "/apps/{app}/channels/{channel}/users",
            "list_users",
            "List the users of a presence channel",
        )
        .answer::<UserList>(200, "Distinct ids.", json!({"users": [{"id": "1"}]}))
        .refuses(&ON_A_CHANNEL)
        .refuses(&[NotAPresenceChannel]),
    );
    document.add(
        post(
            "/apps/{app}/channels/{channel}/revoke",
            "revoke_member",
            "Take a member off an encrypted channel",
        )
        .body::<RevokeMemberRequest>(json!({"user_id": "42"}))
        .answer::<RevokedMember>(200, "The channel's new epoch.", json!({"epoch": 1796071109}))
        .refuses(&ON_A_CHANNEL)
        .refuses(&REVOKING),
    );
}

/// What a revocation of a member may be refused with.
const REVOKING: [RefusalCode; 7] = [
    InvalidUserId,
    NotAnEncryptedChannel,
    RevocationOnBlindChannel,
    RevocationNeedsHkdf,
    RevokedUntilRestart,
    ClusterUnacknowledged,
    StateNotWritten,
];

fn history(document: &mut Document) {
    let path = "/apps/{app}/channels/{channel}/history";
    document.add(
        history_parameters(get(path, "read_history", "Read a page of a channel's history"))
            .answer::<HistoryAnswer>(200, "A page.", page())
            .refuses(&ON_A_CHANNEL)
            .refuses(&[NoHistory, InvalidPage, HistoryUnavailable]),
    );
    document.add(
        ApiOperation::new(
            ApiGroup::Signed,
            ("delete", path),
            "clear_history",
            "Forget all events of a channel",
        )
        .other_answer(204, "The history is empty.", None)
        .refuses(&ON_A_CHANNEL)
        .refuses(&[NoHistory, HistoryUnavailable, ClusterBacklog, Overloaded]),
    );
}

fn page() -> Value {
    json!({"events": [{"name": "e", "data": "1", "position": "AAAA", "time": 1796071109000_u64}],
        "more": false, "gap": null, "position": "AAAA"})
}

fn users(document: &mut Document) {
    for (path, id) in [
        ("/apps/{app}/users/{user}/terminate_connections", "terminate_user"),
        ("/users/{user}/terminate_connections", "terminate_user_by_auth_key"),
    ] {
        document.add(
            post(path, id, "Close all connections of a user")
                .schema_answer(200, "They are closed.", object(), json!({}))
                .refuses(&[InvalidUserId, ClusterUnacknowledged]),
        );
    }
    document.add(
        post("/apps/{app}/tokens", "make_token", "Issue an access token")
            .body::<MintRequest>(json!({"user_id": "42", "channels": ["private-*"], "ttl": 600}))
            .answer::<Minted>(
                200,
                "A token.",
                json!({"token": "eyJ...", "expires": 1796071709, "jti": "8Yw2..."}),
            )
            .refuses(&[InvalidUserId, InvalidChannels, InvalidTtl, InvalidOrigin, InvalidAllow])
            .refuses(&[WantedTokenTooLong, NoRandomness]),
    );
    document.add(
        post("/apps/{app}/tokens/revoke", "revoke_tokens", "Revoke one token, or those of a user")
            .body::<RevokeTokensRequest>(json!({"jti": "8Yw2..."}))
            .schema_answer(200, "They are worth nothing from now on.", object(), json!({}))
            .refuses(&[InvalidRevocation, TooManyRevocations, RevokedUntilRestart])
            .refuses(&[ClusterUnacknowledged]),
    );
}

fn others(document: &mut Document) {
    document.add(
        post("/apps/{app}/auth/explain", "explain_auth", "Explain an auth string")
            .body::<ExplainRequest>(
                json!({"auth": "key:...", "socket_id": "1.2", "channel_name": "private-a"}),
            )
            .answer::<Explanation>(
                200,
                "The verdict.",
                json!({"correct": true, "code": "correct", "cause": "the auth string is right",
                    "expected": ["1.2:private-a"], "connected": true}),
            )
            .refuses(&[InvalidSocketId, TooManyParameters]),
    );
    document.add(
        get("/apps/{app}/caller", "show_caller", "Show the request as the server sees it")
            .answer::<CallerView<'_>>(
            200,
            "The request.",
            json!({"address": "192.0.2.7", "peer": "10.0.0.2", "trusted": true,
                    "forwarded": true, "forwarded_header": "x-forwarded-for",
                    "path": "/apps/shop/caller", "path_prefix": "", "origin": null,
                    "time": 1796071109}),
        ),
    );
}
