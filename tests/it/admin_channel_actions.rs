//! What operators change on a channel: its cached event, its members.

use serde_json::{Value, json};

use crate::support::*;

const SEALED: &str = "private-encrypted-x";

fn configuration() -> String {
    let key = base64(&master_key("channel actions"));
    config(&format!(
        "authorizer = \"open\"\nmaster_key = \"{key}\"\nderivation = \"hkdf\"\n\
         [[apps.it.channels]]\npattern = \"*-log\"\nhistory = {{ events = 10 }}\n"
    ))
}

async fn act(admin: &AdminClient, channel: &str, verb: &str, body: &Value) -> Response {
    let path = format!("/admin/apps/it/channels/{channel}/{verb}");
    admin.send(&Request::new("POST", path).json(body)).await
}

async fn clear(admin: &AdminClient, channel: &str) -> Value {
    act(admin, channel, "clear", &json!({})).await.expect(200, channel)["cleared"].clone()
}

#[tokio::test]
async fn l_cached_event_is_cleared() {
    let server = Launch::serve_plain(&configuration()).start().await;
    let admin = AdminClient::of(&server);
    for channel in ["cache-x", "cache-x-log"] {
        assert_eq!(clear(&admin, channel).await, json!(false));
        server.publish(channel, "e", "1").await;
        let mut client = server.connect().await;
        client.subscribe(channel).await;
        assert_eq!(client.expect_event("e").await, json!(1));
        assert_eq!(clear(&admin, channel).await, json!(true));
        assert_eq!(clear(&admin, channel).await, json!(false));
        client.expect_silence().await;
        let mut late = server.connect().await;
        late.subscribe(channel).await;
        late.expect_event("pusher:cache_miss").await;
        server.publish(channel, "e", "2").await;
        assert_eq!(late.expect_event("e").await, json!(2));
        assert_eq!(clear(&admin, channel).await, json!(true));
    }
    for (channel, status, code) in
        [("news", 400, "not_a_cache_channel"), ("a%20b", 400, "invalid_channel")]
    {
        let response = act(&admin, channel, "clear", &json!({})).await;
        assert_eq!(response.refused(status, channel), code);
    }
    server.stop().await;
}

#[tokio::test]
async fn l_member_is_revoked_as_by_the_signed_api() {
    let server = Launch::serve_plain(&configuration()).start().await;
    let admin = AdminClient::of(&server);
    let body = json!({"user_id": "u1"});
    let first = act(&admin, SEALED, "revoke", &body).await.expect(200, "revoked");
    let second = server.post(&format!("/channels/{SEALED}/revoke"), &body).await;
    let second = second.expect(200, "the signed API");
    assert!(first["epoch"].as_u64() > Some(0), "{first}");
    assert!(second["epoch"].as_u64() > first["epoch"].as_u64(), "{first} {second}");
    for (channel, body, status, code) in [
        ("private-a", &body, 400, "not_an_encrypted_channel"),
        (SEALED, &json!({"user_id": ""}), 400, "invalid_user_id"),
        (SEALED, &json!({}), 400, "invalid_json"),
    ] {
        let response = act(&admin, channel, "revoke", body).await;
        assert_eq!(response.refused(status, channel), code);
    }
    let page = admin.send(&Request::new("GET", "/admin/audit")).await.expect(200, "facts");
    let facts = page["facts"].as_array().expect("facts");
    let revoked: Vec<_> = facts.iter().filter(|it| it["action"] == "revoke_member").collect();
    assert_eq!(revoked.len(), 3, "attempts count: {page}");
    assert_eq!((&revoked[2]["channels"], &revoked[2]["by"]), (&json!([SEALED]), &json!("socket")));
    server.stop().await;
}
