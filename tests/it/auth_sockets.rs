//! encryption.md 5.2: the auth endpoints sign for live connections of the app only.

use serde_json::json;

use crate::support::*;

const JWT_SECRET: &str = "jwt-secret-7be2c9d4a1f0-for-these-sockets";

const CHANNELS: [&str; 4] = ["private-x", "private-cache-x", "presence-x", "private-encrypted-x"];

fn configuration() -> String {
    let key = base64(&master_key("sockets"));
    let jwt =
        format!("authorizer = \"jwt\"\njwt_secret = \"{JWT_SECRET}\"\nmaster_key = \"{key}\"");
    let other = base64(&master_key("other sockets"));
    config_of(
        "",
        &[(APP, &jwt), (OTHER, &format!("authorizer = \"open\"\nmaster_key = \"{other}\""))],
    )
}

fn bearer() -> String {
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["*"]});
    format!("Bearer {}", token(&json!({"alg": "HS256"}), &claims, JWT_SECRET))
}

/// Tries every kind of request with this id; all are refused with the same answer.
async fn expect_refused_on_all(server: &TestServer, app: App, socket_id: &str, what: &str) {
    let forms = CHANNELS
        .map(|name| ("channel", format!("socket_id={socket_id}&channel_name={name}&user_id=u1")));
    let user = [("user", format!("socket_id={socket_id}&user_id=u1"))];
    for (kind, form) in forms.iter().chain(&user) {
        let request = Request::new("POST", format!("/apps/{}/auth/{kind}", app.id)).form(form);
        let response = server.send(request.header("Authorization", &bearer())).await;
        let input = format!("{what}: {kind} {form}");
        assert_eq!(response.refused(403, &input), "unknown_socket", "{input}");
        assert_eq!(response.header("Cache-Control"), Some("no-store"), "{input}");
        let text = response.text();
        assert!(!text.contains("\"auth\"") && !text.contains("shared_secret"), "{input}: {text}");
    }
}

async fn expect_granted_on_all(server: &TestServer, client: &Client) {
    for name in CHANNELS {
        let path = format!("/apps/{}/auth/channel", client.app.id);
        let form = format!("{}&user_id=u1", client.auth_form(name));
        let request = Request::new("POST", path).form(&form).header("Authorization", &bearer());
        let answer = server.send(request).await.expect(200, name);
        assert_eq!(answer["auth"], client.auth(name, answer["channel_data"].as_str()), "{name}");
    }
}

#[tokio::test]
async fn e5_no_signature_for_an_invented_socket_id() {
    let server = TestServer::start(&configuration()).await;
    let client = server.connect().await;
    let (first, second) = client.socket_id.split_once('.').expect("two halves");
    let (first, second): (u64, u64) =
        (first.parse().expect("digits"), second.parse().expect("digits"));
    let made_up = [
        "1.2".to_owned(),
        "0.0".to_owned(),
        format!("{second}.{first}"),
        // Ids of this worker, of other workers, and of workers that do not exist.
        format!("{first}.{}", second ^ 1),
        format!("{}.{second}", first ^ 1),
        format!("{}.{second}", first ^ 2),
        format!("{}.{second}", first ^ 511),
        format!("{}.{second}", first ^ 512),
        format!("{}.{}", u64::MAX, u64::MAX),
        "99999999999999999999999.99999999999999999999999".to_owned(),
    ];
    for id in &made_up {
        expect_refused_on_all(&server, APP, id, "made up").await;
    }
    expect_granted_on_all(&server, &client).await;
    server.stop().await;
}

#[tokio::test]
async fn e5_no_signature_for_a_socket_of_another_app() {
    let server = TestServer::start(&configuration()).await;
    let (ours, theirs) = (server.connect().await, server.connect_as(OTHER).await);
    expect_refused_on_all(&server, APP, &theirs.socket_id, "of the other app").await;
    expect_refused_on_all(&server, OTHER, &ours.socket_id, "of the first app").await;
    expect_granted_on_all(&server, &ours).await;
    expect_granted_on_all(&server, &theirs).await;
    server.stop().await;
}

#[tokio::test]
async fn e5_no_signature_for_a_closed_socket() {
    let server = TestServer::start(&configuration()).await;
    let (said_goodbye, hung_up) = (server.connect().await, server.connect().await);
    expect_granted_on_all(&server, &said_goodbye).await;
    let ids = [said_goodbye.socket_id.clone(), hung_up.socket_id.clone()];
    said_goodbye.close().await;
    drop(hung_up);
    server.until_stat("sockets", 0).await;
    for id in &ids {
        expect_refused_on_all(&server, APP, id, "ended").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn e5_no_signature_for_a_closing_socket() {
    let server = TestServer::start(&configuration()).await;
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u1"})).await;
    server.post("/users/u1/terminate_connections", &json!({})).await.expect(200, "terminated");
    client.expect_error(Some(4009)).await;
    // Its transport is still open: it has not answered the close frame.
    assert_eq!(server.stats().await["sockets"], 1);
    expect_refused_on_all(&server, APP, &client.socket_id, "told to go").await;
    server.stop().await;
}

#[tokio::test]
async fn e5_refused_requests_do_not_reveal_which_sockets_exist() {
    let server = TestServer::start(&configuration()).await;
    let client = server.connect().await;
    for id in [client.socket_id.as_str(), "1.2"] {
        for (kind, form) in [
            ("channel", format!("socket_id={id}&channel_name=private-encrypted-x")),
            ("user", format!("socket_id={id}")),
        ] {
            let request = Request::new("POST", format!("/apps/it/auth/{kind}")).form(&form);
            assert_eq!(server.send(request).await.refused(401, &form), "unauthenticated", "{form}");
        }
    }
    server.stop().await;
}
