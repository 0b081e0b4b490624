//! A connection that is authorized for very many channels: it goes on working, and nothing that was
//! taken from it comes back.

use serde_json::{Value, json};

use crate::support::*;

const ROOM: &str = "private-encrypted-room";
const VISITS: usize = 1005;

fn open() -> String {
    let key = base64(&master_key("first"));
    config(&format!(
        "master_key = \"{key}\"\nderivation = \"hkdf\"\nauthorizer = \"open\"\nlimits.auth_per_socket = 0\nlimits.auth_per_ip = 0\nlimits.auth_per_user = 0\nlimits.subscribes_per_second = 0\nlimits.frames_per_second = 0"
    ))
}

async fn ask(server: &TestServer, client: &Client, channel: &str, more: &str) -> Response {
    let path = format!("/apps/{}/auth/channel", client.app.id);
    let form = client.auth_form(channel) + more;
    server.send(Request::new("POST", path).form(&form)).await
}

/// Authorized, joined and left.
async fn visit(server: &TestServer, client: &mut Client, channel: &str) {
    ask(server, client, channel, "").await.expect(200, channel);
    client.subscribe(channel).await;
    client.unsubscribe(channel).await;
}

#[tokio::test]
async fn f4_a_thousand_visits_neither_end_a_revocation_nor_lock_the_client_out() {
    let server = TestServer::start(&open()).await;
    let mut client = server.connect().await;
    ask(&server, &client, ROOM, "&user_id=u1").await.expect(200, ROOM);
    client.subscribe(ROOM).await;
    let path = format!("/channels/{ROOM}/revoke");
    server.post(&path, &json!({"user_id": "u1"})).await.expect(200, ROOM);
    let frame = client.next().await;
    assert_eq!(frame["data"]["type"], "Revoked", "{frame}");
    for n in 0..VISITS {
        visit(&server, &mut client, &format!("private-encrypted-x{n}")).await;
    }
    // The revocation holds, however the client comes.
    ask(&server, &client, ROOM, "").await.expect(403, "without a name");
    ask(&server, &client, ROOM, "&user_id=u1").await.expect(403, "with its name");
    client.send_subscribe(ROOM).await;
    let refused: Value = client.expect_refused(ROOM).await;
    assert_eq!(refused["type"], "Revoked", "{refused}");
    // All else works: channels that it had, others, and those that the backend signs.
    for channel in ["private-encrypted-x0", "private-encrypted-new", "private-plain"] {
        visit(&server, &mut client, channel).await;
    }
    client.subscribe("private-own").await;
    client.join("presence-own", &json!({"user_id": "7"})).await;
    // A channel that was sealed for it is not joined with what was signed long ago.
    client.send_subscribe("private-encrypted-x1").await;
    let refused: Value = client.expect_refused("private-encrypted-x1").await;
    assert_eq!(refused["type"], "AuthExpired", "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn f4_a_user_is_found_by_a_revocation_after_a_thousand_other_channels() {
    let server = TestServer::start(&open()).await;
    let mut client = server.connect().await;
    ask(&server, &client, ROOM, "&user_id=u1").await.expect(200, ROOM);
    client.subscribe(ROOM).await;
    client.unsubscribe(ROOM).await;
    for n in 0..VISITS {
        visit(&server, &mut client, &format!("private-encrypted-x{n}")).await;
    }
    let path = format!("/channels/{ROOM}/revoke");
    server.post(&path, &json!({"user_id": "u1"})).await.expect(200, ROOM);
    // Its channel was evicted, and the question names nobody: no secret, and no subscription.
    let said = ask(&server, &client, ROOM, "").await.expect(403, ROOM);
    assert_eq!(said["code"], "revoked", "{said}");
    client.send_subscribe(ROOM).await;
    let refused: Value = client.expect_refused(ROOM).await;
    assert_eq!(refused["type"], "Revoked", "{refused}");
    server.stop().await;
}
