//! JSON with lone surrogates, as `JSON.stringify` writes strings cut inside a character. Browsers
//! encode U+FFFD in their place, and so does the server wherever it reads such a string.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::*;

/// Placeholder for an escape that no `Value` can hold.
const CUT: &str = "CUT";
const TEXT: &str = "cut \u{fffd}";
const SECRET: &str = "jwt-secret-of-the-lone-surrogates-0c4d9e21";

fn cut(value: &Value) -> String {
    value.to_string().replace(CUT, r"cut \ud83d")
}

async fn post(server: &TestServer, path: &str, body: &Value) -> Response {
    let body = cut(body);
    let target = signed_target(APP, "POST", &format!("/apps/it{path}"), &[], body.as_bytes());
    server.send(Request::new("POST", target).body("application/json", body)).await
}

fn channel_data(answer: &Value) -> Value {
    serde_json::from_str(answer["channel_data"].as_str().expect("a text")).expect("JSON")
}

#[tokio::test]
async fn f22_triggers_and_batches_are_accepted() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("orders").await;
    let event = json!({"name": CUT, "channel": "orders", "data": CUT, CUT: 1});
    let wanted = json!({"event": TEXT, "channel": "orders", "data": TEXT});
    post(&server, "/events", &event).await.expect(200, "a trigger");
    client.expect(wanted.clone()).await;
    post(&server, "/batch_events", &json!({"batch": [event]})).await.expect(200, "a batch");
    client.expect(wanted).await;
    // JSON within a string, as SDKs send it: the payload is relayed unchanged.
    let payload = r#"{"a":"\ud83d"}"#;
    server.publish("orders", "e", payload).await;
    client.expect(json!({"event": "e", "channel": "orders", "data": payload})).await;
    server.stop().await;
}

#[tokio::test]
async fn f22_client_events_arrive_as_text() {
    let server = TestServer::start(&config("client_events = true")).await;
    let (mut alice, mut bob) = (server.connect().await, server.connect().await);
    alice.subscribe("private-x").await;
    bob.subscribe("private-x").await;
    let mut relay = async |data: Value, wanted: &str| {
        let event = json!({"event": "client-x", "channel": "private-x", "data": data});
        alice.send_text(cut(&event)).await;
        bob.expect(json!({"event": "client-x", "channel": "private-x", "data": wanted})).await;
    };
    relay(json!(CUT), TEXT).await;
    relay(json!({"a": CUT}), r#"{"a":"cut \ud83d"}"#).await;
    server.stop().await;
}

#[tokio::test]
async fn f22_members_and_users_are_read() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    // The signature covers the text as it was sent.
    let data = cut(&json!({"user_id": "u", "user_info": {"name": CUT}}));
    client.send_presence_subscribe("presence-x", &data).await;
    let roster = client.expect_joined("presence-x").await;
    assert_eq!(roster["hash"]["u"], json!({"name": TEXT}), "{roster}");
    let data = cut(&json!({"id": "u", "user_info": {"name": CUT}, "watchlist": [CUT]}));
    client.send_sign_in(&data).await;
    let answer = client.expect_event("pusher:signin_success").await;
    assert_eq!(answer["user_data"], data, "{answer}");
    let mut other = server.connect().await;
    other.sign_in(&json!({"id": "u2"})).await;
    server.stop().await;
}

#[tokio::test]
async fn f22_open_auth_endpoint_reads_user_info() {
    let server = TestServer::start(&config("authorizer = \"open\"")).await;
    let client = server.connect().await;
    let ask = async |request: Request| {
        channel_data(&server.send(request).await.expect(200, "an authorization"))
    };
    let wanted = json!({"user_id": "u", "user_info": {"name": TEXT}});
    let body = cut(&json!({
        "socket_id": client.socket_id, "channel_name": "presence-a", "user_id": "u",
        "user_info": {"name": CUT},
    }));
    let path = "/apps/it/auth/channel";
    assert_eq!(ask(Request::new("POST", path).body("application/json", body)).await, wanted);
    let info = percent(&cut(&json!({"name": CUT})));
    let form = format!("{}&user_id=u&user_info={info}", client.auth_form("presence-a"));
    assert_eq!(ask(Request::new("POST", path).form(&form)).await, wanted);
    server.stop().await;
}

#[tokio::test]
async fn f22_token_claims_are_read() {
    let app = format!("authorizer = \"jwt\"\njwt_secret = \"{SECRET}\"");
    let server = TestServer::start(&config(&app)).await;
    let client = server.connect().await;
    let claims = json!({
        "sub": "u", "exp": unix_now() + 600, "channels": ["*"], "user_info": {"name": CUT},
    });
    let token = token_of(r#"{"alg":"HS256"}"#, &cut(&claims), SECRET);
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {token}"))
        .form(&client.auth_form("presence-a"));
    let answer = server.send(request).await.expect(200, "a token");
    assert_eq!(channel_data(&answer), json!({"user_id": "u", "user_info": {"name": TEXT}}));
    // The backend issues an access token.
    let wanted = json!({"user_id": "u", "channels": ["presence-a"], "user_info": {"name": CUT}});
    let minted = post(&server, "/tokens", &wanted).await.expect(200, "an access token");
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {}", minted["token"].as_str().expect("a token")))
        .form(&client.auth_form("presence-a"));
    let answer = server.send(request).await.expect(200, "an access token");
    assert_eq!(channel_data(&answer), json!({"user_id": "u", "user_info": {"name": TEXT}}));
    server.stop().await;
}

#[tokio::test]
async fn f22_forward_answers_and_issuer_keys_are_read() {
    let body = cut(&json!({"user_id": "u", "user_info": {"name": CUT}}));
    let target = StubServer::start(Reply::new(200, "application/json", &body)).await;
    let app = format!("authorizer = \"forward\"\n[apps.it.forward]\nurl = \"{}\"", target.url("/"));
    let server = TestServer::start(&config(&app)).await;
    let client = server.connect().await;
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", "Bearer t")
        .form(&client.auth_form("presence-a"));
    let answer = server.send(request).await.expect(200, "the application's answer");
    assert_eq!(channel_data(&answer), json!({"user_id": "u", "user_info": {"name": TEXT}}));
    drop(client);
    server.stop().await;

    let key = IssuerKey::new(Algorithm::ES256);
    let keys = cut(&json!({"keys": [key.jwk("a"), {"kty": "other", "name": CUT}]}));
    let issuer = StubServer::start(Reply::new(200, "application/json", &keys)).await;
    let app = format!(
        "authorizer = \"jwt\"\n[apps.it.jwt]\nalgorithms = [\"ES256\"]\njwks_url = \"{}\"",
        issuer.url("/keys")
    );
    let server = TestServer::start(&config(&app)).await;
    let client = server.connect().await;
    let claims = json!({"sub": "u", "exp": unix_now() + 600, "channels": ["private-*"]});
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {}", key.token(Some("a"), &claims)))
        .form(&client.auth_form("private-a"));
    server.send(request).await.expect(200, "a key of the issuer");
    server.stop().await;
}
