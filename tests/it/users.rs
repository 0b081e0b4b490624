//! protocol.md 5.1 and 5.2: signing in, and events to a user.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn s5_1_user_data_comes_back_byte_for_byte() {
    let server = TestServer::start(&config("")).await;
    let rows = [
        r#"{"id":"u1"}"#,
        r#" { "user_info" : {"b":1, "a":"é\u00e9"} , "id":"u2" } "#,
        r#"{"id":"12345","watchlist":["x"],"more":[{}]}"#,
    ];
    for user_data in rows {
        let mut client = server.connect().await;
        client.send_sign_in(user_data).await;
        let frame = client.next().await;
        assert_eq!(frame["event"], "pusher:signin_success", "{frame}");
        // The string rule of protocol.md 1.5 holds here too.
        assert_eq!(inner(&frame), json!({"user_data": user_data}), "{frame}");
        client.expect_silence().await;
        // Signing in again as the same user succeeds.
        client.send_sign_in(user_data).await;
        client.expect_event("pusher:signin_success").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s5_1_data_may_be_a_string() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let user_data = r#"{"id":"u1"}"#;
    let data = json!({"auth": APP.user_auth(&client.socket_id, user_data), "user_data": user_data});
    client.send(&json!({"event": "pusher:signin", "data": data.to_string()})).await;
    client.expect_event("pusher:signin_success").await;
    server.stop().await;
}

#[tokio::test]
async fn s5_1_bad_sign_in_is_an_error_and_keeps_the_socket_open() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let stranger = server.connect().await;
    let good = r#"{"id":"u1"}"#;
    let id = client.socket_id.clone();
    let wrong_secret = App { secret: "not the secret", ..APP };
    let rows = [
        (json!(""), good),
        (json!("x:y"), good),
        (json!(format!("{}:", APP.key)), good),
        (json!(OTHER.user_auth(&id, good)), good),
        (json!(wrong_secret.user_auth(&id, good)), good),
        (json!(APP.user_auth(&stranger.socket_id, good)), good),
        (json!(APP.user_auth(&id, good)), r#"{"id":"u2"}"#),
        (json!(APP.user_auth(&id, good)), r#"{"id": "u1"}"#),
        (json!(APP.channel_auth(&id, "private-x", None)), good),
        (json!(APP.channel_auth(&id, &format!(":user:{good}"), None)), r#"{"id":"u3"}"#),
        (json!(APP.user_auth(&id, "{}")), "{}"),
        (json!(APP.user_auth(&id, r#"{"id":""}"#)), r#"{"id":""}"#),
        (json!(APP.user_auth(&id, r#"{"id":null}"#)), r#"{"id":null}"#),
        (json!(APP.user_auth(&id, r#"{"id":{}}"#)), r#"{"id":{}}"#),
        (json!(APP.user_auth(&id, r#"{"user_id":"u"}"#)), r#"{"user_id":"u"}"#),
        (json!(APP.user_auth(&id, "[]")), "[]"),
        (json!(APP.user_auth(&id, "[\"u1\"]")), "[\"u1\"]"),
        (json!(APP.user_auth(&id, "u1")), "u1"),
        (json!(APP.user_auth(&id, "")), ""),
        (json!(APP.user_auth(&id, "{")), "{"),
    ];
    for (auth, user_data) in rows {
        println!("{auth} {user_data}");
        client
            .send(
                &json!({"event": "pusher:signin", "data": {"auth": auth, "user_data": user_data}}),
            )
            .await;
        let message = client.expect_error(Some(4009)).await;
        assert!(!message.contains(APP.secret), "{message}");
        client.send_subscribe("#server-to-user-u1").await;
        client.expect_refused("#server-to-user-u1").await;
    }
    assert_eq!(server.stats().await["users"], 0);
    client.sign_in(&json!({"id": "u1"})).await;
    assert_eq!(server.stats().await["users"], 1);
    server.stop().await;
}

#[tokio::test]
async fn s5_1_signed_data_without_a_user_is_refused_by_name() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    for (user_data, code) in [
        ("{}", "[invalid_user_data"),
        ("[]", "[invalid_user_data"),
        ("{", "[invalid_user_data"),
        (r#"{"id":null}"#, "[invalid_user_data"),
        (r#"{"id":""}"#, "[invalid_user_id"),
    ] {
        client.send_sign_in(user_data).await;
        let message = client.expect_error(Some(4009)).await;
        assert!(message.contains(code), "{user_data}: {message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s5_1_signed_in_connection_cannot_change_its_user() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u1"})).await;
    client.send_sign_in(r#"{"id":"u2"}"#).await;
    let message = client.expect_error(Some(4009)).await;
    assert!(message.contains("[other_user"), "{message}");
    client.subscribe("#server-to-user-u1").await;
    client.send_subscribe("#server-to-user-u2").await;
    assert_eq!(client.expect_refused("#server-to-user-u2").await["code"], "not_that_user");
    server.publish("#server-to-user-u2", "e", "1").await;
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_2_only_the_user_may_subscribe_to_the_user_channel() {
    let server = TestServer::start(&config("")).await;
    let mut anonymous = server.connect().await;
    let mut other = server.connect().await;
    other.sign_in(&json!({"id": "u2"})).await;
    let mut member = server.connect().await;
    member.join("presence-x", &json!({"user_id": "u1"})).await;
    for client in [&mut anonymous, &mut other, &mut member] {
        for channel in [
            "#server-to-user-u1",
            "#server-to-user-",
            "#server-to-user",
            "#server-to-user-*",
            "#server-to-user-U1",
        ] {
            let auth = client.auth(channel, None);
            for auth in [String::new(), auth] {
                client.send(&json!({"event": "pusher:subscribe", "data": {"channel": channel, "auth": auth}})).await;
                client.expect_refused(channel).await;
            }
        }
    }
    server.publish("#server-to-user-u1", "secret", "1").await;
    for client in [&mut anonymous, &mut other, &mut member] {
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s5_2_event_reaches_each_connection_of_the_user_once() {
    let server = TestServer::start(&config("")).await;
    let mut clients = Vec::new();
    for subscribed in [true, false, true, false] {
        let mut client = server.connect().await;
        client.sign_in(&json!({"id": "u1"})).await;
        if subscribed {
            client.subscribe("#server-to-user-u1").await;
        }
        clients.push(client);
    }
    let mut other = server.connect().await;
    other.sign_in(&json!({"id": "u2"})).await;
    other.subscribe("#server-to-user-u2").await;

    server.publish("#server-to-user-u1", "e", "{\"n\": 1}").await;
    for client in &mut clients {
        client
            .expect(json!({"event": "e", "channel": "#server-to-user-u1", "data": "{\"n\": 1}"}))
            .await;
        client.expect_silence().await;
    }
    other.expect_silence().await;

    // protocol.md 7.2: the socket of the sender can be left out here as well.
    let body = json!({"name": "e", "channel": "#server-to-user-u1", "data": "2", "socket_id": clients[0].socket_id});
    server.post("/events", &body).await.expect(200, &body);
    clients[0].expect_silence().await;
    clients[1].expect_event("e").await;
    // An event to a user without connections is fine.
    server.publish("#server-to-user-nobody", "e", "1").await;
    // Together with an ordinary channel, and for two users at once.
    other.subscribe("news").await;
    let body = json!({"name": "f", "channels": ["#server-to-user-u1", "#server-to-user-u2", "news"], "data": "3"});
    server.post("/events", &body).await.expect(200, &body);
    clients[0].expect(json!({"event": "f", "channel": "#server-to-user-u1", "data": "3"})).await;
    let mut got = [other.next().await, other.next().await]
        .map(|f| f["channel"].as_str().unwrap_or("").to_owned());
    got.sort();
    assert_eq!(got, ["#server-to-user-u2", "news"]);
    other.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_2_users_are_separate_per_app() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "")])).await;
    let mut ours = server.connect().await;
    let mut theirs = server.connect_as(OTHER).await;
    for client in [&mut ours, &mut theirs] {
        client.sign_in(&json!({"id": "u1"})).await;
        client.subscribe("#server-to-user-u1").await;
    }
    server.publish("#server-to-user-u1", "e", "1").await;
    ours.expect_event("e").await;
    theirs.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_2_user_channel_is_not_listed_and_takes_no_client_events() {
    let server = TestServer::start(&config("client_events = true")).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    for client in [&mut first, &mut second] {
        client.sign_in(&json!({"id": "u1"})).await;
        client.subscribe("#server-to-user-u1").await;
    }
    assert_eq!(server.get("/channels", &[]).await.expect(200, "all"), json!({"channels": {}}));
    let listed = server.get("/channels", &[("filter_by_prefix", "#server-to-user-")]).await;
    assert_eq!(listed.expect(200, "by prefix"), json!({"channels": {}}));
    first.client_event("#server-to-user-u1", "client-x", json!("1")).await;
    first.expect_error(None).await;
    second.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_2_user_ids_follow_the_rule_of_channel_names() {
    let server = TestServer::start(&config("")).await;
    for id in ["u1", "a_-=@,.;Z9"] {
        server.publish(&format!("#server-to-user-{id}"), "e", "1").await;
    }
    for id in ["", "a b", "a:b", "a#b", "é", "a/b"] {
        let body = json!({"name": "e", "channel": format!("#server-to-user-{id}"), "data": "1"});
        server.post("/events", &body).await.refused(400, &body);
    }
    server.stop().await;
}

#[tokio::test]
async fn s5_1_departed_user_is_gone() {
    let server = TestServer::start(&config("")).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    first.sign_in(&json!({"id": "u1"})).await;
    second.sign_in(&json!({"id": "u1"})).await;
    assert_eq!(server.stats().await["users"], 1);
    first.close().await;
    server.until_stat("sockets", 1).await;
    server.publish("#server-to-user-u1", "e", "1").await;
    second.expect_event("e").await;
    second.close().await;
    server.until_stat("users", 0).await;
    server.publish("#server-to-user-u1", "e", "2").await;
    server.stop().await;
}

#[tokio::test]
async fn s5_1_repeated_sign_in_of_the_same_user_changes_nothing() {
    let server = TestServer::start(&config("watchlist = true")).await;
    let mut client = server.connect().await;
    let mut watcher = server.connect().await;
    client.sign_in(&json!({"id": "u1"})).await;
    watcher.sign_in(&json!({"id": "w", "watchlist": ["u1"]})).await;
    watcher.expect_event("pusher_internal:watchlist_events").await;
    client.sign_in(&json!({"id": "u1", "user_info": {"name": "again"}})).await;
    server.publish("#server-to-user-u1", "e", "1").await;
    client.expect_event("e").await;
    client.expect_silence().await;
    watcher.expect_silence().await;
    assert_eq!(server.stats().await["users"], 2);
    server.stop().await;
}

#[tokio::test]
async fn s5_2_unsubscribing_the_user_channel_does_not_sign_out() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u1"})).await;
    client.subscribe("#server-to-user-u1").await;
    // protocol.md 2.5: a second subscription is an error.
    client.send_subscribe("#server-to-user-u1").await;
    client.expect_error(None).await;
    client.unsubscribe("#server-to-user-u1").await;
    server.publish("#server-to-user-u1", "e", "1").await;
    client.expect_event("e").await;
    client.expect_silence().await;
    client.subscribe("#server-to-user-u1").await;
    server.stop().await;
}

#[tokio::test]
async fn s5_1_user_auth_endpoint_feeds_sign_in_watchlist_and_presence() {
    let secret = "jwt-secret-of-the-user-tests";
    let keys = format!("authorizer = \"jwt\"\njwt_secret = \"{secret}\"\nwatchlist = true");
    let server = TestServer::start(&config(&keys)).await;
    let mut client = server.connect().await;
    let ask = async |path: &str, form: &str, claims: &Value| {
        let bearer = format!("Bearer {}", token(&json!({"alg": "HS256"}), claims, secret));
        let request = Request::new("POST", path).form(form).header("Authorization", &bearer);
        server.send(request).await
    };
    let exp = unix_now() + 600;
    let form = format!("socket_id={}", client.socket_id);
    let nobody = json!({"exp": exp, "channels": ["*"]});
    ask("/pusher/user-auth", &form, &nobody).await.refused(403, "no sub");
    let claims = json!({"sub": "u1", "exp": exp, "channels": ["presence-*"], "user_info": {"name": "One"}, "watchlist": ["u2", "u1"]});
    let answer = ask("/pusher/user-auth", &form, &claims).await.expect(200, "a user");
    client.send(&json!({"event": "pusher:signin", "data": answer})).await;
    let data = client.expect_event("pusher:signin_success").await;
    let user: Value = serde_json::from_str(data["user_data"].as_str().unwrap_or_default())
        .expect("user_data is JSON");
    assert_eq!(user, json!({"id": "u1", "user_info": {"name": "One"}, "watchlist": ["u2", "u1"]}));
    let data = client.expect_event("pusher_internal:watchlist_events").await;
    assert_eq!(
        data["events"],
        json!([{"name": "online", "user_ids": ["u1"]}, {"name": "offline", "user_ids": ["u2"]}])
    );
    let form = client.auth_form("presence-x");
    let answer = ask("/pusher/auth", &form, &claims).await.expect(200, "a member");
    let mut data = answer;
    data["channel"] = json!("presence-x");
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    let presence = client.expect_joined("presence-x").await;
    assert_eq!(presence["hash"], json!({"u1": {"name": "One"}}), "{presence}");
    server.stop().await;
}
