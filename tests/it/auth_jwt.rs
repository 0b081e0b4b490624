//! protocol.md 10 with tokens: which signatures a token allows.

use serde_json::{Value, json};

use crate::support::*;

const SECRET: &str = "jwt-secret-0c4d9e21a7b8f356-long-enough-for-hs256";

fn app() -> String {
    config(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{SECRET}\"\nmaster_key = \"{}\"",
        base64(&master_key("jwt"))
    ))
}

fn hs256() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

fn claims(channels: &[&str]) -> Value {
    json!({"sub": "u1", "exp": unix_now() + 600, "channels": channels})
}

async fn ask(server: &TestServer, path: &str, bearer: &str, form: &str) -> Response {
    let request = Request::new("POST", path).form(form);
    let request = if bearer.is_empty() { request } else { request.header("Authorization", bearer) };
    server.send(request).await
}

async fn ask_channel(
    server: &TestServer,
    bearer: &str,
    socket_id: &str,
    channel: &str,
) -> Response {
    let form = format!("socket_id={socket_id}&channel_name={}", percent(channel));
    ask(server, "/apps/it/auth/channel", bearer, &form).await
}

#[tokio::test]
async fn s10_token_covers_the_channels_it_names() {
    let server = TestServer::start(&app()).await;
    let client = server.connect().await;
    let id = client.socket_id.as_str();
    let rows: [(&[&str], &[&str], &[&str]); 9] = [
        (
            &["private-a"],
            &["private-a"],
            &["private-b", "private-aa", "private-", "presence-a", "private-encrypted-a"],
        ),
        (
            &["private-room-*"],
            &["private-room-1", "private-room-", "private-room-a-b"],
            &["private-room", "private-roomx", "private-x"],
        ),
        (&["*"], &["private-x", "presence-x", "private-encrypted-x", "private-cache-x"], &[]),
        (
            &["private-*-end"],
            &["private-a-end", "private-a-b-end", "private--end"],
            &["private-a-endx", "private-end"],
        ),
        (&["private-*a*b*"], &["private-xaxbx", "private-ab"], &["private-ba", "private-xbxa"]),
        (&["private-a.c"], &["private-a.c"], &["private-abc", "private-aXc"]),
        (
            &["private-a", "presence-b*"],
            &["private-a", "presence-b", "presence-b1"],
            &["private-b", "presence-a"],
        ),
        (&[], &[], &["private-a", "presence-a", "private-encrypted-a"]),
        (
            &["private-encrypted-team-*"],
            &["private-encrypted-team-1"],
            &["private-encrypted-1", "private-team-1"],
        ),
    ];
    for (patterns, covered, others) in rows {
        let bearer = format!("Bearer {}", token(&hs256(), &claims(patterns), SECRET));
        for channel in covered {
            let input = format!("{patterns:?} {channel}");
            let response = ask_channel(&server, &bearer, id, channel).await;
            let answer = response.expect(200, &input);
            assert_eq!(response.header("Cache-Control"), Some("no-store"), "{input}");
            let data = answer["channel_data"].as_str();
            assert_eq!(data.is_some(), channel.starts_with("presence-"), "{input}: {answer}");
            assert_eq!(answer["auth"], APP.channel_auth(id, channel, data), "{input}: {answer}");
            let sealed = channel.starts_with("private-encrypted-");
            let secret = sealed.then(|| json!(base64(&shared_secret(&master_key("jwt"), channel))));
            assert_eq!(answer.get("shared_secret"), secret.as_ref(), "{input}: {answer}");
        }
        for channel in others {
            let response = ask_channel(&server, &bearer, id, channel).await;
            response.refused(403, format!("{patterns:?} {channel}"));
            assert!(!response.text().contains("shared_secret"), "{}", response.text());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_subject_is_the_member_and_the_user() {
    let server = TestServer::start(&app()).await;
    let mut claims = claims(&["presence-*"]);
    claims["user_info"] = json!({"name": "é"});
    let bearer = format!("Bearer {}", token(&hs256(), &claims, SECRET));
    // User fields of the form do not count.
    let client = server.connect().await;
    let claimed = "user_id=admin&user_info=%7B%22name%22%3A%22admin%22%7D";
    let form = format!("{}&{claimed}", client.auth_form("presence-x"));
    let answer =
        ask(&server, "/apps/it/auth/channel", &bearer, &form).await.expect(200, "presence");
    let data: Value =
        serde_json::from_str(answer["channel_data"].as_str().unwrap_or_default()).expect("JSON");
    assert_eq!(data, json!({"user_id": "u1", "user_info": {"name": "é"}}));
    let form = format!("socket_id={}&user_id=admin", client.socket_id);
    let answer = ask(&server, "/apps/it/auth/user", &bearer, &form).await.expect(200, "user");
    let text = answer["user_data"].as_str().unwrap_or_default();
    assert_eq!(answer["auth"], APP.user_auth(&client.socket_id, text));
    let data: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!((&data["id"], &data["user_info"]), (&json!("u1"), &json!({"name": "é"})), "{data}");
    server.stop().await;
}

#[tokio::test]
async fn s10_bad_tokens_are_refused() {
    let server = TestServer::start(&app()).await;
    let client = server.connect().await;
    let id = client.socket_id.clone();
    let all = claims(&["*"]);
    let with = |name: &str, value: Value| {
        let mut claims = all.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().and_then(|map| map.remove(name))),
            value => claims[name] = value,
        }
        claims
    };
    let good = token(&hs256(), &all, SECRET);
    let (text, signature) = good.rsplit_once('.').expect("three parts");
    let (head, middle) = text.split_once('.').expect("three parts");
    let admin = token(&hs256(), &with("sub", json!("admin")), SECRET);
    let other_middle = admin.split('.').nth(1).unwrap_or_default();
    let none = token(&json!({"alg": "none", "typ": "JWT"}), &all, SECRET);
    let unsigned = none.rsplit_once('.').map(|(text, _)| format!("{text}.")).unwrap_or_default();
    let rows = [
        ("no header", String::new()),
        ("no token", "Bearer".to_owned()),
        ("an empty token", "Bearer ".to_owned()),
        ("rubbish", "Bearer rubbish".to_owned()),
        ("three parts of rubbish", "Bearer a.b.c".to_owned()),
        ("another scheme", format!("Basic {good}")),
        ("two parts", format!("Bearer {text}")),
        ("no signature", format!("Bearer {text}.")),
        ("a changed signature", format!("Bearer {text}.{}A", &signature[..signature.len() - 2])),
        ("changed claims", format!("Bearer {head}.{other_middle}.{signature}")),
        (
            "a changed head",
            format!("Bearer {}.{middle}.{signature}", none.split('.').next().unwrap_or_default()),
        ),
        ("alg none", format!("Bearer {none}")),
        ("alg none without a signature", format!("Bearer {unsigned}")),
        ("alg None", format!("Bearer {}", token(&json!({"alg": "None"}), &all, SECRET))),
        ("alg RS256", format!("Bearer {}", token(&json!({"alg": "RS256"}), &all, SECRET))),
        ("alg HS512", format!("Bearer {}", token(&json!({"alg": "HS512"}), &all, SECRET))),
        ("no alg", format!("Bearer {}", token(&json!({"typ": "JWT"}), &all, SECRET))),
        ("another secret", format!("Bearer {}", token(&hs256(), &all, "another secret"))),
        ("no secret", format!("Bearer {}", token(&hs256(), &all, ""))),
        ("the app secret", format!("Bearer {}", token(&hs256(), &all, APP.secret))),
        (
            "expired",
            format!("Bearer {}", token(&hs256(), &with("exp", json!(unix_now() - 3600)), SECRET)),
        ),
        ("no exp", format!("Bearer {}", token(&hs256(), &with("exp", Value::Null), SECRET))),
        (
            "exp in words",
            format!("Bearer {}", token(&hs256(), &with("exp", json!("tomorrow")), SECRET)),
        ),
        (
            "channels of the wrong type",
            format!("Bearer {}", token(&hs256(), &with("channels", json!({"a": 1})), SECRET)),
        ),
    ];
    for (name, bearer) in rows {
        for channel in ["private-x", "private-encrypted-x"] {
            let response = ask_channel(&server, &bearer, &id, channel).await;
            response.refused(401, format!("{name}: {bearer}"));
            let body = response.text();
            assert!(!body.contains(SECRET) && !body.contains("shared_secret"), "{name}: {body}");
        }
        if name != "channels of the wrong type" {
            let form = format!("socket_id={id}");
            ask(&server, "/apps/it/auth/user", &bearer, &form).await.refused(401, name);
        }
    }
    ask_channel(&server, &format!("Bearer {good}"), &id, "private-x")
        .await
        .expect(200, "the good one");
    // Without a subject there is no member and no user.
    let nobody = format!("Bearer {}", token(&hs256(), &with("sub", Value::Null), SECRET));
    for (path, form) in
        [("channel", client.auth_form("presence-x")), ("user", format!("socket_id={id}"))]
    {
        let response = ask(&server, &format!("/apps/it/auth/{path}"), &nobody, &form).await;
        assert!([401, 403].contains(&response.status), "{path}: {response:?}");
        let code = response.refused(response.status, path);
        assert_ne!(code, "unknown_socket", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_app_secret_verifies_tokens_by_default() {
    let server = TestServer::start(&config("authorizer = \"jwt\"")).await;
    let client = server.connect().await;
    let id = client.socket_id.as_str();
    let bearer = format!("Bearer {}", token(&hs256(), &claims(&["*"]), APP.secret));
    ask_channel(&server, &bearer, id, "private-x").await.expect(200, "the app secret");
    let bearer = format!("Bearer {}", token(&hs256(), &claims(&["*"]), SECRET));
    ask_channel(&server, &bearer, id, "private-x").await.refused(401, "another secret");
    server.stop().await;
}

#[tokio::test]
async fn s10_token_of_another_app_is_refused() {
    let ours = format!("authorizer = \"jwt\"\njwt_secret = \"{SECRET}\"");
    let server =
        TestServer::start(&config_of("", &[(APP, &ours), (OTHER, "authorizer = \"jwt\"")])).await;
    let bearer = format!("Bearer {}", token(&hs256(), &claims(&["*"]), SECRET));
    let (our_client, their_client) = (server.connect().await, server.connect_as(OTHER).await);
    let (form, theirs) = (our_client.auth_form("private-x"), their_client.auth_form("private-x"));
    ask(&server, "/apps/it/auth/channel", &bearer, &form).await.expect(200, "its own app");
    ask(&server, "/apps/other/auth/channel", &bearer, &theirs).await.refused(401, "the other app");
    let path = format!("/pusher/auth?app_key={}", OTHER.key);
    ask(&server, &path, &bearer, &theirs).await.refused(401, path);
    server.stop().await;
}
