//! Bad input to the client API.

use serde_json::json;

use crate::support::*;

const CHANNELS: &str =
    "explain = true\n[[apps.it.channels]]\npattern = \"*-log*\"\nhistory = { blind = true }\n";

#[tokio::test]
async fn names_that_no_channel_has_are_refused() {
    let server = TestServer::start(&config(CHANNELS)).await;
    let token = server.token(&["subscribe", "history", "trigger", "clear"]).await;
    for (name, code) in [
        ("private-%22", "invalid_channel"),
        ("private-%0a", "invalid_channel"),
        ("private-%00", "invalid_channel"),
        ("private-%ff", "invalid_channel"),
        ("private-%2f..%2f", "invalid_channel"),
        (&*"a".repeat(201), "invalid_channel"),
        ("%23server-to-user-u1", "reserved_channel"),
    ] {
        for what in ["history", "last", "encryption-settings"] {
            let response = server.page_get(&token, &format!("/channels/{name}/{what}")).await;
            assert_eq!(response.refused(400, name), code, "{name} {what}");
        }
        let response = server
            .send(page_request("DELETE", &format!("/channels/{name}/history")).bearer(&token));
        assert_eq!(response.await.refused(400, name), code, "{name}");
    }
    // A comma is part of a name.
    server.page_get(&token, "/channels/private-log,x/history").await.expect(200, "a comma");
    for name in ["private-\"", "private-\n", "private-\0", "#server-to-user-u1", ""] {
        let body = json!({"name": "client-x", "channel": name, "data": ""});
        let response = server.page_post(&token, "/events", &body).await;
        response.refused(400, &body);
        let body = json!({"channels": ["private-a", name]});
        let response = server.page_post(&token, "/tickets", &body).await;
        response.refused(400, &body);
        assert_eq!(response.json()["channel"], name);
    }
    server.stop().await;
}

#[tokio::test]
async fn malformed_requests_get_clear_answers() {
    let server = TestServer::start(&config(CHANNELS)).await;
    let token = server.token(&["subscribe", "history", "trigger"]).await;
    for (query, status, code) in [
        ("limit=0", 400, "invalid_page"),
        ("limit=1001", 400, "invalid_page"),
        ("order=up", 400, "invalid_page"),
        ("after=a&after=a", 400, "invalid_page"),
        ("socket_id=x", 400, "invalid_socket_id"),
        ("socket_id=1.2&socket_id=1.2", 400, "duplicate_parameter"),
        (&*"a=1&".repeat(10_000), 414, "uri_too_long"),
        (&*"a&".repeat(200), 400, "too_many_parameters"),
    ] {
        let path = format!("/channels/private-log/history?{query}");
        let response = server.page_get(&token, &path).await;
        assert_eq!(response.refused(status, query.len()), code, "{query:.40}");
    }
    let long = "A".repeat(7000);
    let path = format!("/channels/private-log/history?after={long}");
    let page = server.page_get(&token, &path).await.expect(200, "a long position");
    assert_eq!(page["gap"], "unknown_position");
    for (body, status, code) in [
        ("", 400, "invalid_json"),
        ("[]", 400, "invalid_json"),
        (r#"{"name":"client-x","channel":"private-a"}"#, 400, "invalid_json"),
        (r#"{"name":"client-x","channel":"private-a","data":"","more":1}"#, 400, "invalid_json"),
        (r#"{"name":"client-x","channel":"private-a","data":{}}"#, 400, "invalid_data"),
        (r#"{"name":"x","channel":"private-a","data":""}"#, 400, "invalid_event_name"),
        (r#"{"name":"pusher:x","channel":"private-a","data":""}"#, 400, "invalid_event_name"),
        (
            r#"{"name":"client-x","channel":"private-a","data":"","socket_id":"1"}"#,
            400,
            "invalid_socket_id",
        ),
        (
            r#"{"name":"client-x","channel":"private-a","data":"","socket_id":"1.2"}"#,
            403,
            "unknown_socket",
        ),
    ] {
        let request = page_request("POST", "/events").bearer(&token);
        let response = server.send(request.body("application/json", body)).await;
        assert_eq!(response.refused(status, body), code, "{body}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
        for path in ["/events", "/tickets"] {
            let request = page_request("POST", path).bearer(&token).body(kind, "{}");
            let code = server.send(request).await.refused(415, kind);
            assert_eq!(code, "unsupported_media_type", "{path}");
        }
    }
    let request = page_request("POST", "/events").bearer(&token);
    let request = request.body("application/json", vec![b' '; 300_000]);
    assert_eq!(server.send(request).await.refused(413, "a large body"), "body_too_large");
    let mut bystander = server.bystander().await;
    server.still_serves(&mut bystander, "all of it").await;
    server.stop().await;
}

#[tokio::test]
async fn ten_thousand_channels_are_refused() {
    let server = TestServer::start(&config(CHANNELS)).await;
    let token = server.token(&["subscribe"]).await;
    let named = |count: usize| -> Vec<String> { (0..count).map(|n| format!("c{n}")).collect() };
    for (count, code) in [(0, "invalid_channels"), (101, "invalid_channels")] {
        let body = json!({"channels": named(count)});
        let response = server.page_post(&token, "/tickets", &body).await;
        assert_eq!(response.refused(400, count), code);
    }
    let body = json!({"channels": named(10_000)});
    let response = server.page_post(&token, "/tickets", &body).await;
    assert!(matches!(response.status, 400 | 413), "{response:?}");
    server.page_post(&token, "/tickets", &json!({"channels": named(100)})).await.expect(200, "100");
    let logs: Vec<String> = (0..65).map(|n| format!("private-log-{n}")).collect();
    let response = server.page_post(&token, "/tickets", &json!({"channels": logs})).await;
    assert_eq!(response.refused(400, "65 logs"), "too_many_recoverable");
    server.page_post(&token, "/tickets", &json!({"channels": logs[..64]})).await.expect(200, "64");
    server.stop().await;
}

#[tokio::test]
async fn other_methods_and_apps_are_refused() {
    let server =
        TestServer::start(&config_of("", &[(APP, CHANNELS), (OTHER, "enabled = false")])).await;
    let token = server.token(&["subscribe", "history"]).await;
    for (method, path, allowed) in [
        ("POST", "/channels/private-log/history", "GET, HEAD, DELETE"),
        ("PUT", "/channels/private-log/last", "GET, HEAD"),
        ("GET", "/events", "POST"),
        ("DELETE", "/tickets", "POST"),
    ] {
        let response = server.send(page_request(method, path).bearer(&token)).await;
        assert_eq!(response.refused(405, path), "method_not_allowed");
        assert_eq!(response.header("Allow"), Some(allowed), "{path}");
    }
    let get = async |path: String| server.send(Request::new("GET", path).bearer(&token)).await;
    let unknown = get("/app/none/channels/private-log/last".into()).await;
    assert_eq!(unknown.refused(404, "no app"), "unknown_app");
    let disabled = get(format!("/app/{}/channels/private-log/last", OTHER.key)).await;
    assert_eq!(disabled.refused(403, "disabled"), "app_disabled");
    let head = server.send(page_request("HEAD", "/channels/private-log/last").bearer(&token)).await;
    assert_eq!(head.status, 204);
    server.stop().await;
}
