//! What Redis gets to see.

use serde_json::json;

use crate::cluster_engine::until_frame;
use crate::support::*;

/// All words that an eavesdropper must not find. No two contain each other.
const SECRETS: [&str; 11] = [
    "payloadinclear",
    "eventnameinclear",
    "channelinclear",
    "useridinclear",
    "userinfoinclear",
    "clienteventinclear",
    "cachedinclear",
    "sealedinclear",
    "watcherinclear",
    "removedinclear",
    "revokedinclear",
];

#[tokio::test]
async fn j_redis_sees_no_payload_name_user_or_info() {
    let redis = Redis::start();
    let monitor = redis.monitor();
    let app = format!(
        "watchlist = true\nsubscription_count = true\nderivation = \"hkdf\"\nmaster_key = \"{}\"",
        base64(&master_key("of the app"))
    );
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let app = with_webhooks(&app, &[&hooks_url(&receiver, "")]);
    let cluster = Cluster::start_with(2, &app, ClusterSection::on(&redis)).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for (at, client) in clients.iter_mut().enumerate() {
        let user = format!("useridinclear-{at}");
        client
            .send_sign_in(&json!({"id": user, "watchlist": ["watcherinclear"]}).to_string())
            .await;
        let info = json!({"user_id": user, "user_info": {"name": "userinfoinclear"}});
        client.send_presence_subscribe("presence-channelinclear", &info.to_string()).await;
        for channel in ["private-encrypted-channelinclear", "cache-channelinclear"] {
            client.send_subscribe(channel).await;
        }
        for _ in 0..3 {
            until_frame(client, "pusher_internal:subscription_succeeded").await;
        }
    }
    for (channel, event, data) in [
        ("presence-channelinclear", "eventnameinclear", "payloadinclear"),
        ("private-encrypted-channelinclear", "eventnameinclear", "sealedinclear"),
        ("cache-channelinclear", "eventnameinclear", "cachedinclear"),
        ("#server-to-user-useridinclear-1", "eventnameinclear", "payloadinclear"),
    ] {
        cluster[0].publish(channel, event, data).await;
    }
    clients[0]
        .client_event("presence-channelinclear", "client-clienteventinclear", json!({"a": 1}))
        .await;
    // The client on the other node has it in clear.
    until_frame(&mut clients[1], "client-clienteventinclear").await;
    let minted = revoke_all_sorts(&cluster[0]).await;
    let jti = [&*minted];
    expect_none(&redis.dump(), "the keys", &jti);
    let path = "/channels/presence-channelinclear";
    let two = json!({"occupied": true, "user_count": 2});
    until_all_answer(&cluster, path, "user_count", &two).await;
    let answer = cluster[1].post("/users/useridinclear-0/terminate_connections", &json!({})).await;
    answer.expect(200, "terminate");
    cluster.stop().await;
    expect_none(&redis.dump(), "the keys at the end", &jti);
    redis.ask(&["ECHO", "the-end"]).expect("a command");
    monitor.until_it_has("the-end");
    let seen = monitor.text();
    assert!(seen.contains("\"SPUBLISH\"") || seen.contains("\"EVALSHA\""), "{seen}");
    // The facts of the webhooks, and the revocations, were among them.
    for written in ["\"XADD\"", "}v:", "}k:"] {
        assert!(seen.contains(written), "{written}");
    }
    expect_none(seen.as_bytes(), "the commands", &jti);
}

/// Of a token, of a user's tokens, and of a member. Returns the id of the token.
async fn revoke_all_sorts(node: &TestServer) -> String {
    let asked = json!({"user_id": "revokedinclear", "channels": ["presence-*"]});
    let minted = node.post("/tokens", &asked).await.expect(200, "a token");
    let jti = minted["jti"].as_str().expect("an id").to_owned();
    for body in [json!({"jti": jti}), json!({"user_id": "revokedinclear"})] {
        node.post("/tokens/revoke", &body).await.expect(200, &body);
    }
    let path = "/channels/private-encrypted-channelinclear/revoke";
    node.post(path, &json!({"user_id": "removedinclear"})).await.expect(200, "a member is removed");
    jti
}

/// In clear, in hex, or in any alignment of base64.
fn expect_none(bytes: &[u8], what: &str, more: &[&str]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for secret in SECRETS.iter().chain(more) {
        let hex = hex(secret.as_bytes());
        let is_clear = text.contains(&secret.to_lowercase()) || text.contains(&hex);
        assert!(!is_clear, "{secret} is in {what}");
        for cut in 0..3 {
            let encoded = base64(&secret.as_bytes()[cut..]);
            let whole = &encoded[..(secret.len() - cut) / 3 * 4];
            let found = bytes.windows(whole.len()).any(|part| part == whole.as_bytes());
            assert!(!found, "{secret} is in {what}, in base64");
        }
    }
}

#[test]
fn j_search_for_secrets_finds_them_in_clear_hex_and_base64() {
    let clear = "x payloadinclear".to_owned();
    let shifted = base64(b"12useridinclear-1");
    for text in [clear, hex(b"a sealedinclear"), shifted] {
        let found = std::panic::catch_unwind(|| expect_none(text.as_bytes(), "a text", &[]));
        assert!(found.is_err(), "{text}");
    }
    expect_none(b"nothing of it", "a text", &["another-word"]);
}
