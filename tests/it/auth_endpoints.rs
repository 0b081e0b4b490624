//! protocol.md 10: the built-in auth endpoints, open and closed.

use serde_json::{Value, json};

use crate::support::*;

const OPEN: &str = "authorizer = \"open\"";

fn with_key() -> String {
    format!("{OPEN}\nmaster_key = \"{}\"", base64(&master_key("auth")))
}

/// The response of an endpoint: 200, JSON, and `no-store`.
#[track_caller]
fn granted(response: &Response, input: impl std::fmt::Display) -> Value {
    let answer = response.expect(200, &input);
    assert_eq!(response.header("Cache-Control"), Some("no-store"), "{input}: {response:?}");
    assert_eq!(response.header("Content-Encoding"), None, "{input}: {response:?}");
    answer
}

async fn ask(server: &TestServer, path: &str, fields: &[(&str, &str)]) -> Response {
    let pairs: Vec<(String, String)> = params(fields);
    server.send(Request::new("POST", path).form(&query(&pairs))).await
}

#[tokio::test]
async fn s10_forms_and_json_get_the_signature() {
    let server = TestServer::start(&config(OPEN)).await;
    let client = server.connect().await;
    let wanted = client.auth("private-x", None);
    let path = "/apps/it/auth/channel";
    let body = json!({"socket_id": client.socket_id, "channel_name": "private-x"});
    let form = format!("socket_id={}&channel_name=private-x", client.socket_id);
    let escaped = client.socket_id.replace('.', "%2E");
    let requests = [
        Request::new("POST", path).form(&form),
        Request::new("POST", path)
            .form(&format!("extra=%C3%A9+x&channel_name=private%2Dx&socket_id={escaped}")),
        Request::new("POST", path)
            .body("application/x-www-form-urlencoded; charset=UTF-8", form.as_str()),
        Request::new("POST", path).json(&body),
        Request::new("POST", path).body("application/json; charset=utf-8", body.to_string()),
        Request::new("POST", path).form(&form).header("charset", "UTF-8"),
    ];
    for request in requests {
        let response = server.send(request.clone()).await;
        let answer = granted(&response, format!("{request:?}"));
        assert_eq!(answer["auth"], wanted, "{request:?}: {answer}");
        assert_eq!(answer.get("shared_secret"), None, "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_authorizations_of_the_endpoint_are_accepted_by_the_socket() {
    let server = TestServer::start(&config(&with_key())).await;
    let mut client = server.connect().await;
    let socket_id = client.socket_id.clone();
    for channel in ["private-x", "private-cache-x", "private-encrypted-x", "presence-x"] {
        let fields =
            [("socket_id", socket_id.as_str()), ("channel_name", channel), ("user_id", "u1")];
        let answer = granted(&ask(&server, "/apps/it/auth/channel", &fields).await, channel);
        let mut data = answer.clone();
        data["channel"] = json!(channel);
        client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
        let frame = client.next().await;
        assert_eq!(frame["event"], "pusher_internal:subscription_succeeded", "{answer}: {frame}");
        assert_eq!(answer.get("channel_data").is_some(), channel == "presence-x", "{answer}");
        assert_eq!(
            answer.get("shared_secret").is_some(),
            channel == "private-encrypted-x",
            "{answer}"
        );
        if channel.contains("cache") {
            client.expect_event("pusher:cache_miss").await;
        }
    }
    let answer = granted(
        &ask(&server, "/apps/it/auth/user", &[("socket_id", &socket_id), ("user_id", "u1")]).await,
        "user",
    );
    client.send(&json!({"event": "pusher:signin", "data": answer})).await;
    client.expect_event("pusher:signin_success").await;
    client.subscribe("#server-to-user-u1").await;
    server.stop().await;
}

#[tokio::test]
async fn s9_shared_secret_is_padded_standard_base64_of_the_derived_key() {
    let server = TestServer::start(&config(&with_key())).await;
    let client = server.connect().await;
    for channel in [
        "private-encrypted-x",
        "private-encrypted-y",
        "private-encrypted-cache-x",
        "private-encrypted-=@,.;",
    ] {
        let fields = [("socket_id", client.socket_id.as_str()), ("channel_name", channel)];
        let answer = granted(&ask(&server, "/apps/it/auth/channel", &fields).await, channel);
        assert_eq!(
            answer["shared_secret"],
            base64(&shared_secret(&master_key("auth"), channel)),
            "{channel}"
        );
        assert_eq!(answer["auth"], client.auth(channel, None), "{channel}");
    }
    server.stop().await;

    let server =
        TestServer::start(&config(&format!("{}\nderivation = \"dotnet\"", with_key()))).await;
    let client = server.connect().await;
    let fields =
        [("socket_id", client.socket_id.as_str()), ("channel_name", "private-encrypted-x")];
    let answer = granted(&ask(&server, "/apps/it/auth/channel", &fields).await, "dotnet");
    assert_eq!(
        answer["shared_secret"],
        base64(&dotnet_secret(&master_key("auth"), "private-encrypted-x"))
    );
    server.stop().await;
}

#[tokio::test]
async fn s10_open_authorizer_signs_members_and_users() {
    let server = TestServer::start(&config(OPEN)).await;
    let client = server.connect().await;
    let id = client.socket_id.as_str();
    let path = "/apps/it/auth/channel";
    let member = |answer: &Value| -> Value {
        let text =
            answer["channel_data"].as_str().unwrap_or_else(|| panic!("no channel_data: {answer}"));
        assert_eq!(answer["auth"], client.auth("presence-x", Some(text)), "{answer}");
        serde_json::from_str(text).expect("channel_data is JSON")
    };
    let base = [("socket_id", id), ("channel_name", "presence-x")];
    let guest = member(&granted(&ask(&server, path, &base).await, "a guest"));
    assert_eq!(guest["user_id"], format!("guest-{id}"), "{guest}");
    let named = [base[0], base[1], ("user_id", "u1"), ("user_info", r#"{"name":"é"}"#)];
    let named = member(&granted(&ask(&server, path, &named).await, "a user with a form"));
    assert_eq!(named, json!({"user_id": "u1", "user_info": {"name": "é"}}));
    for info in [json!({"name": "é"}), json!("{\"name\":\"é\"}")] {
        let body = json!({"socket_id": id, "channel_name": "presence-x", "user_id": "u1", "user_info": info});
        let response = server.send(Request::new("POST", path).json(&body)).await;
        let named = member(&granted(&response, &body));
        assert_eq!(named, json!({"user_id": "u1", "user_info": {"name": "é"}}), "{body}");
    }

    let path = "/apps/it/auth/user";
    let fields = [("socket_id", id), ("user_id", "u1"), ("user_info", r#"{"name":"é"}"#)];
    let answer = granted(&ask(&server, path, &fields).await, "a user");
    let text = answer["user_data"].as_str().unwrap_or_else(|| panic!("no user_data: {answer}"));
    assert_eq!(answer["auth"], APP.user_auth(id, text), "{answer}");
    let user: Value = serde_json::from_str(text).expect("user_data is JSON");
    assert_eq!((&user["id"], &user["user_info"]), (&json!("u1"), &json!({"name": "é"})), "{user}");
    let response = ask(&server, path, &[("socket_id", id)]).await;
    assert!([400, 401, 403].contains(&response.status), "nobody signs in as nobody: {response:?}");
    server.stop().await;
}

#[tokio::test]
async fn s10_invalid_requests_get_no_signature() {
    let server = TestServer::start(&config(&with_key())).await;
    let client = server.connect().await;
    let id = client.socket_id.as_str();
    let (colon, newline) = (format!("{id}:"), format!("{id}\n"));
    let (third, with_channel) = (format!("{id}.3"), format!("{id}:private-x"));
    let rows: [(&str, &[(&str, &str)]); 17] = [
        ("missing_parameter", &[]),
        ("missing_parameter", &[("socket_id", id)]),
        ("missing_parameter", &[("channel_name", "private-x")]),
        ("missing_parameter", &[("socket_id", ""), ("channel_name", "private-x")]),
        ("invalid_socket_id", &[("socket_id", "1"), ("channel_name", "private-x")]),
        ("invalid_socket_id", &[("socket_id", "1."), ("channel_name", "private-x")]),
        ("invalid_socket_id", &[("socket_id", "a.b"), ("channel_name", "private-x")]),
        ("invalid_socket_id", &[("socket_id", &third), ("channel_name", "private-x")]),
        ("invalid_socket_id", &[("socket_id", &with_channel), ("channel_name", "private-y")]),
        ("invalid_socket_id", &[("socket_id", &newline), ("channel_name", "private-x")]),
        // A sign-in string disguised as a channel name: the id + "::user::" + data.
        ("invalid_channel", &[("socket_id", id), ("channel_name", ":user:{\"id\":\"admin\"}")]),
        (
            "invalid_socket_id",
            &[("socket_id", &colon), ("channel_name", "user::{\"id\":\"admin\"}")],
        ),
        ("missing_parameter", &[("socket_id", id), ("channel_name", "")]),
        ("invalid_channel", &[("socket_id", id), ("channel_name", "private-a b")]),
        ("invalid_channel", &[("socket_id", id), ("channel_name", "private-x:presence")]),
        ("invalid_channel", &[("socket_id", id), ("channel_name", "private-encrypted")]),
        (
            "invalid_user_info",
            &[
                ("socket_id", id),
                ("channel_name", "presence-x"),
                ("user_id", "u"),
                ("user_info", "{broken"),
            ],
        ),
    ];
    for (code, fields) in rows {
        let response = ask(&server, "/apps/it/auth/channel", fields).await;
        assert_eq!(response.refused(400, format!("{fields:?}")), code, "{fields:?}");
        assert!(!response.text().contains("\"auth\""), "{fields:?}: {}", response.text());
    }
    let number = format!("{{\"socket_id\":{id},\"channel_name\":\"private-x\"}}");
    let list = format!("{{\"socket_id\":\"{id}\",\"channel_name\":[\"x\"]}}");
    let array = format!("[\"{id}\",\"private-x\"]");
    for (code, body) in [
        ("invalid_json", ""),
        ("invalid_json", "{"),
        ("invalid_json", "[]"),
        ("invalid_json", "null"),
        ("invalid_json", "5"),
        ("invalid_json", "\"x\""),
        ("invalid_parameter", &number),
        ("invalid_parameter", &list),
        ("invalid_json", &array),
    ] {
        let request = Request::new("POST", "/apps/it/auth/channel").body("application/json", body);
        assert_eq!(server.send(request).await.refused(400, body), code, "{body}");
    }
    let form = Request::new("POST", "/apps/it/auth/channel")
        .body("application/x-www-form-urlencoded", *b"socket_id=1.2&channel_name=\xff");
    assert_eq!(server.send(form).await.refused(400, "not UTF-8"), "invalid_form");
    server.stop().await;
}

#[tokio::test]
async fn s10_user_without_an_id_is_refused() {
    let open = "authorizer = \"open\"\nexplain = true";
    let server = TestServer::start(&config(open)).await;
    let client = server.connect().await;
    let response = ask(&server, "/pusher/user-auth", &[("socket_id", &client.socket_id)]).await;
    assert_eq!(response.refused(401, "without an id"), "missing_user_id");
    server.stop().await;
}

#[tokio::test]
async fn s10_unreadable_body_is_refused() {
    let server = TestServer::start(&config(&with_key())).await;
    let mut line = server.http_connection().await;
    let head =
        "POST /pusher/auth HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    line.write(format!("{head}5\r\nsocke\r\nnot a size\r\n").as_bytes()).await;
    let response = line.read("POST").await;
    assert_eq!(response.refused(400, "broken chunks"), "unreadable_body");
    server.stop().await;
}

#[tokio::test]
async fn s10_large_body_is_refused() {
    let server = TestServer::start(&config(OPEN)).await;
    let client = server.connect().await;
    for (length, status) in [(1000, 200), (16_384, 200), (16_385, 413), (200_000, 413)] {
        let mut form = client.auth_form("private-x") + "&extra=";
        form.extend(std::iter::repeat_n('x', length - form.len()));
        let response = server.send(Request::new("POST", "/pusher/auth").form(&form)).await;
        response.expect(status, format!("{length} bytes"));
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_each_path_finds_the_only_app() {
    let server = TestServer::start(&config(OPEN)).await;
    let client = server.connect().await;
    let id = client.socket_id.as_str();
    for path in ["/pusher/auth", "/jetsocket/auth", "/broadcasting/auth", "/apps/it/auth/channel"] {
        let answer = granted(
            &ask(&server, path, &[("socket_id", id), ("channel_name", "private-x")]).await,
            path,
        );
        assert_eq!(answer["auth"], client.auth("private-x", None), "{path}");
    }
    for path in [
        "/pusher/user-auth",
        "/jetsocket/user-auth",
        "/broadcasting/user-auth",
        "/apps/it/auth/user",
    ] {
        let answer =
            granted(&ask(&server, path, &[("socket_id", id), ("user_id", "u1")]).await, path);
        let text = answer["user_data"].as_str().unwrap_or_default();
        assert_eq!(answer["auth"], APP.user_auth(id, text), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_with_several_apps_the_key_selects_one() {
    let server = TestServer::start(&config_of("", &[(APP, OPEN), (OTHER, OPEN)])).await;
    for app in [APP, OTHER] {
        let client = server.connect_as(app).await;
        let form = client.auth_form("private-x");
        let body = json!({"socket_id": client.socket_id, "channel_name": "private-x"});
        let mut chosen = body.clone();
        chosen["app_key"] = json!(app.key);
        let requests = [
            Request::new("POST", format!("/pusher/auth?app_key={}", app.key)).form(&form),
            Request::new("POST", format!("/pusher/auth?app_key={}", app.key)).json(&body),
            Request::new("POST", "/pusher/auth").form(&format!("{form}&app_key={}", app.key)),
            Request::new("POST", "/pusher/auth").json(&chosen),
            Request::new("POST", format!("/apps/{}/auth/channel", app.id)).form(&form),
        ];
        for request in requests {
            let answer = granted(&server.send(request.clone()).await, format!("{request:?}"));
            assert_eq!(answer["auth"], client.auth("private-x", None), "{request:?}");
        }
    }
    let client = server.connect().await;
    let form = client.auth_form("private-x");
    for path in ["/pusher/auth", "/pusher/auth?app_key=nobody", "/apps/nobody/auth/channel"] {
        let response = server.send(Request::new("POST", path).form(&form)).await;
        assert!((400..500).contains(&response.status), "{path}: {response:?}");
        assert!(!response.text().contains("\"auth\""), "{path}: {}", response.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_denied_by_default_without_a_secret() {
    let denied = format!("master_key = \"{}\"", base64(&master_key("auth")));
    let server =
        TestServer::start(&config_of("", &[(APP, &denied), (OTHER, "authorizer = \"deny\"")]))
            .await;
    for app in [APP, OTHER] {
        let client = server.connect_as(app).await;
        for channel in ["private-x", "presence-x", "private-encrypted-x"] {
            let path = format!("/apps/{}/auth/channel", app.id);
            let fields = [("socket_id", client.socket_id.as_str()), ("channel_name", channel)];
            let response = ask(&server, &path, &fields).await;
            let code = response.refused(403, format!("{path} {channel}"));
            assert_ne!(code, "unknown_socket", "{path} {channel}");
            assert!(!response.text().contains("shared_secret"), "{}", response.text());
        }
        let path = format!("/apps/{}/auth/user", app.id);
        let fields = [("socket_id", client.socket_id.as_str()), ("user_id", "u1")];
        let response = ask(&server, &path, &fields).await;
        assert_eq!(response.refused(403, &path), "forbidden", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn e6_get_request_never_returns_a_secret() {
    let server = TestServer::start(&config(&with_key())).await;
    let client = server.connect().await;
    for path in ["/pusher/auth", "/apps/it/auth/channel"] {
        let target = format!(
            "{path}?callback=steal&socket_id={}&channel_name=private-encrypted-x",
            client.socket_id
        );
        let response = server.send(Request::new("GET", target.clone())).await;
        assert_ne!(response.status, 200, "{target}");
        assert!(!response.text().contains("shared_secret"), "{target}: {}", response.text());
    }
    server.stop().await;
}
