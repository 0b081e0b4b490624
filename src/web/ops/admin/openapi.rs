//! The admin API in the OpenAPI document.

use serde_json::{Value, json};

use super::{
    AppList, EmptyBody, RevokeResponse, RotateRequest, RotateResponse, authorization,
    channel_actions::{ClearedEvent, RevokeMember},
    channels,
    config::ConfigAnswer,
    connections::{Disconnect, Disconnected},
    nodes::DrainAnswer,
    paging::MAX_PAGE,
    reload::ReloadAnswer,
    webhooks::{Deliveries, Discard, TestResults, WebhookTestRequest},
};
use crate::{
    app::auth_report::AuthReport,
    domain::refusal::RefusalCode::{self, *},
    engine::{
        cluster::nodes::NodeList,
        inspection::{
            channel::ChannelDetail,
            channels::ChannelPage,
            connections::{ConnectionRows, ConnectionView},
        },
        keys::key_report::KeyReport,
    },
    observe::{
        audit::{AuditPage, MAX_RECENT},
        explain::{AnswerReport, Explanation},
        webhook::{Discarded, LetterSelector, ReplayReport, WebhookReport},
    },
    web::{
        channel_log::page::HistoryAnswer,
        context::revoking::RevokedMember,
        openapi::{ApiGroup, ApiOperation, Document, history_parameters, integer, object, text},
        trigger::{Trigger, TriggerAnswer},
    },
};

fn get(path: &'static str, id: &'static str, summary: &'static str) -> ApiOperation {
    ApiOperation::new(ApiGroup::Admin, ("get", path), id, summary)
}

fn post(path: &'static str, id: &'static str, summary: &'static str) -> ApiOperation {
    ApiOperation::new(ApiGroup::Admin, ("post", path), id, summary)
}

fn paged(operation: ApiOperation) -> ApiOperation {
    operation
        .query("after", "The value of next in the page before.", text())
        .query("limit", "Entries in the page.", integer(1, MAX_PAGE as u64))
        .refuses(&[InvalidLimit, Overloaded, ClusterAway])
}

pub fn describe(document: &mut Document) {
    server(document);
    keys(document);
    authorizations(document);
    list_channels(document);
    change_channels(document);
    connections(document);
    events(document);
    webhooks(document);
}

fn server(document: &mut Document) {
    document.add(get("/admin/apps", "admin_apps", "List the apps").answer::<AppList>(
        200,
        "By id.",
        json!({"apps": [{"id": "shop"}]}),
    ));
    document.add(
        get("/admin/config", "admin_config", "Show the configuration, with secrets masked")
            .answer::<ConfigAnswer<'_>>(
            200,
            "The last reading.",
            json!({"settings": [], "waits_for_restart": [], "last_reload": null}),
        ),
    );
    document.add(
        post("/admin/reload", "admin_reload", "Read the configuration again")
            .optional_body::<EmptyBody>(json!({}))
            .answer::<ReloadAnswer>(
                200,
                "It is in force.",
                json!({"applied": ["log"], "waits_for_restart": []}),
            )
            .refuses(&[ConfigRefused, ShuttingDown, Overloaded]),
    );
    document.add(
        get("/admin/audit", "admin_audit", "List the newest audit facts")
            .query("limit", "Facts in the answer.", integer(1, MAX_RECENT as u64))
            .answer::<AuditPage>(
                200,
                "The newest first.",
                json!({"facts": [], "last_hash": null, "file": false}),
            )
            .refuses(&[InvalidLimit]),
    );
    document.add(get("/admin/nodes", "admin_nodes", "List the nodes").answer::<NodeList>(
        200,
        "The answering node first.",
        json!({"cluster": false, "nodes": [{"node": "self", "this": true, "version": "0.1.0",
            "ready": true, "connections": 4211, "since": 1796071109, "seen_seconds": 0.0,
            "keys_agree": true, "draining": false}]}),
    ));
    document.add(
        post("/admin/nodes/{node}/drain", "admin_drain", "End a node, as SIGTERM does")
            .optional_body::<EmptyBody>(json!({}))
            .answer::<DrainAnswer>(200, "It has begun to end.", json!({"draining": true}))
            .refuses(&[UnknownNode, Overloaded]),
    );
    document.add(
        get("/ops/live", "live_feed", "Watch what happens, on a WebSocket")
            .other_answer(101, "Entries as JSON texts.", None)
            .refuses(&[UpgradeRequired, BadHandshake, UnknownFilter, TooManyWatchers])
            .refuses(&[LiveFeedRefused, LiveFeedOrigin, ShuttingDown]),
    );
    document.add(
        get("/stats", "stats", "Show figures of the server, without names")
            .without_token()
            .schema_answer(200, "The figures.", object(), json!({"sockets": 4211})),
    );
}

fn keys(document: &mut Document) {
    document.add(
        get("/admin/apps/{app}/keys", "admin_keys", "List the keys of an app")
            .answer::<KeyReport>(200, "The oldest first.", key_report())
            .refuses(&[NoKeys]),
    );
    document.add(
        post("/admin/apps/{app}/keys/rotate", "admin_rotate", "Rotate the key of an app")
            .optional_body::<RotateRequest>(json!({}))
            .answer::<RotateResponse>(
                200,
                "The next key.",
                json!({"id": "310d0c348ad5", "state": "active"}),
            )
            .refuses(&[InvalidSeconds, InvalidKey, NoKeys, SameKey, KnownKey, KeyPending])
            .refuses(&[RotationInProgress, SharedKey, StateNotWritten, ClusterAway, KeyRetired])
            .refuses(&[ClusterUnacknowledged, NoRandomness]),
    );
    document.add(
        post("/admin/apps/{app}/keys/{id}/revoke", "admin_revoke_key", "Revoke a key")
            .optional_body::<EmptyBody>(json!({}))
            .answer::<RevokeResponse>(
                200,
                "The key that is active now.",
                json!({"revoked": "310d0c348ad5", "active": "9f1c2f0b7a11"}),
            )
            .refuses(&[NoKeys, UnknownKey, KeyRetired, RotationInProgress, StateNotWritten])
            .refuses(&[ClusterAway, ClusterUnacknowledged, NoRandomness]),
    );
}

fn key_report() -> Value {
    json!({"app": "shop", "derivation": "hkdf", "keys": [{"id": "310d0c348ad5", "state": "active",
        "since": 1796071109, "subscriptions": 4}], "rotation": {"in_progress": false,
        "remaining": 0, "nudges": 0, "reauthorized": 0, "reverted": 0, "closed": 0}})
}

fn authorizations(document: &mut Document) {
    let verdict = json!({"correct": true, "code": "correct", "cause": "the auth string is right",
        "expected": ["1.2:private-a"]});
    document.add(
        post("/admin/apps/{app}/auth/explain", "admin_explain", "Explain an auth string")
            .body::<authorization::AuthExplainRequest>(
                json!({"auth": "key:...", "socket_id": "1.2", "channel": "private-a"}),
            )
            .answer::<Explanation>(200, "The verdict.", verdict.clone())
            .refuses(&[InvalidSocketId, MissingParameter, TooManyParameters]),
    );
    document.add(
        post("/admin/apps/{app}/auth/test", "admin_test_token", "Test a token on a channel")
            .body::<authorization::TokenTestRequest>(
                json!({"token": "eyJ...", "channel": "private-a"}),
            )
            .answer::<AuthReport>(
                200,
                "What decides.",
                json!({"channel": "private-a", "granted": false, "access_token": false,
                    "needs_authorization": true, "claims": [], "allow": [],
                    "denied": "the token has expired"}),
            )
            .refuses(&[InvalidChannel, SealingAlias, NoTokenAuthorizer]),
    );
    document.add(
        post(
            "/admin/apps/{app}/auth/answer",
            "admin_judge_answer",
            "Judge the whole answer of an auth endpoint",
        )
        .body::<authorization::AuthAnswerRequest>(
            json!({"answer": "{\"auth\":\"...\"}", "socket_id": "1.2", "channel": "private-a"}),
        )
        .answer::<AnswerReport>(200, "The verdict.", verdict)
        .refuses(&[InvalidSocketId]),
    );
}

fn list_channels(document: &mut Document) {
    let kinds = ["public", "private", "encrypted", "presence"];
    document.add(
        paged(get("/admin/apps/{app}/channels", "admin_channels", "List channels by name"))
            .query("prefix", "The beginning of the names.", text())
            .query("kind", "Channels of this kind only.", json!({"enum": kinds}))
            .answer::<ChannelPage>(
                200,
                "A page.",
                json!({"channels": [{"name": "news", "kind": "public", "subscription_count": 3}]}),
            )
            .refuses(&[InvalidFilter]),
    );
    document.add(
        paged(get("/admin/apps/{app}/channels/{channel}", "admin_channel", "Show one channel"))
            .answer::<ChannelDetail>(
                200,
                "With a page of its members.",
                json!({"name": "news", "kind": "public", "subscription_count": 3}),
            )
            .refuses(&[InvalidChannel, SealingAlias, ReservedChannel]),
    );
    document.add(
        get("/admin/apps/{app}/top", "admin_top", "Show the busiest channels")
            .answer::<channels::BusiestAnswer>(
            200,
            "Counted while asked for.",
            json!({"channels": []}),
        ),
    );
}

fn change_channels(document: &mut Document) {
    document.add(
        post(
            "/admin/apps/{app}/channels/{channel}/clear",
            "admin_clear_cached",
            "Forget the cached event of a channel",
        )
        .optional_body::<EmptyBody>(json!({}))
        .answer::<ClearedEvent>(200, "Whether there was one.", json!({"cleared": true}))
        .refuses(&[InvalidChannel, SealingAlias, NotACacheChannel, CachedEventLogged])
        .refuses(&[HistoryUnavailable, ClusterAway]),
    );
    document.add(
        post(
            "/admin/apps/{app}/channels/{channel}/revoke",
            "admin_revoke_member",
            "Take a member off an encrypted channel",
        )
        .body::<RevokeMember>(json!({"user_id": "42"}))
        .answer::<RevokedMember>(200, "The channel's new epoch.", json!({"epoch": 1796071109}))
        .refuses(&[InvalidChannel, SealingAlias, InvalidUserId, NotAnEncryptedChannel])
        .refuses(&[RevocationOnBlindChannel, RevocationNeedsHkdf, RevokedUntilRestart])
        .refuses(&[ClusterUnacknowledged, StateNotWritten]),
    );
}

fn connections(document: &mut Document) {
    let row = json!({"socket_id": "123.456", "transport": "websocket", "since": 1796071109,
        "waiting_bytes": 0});
    document.add(
        paged(get("/admin/apps/{app}/connections", "admin_connections", "List connections"))
            .query("user", "Connections signed in as this user.", text())
            .query("channel", "Connections with this channel.", text())
            .answer::<ConnectionRows>(200, "A page.", json!({"connections": [row]}))
            .refuses(&[InvalidUserId, InvalidChannel, SealingAlias, InvalidFilter]),
    );
    let unknown: [RefusalCode; 3] = [InvalidSocketId, NoSuchConnection, Overloaded];
    document.add(
        get("/admin/apps/{app}/connections/{socket}", "admin_connection", "Show one connection")
            .answer::<ConnectionView>(
                200,
                "With its channels.",
                json!({"socket_id": "123.456", "transport": "websocket", "since": 1796071109,
                    "waiting_bytes": 0, "channels": [], "channel_count": 0}),
            )
            .refuses(&unknown),
    );
    document.add(
        post(
            "/admin/apps/{app}/connections/{socket}/disconnect",
            "admin_disconnect",
            "Close a connection",
        )
        .optional_body::<Disconnect>(json!({"code": 4200}))
        .answer::<Disconnected>(
            200,
            "It is told.",
            json!({"disconnected": "123.456", "code": 4200}),
        )
        .refuses(&unknown)
        .refuses(&[InvalidCloseCode]),
    );
}

fn events(document: &mut Document) {
    document.add(
        post("/admin/apps/{app}/events", "admin_publish", "Publish an event, as a backend does")
            .body::<Trigger<'_>>(json!({"name": "e", "channels": ["news"], "data": "1"}))
            .header("If-Match", "The position of the channel's newest event.")
            .header("If-None-Match", "*: only if the channel has no event.")
            .answer::<TriggerAnswer>(200, "Published.", json!({}))
            .refuses(&[InvalidEventName, InvalidData, InvalidChannels, InvalidChannel])
            .refuses(&[InvalidSocketId, InvalidCondition, SealingAlias, EventTooLarge])
            .refuses(&[MixedChannels, EnvelopeForSeveralChannels, PlaintextOnEncryptedChannel])
            .refuses(&[PlaintextRefused, EnvelopeDoesNotOpen, AliasWithoutKey, TooManyEvents])
            .refuses(&[PositionChanged, NotLogged, HistoryUnavailable, Overloaded])
            .refuses(&[ClusterAway, ClusterBacklog, NoRandomness]),
    );
    document.add(
        history_parameters(get(
            "/admin/apps/{app}/history",
            "admin_history",
            "Read a page of a channel's history",
        ))
        .required_query("channel", "The name of the channel.", text())
        .answer::<HistoryAnswer>(
            200,
            "A page. On an encrypted channel, data is an envelope.",
            json!({"events": [], "more": false, "gap": null, "position": "AAAA"}),
        )
        .refuses(&[MissingParameter, InvalidChannel, SealingAlias, NoHistory, InvalidPage])
        .refuses(&[HistoryUnavailable, ClusterAway]),
    );
}

fn webhooks(document: &mut Document) {
    let limited = |operation: ApiOperation| {
        operation.query("limit", "Entries in the answer.", integer(0, 500)).refuses(&[
            NoWebhooks,
            InvalidLimit,
            DeadLetters,
        ])
    };
    document.add(
        limited(get("/admin/apps/{app}/webhooks", "admin_webhooks", "List webhooks"))
            .answer::<WebhookReport>(
                200,
                "With the oldest dead letters.",
                json!({"endpoints": [], "dead_letters": 0, "letters": []}),
            ),
    );
    document.add(
        limited(get("/admin/apps/{app}/webhooks/log", "admin_webhook_log", "List deliveries"))
            .query("endpoint", "The URL of an endpoint, without its query.", text())
            .answer::<Deliveries>(200, "The newest last.", json!({"deliveries": []})),
    );
    document.add(
        post("/admin/apps/{app}/webhooks/replay", "admin_replay", "Send dead letters again")
            .optional_body::<LetterSelector>(json!({}))
            .answer::<ReplayReport>(200, "What is sent again.", json!({"queued": 1}))
            .refuses(&[NoWebhooks, DeadLetters]),
    );
    document.add(
        post("/admin/apps/{app}/webhooks/discard", "admin_discard", "Discard dead letters")
            .body::<Discard>(json!({"all": true}))
            .answer::<Discarded>(200, "What is gone.", json!({"discarded": 1, "under_way": 0}))
            .refuses(&[NoWebhooks, DeadLetters]),
    );
    document.add(
        post("/admin/apps/{app}/webhooks/test", "admin_test_webhooks", "Send a test event")
            .optional_body::<WebhookTestRequest>(json!({}))
            .answer::<TestResults>(200, "By endpoint.", json!({"results": []}))
            .refuses(&[NoWebhooks, UnknownEndpoint]),
    );
}
