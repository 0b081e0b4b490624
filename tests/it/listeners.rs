//! A separate listener for the HTTP API.

use serde_json::json;

use crate::support::*;

fn launch(top: &str) -> Launch {
    let top = format!("api_listen = \"127.0.0.1:0\"\n{top}");
    Launch::serve(&config_of(&top, &[(APP, "authorizer = \"open\"")]))
}

fn trigger(prefix: &str, data: &str) -> Request {
    let body = json!({"name": "e", "channel": "news", "data": data}).to_string();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    Request::new("POST", format!("{prefix}{target}")).body("application/json", body)
}

#[tokio::test]
async fn c_api_listens_on_its_own_address_only() {
    let server = launch("").start().await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    exchange(server.api(), &trigger("", "inside")).await.expect(200, "the API's listener");
    assert_eq!(client.expect_event("e").await, "inside");

    let channels = signed_target(APP, "GET", "/apps/it/channels", &[], b"");
    let explain = signed_target(APP, "POST", "/apps/it/auth/explain", &[], b"");
    let terminate = "/users/u/terminate_connections";
    for request in [
        trigger("", "outside"),
        Request::new("GET", channels),
        Request::new("POST", explain),
        Request::new("POST", terminate),
        Request::new("GET", "/apps/unknown/anything"),
    ] {
        let response = server.send(request.clone()).await;
        assert_eq!(response.refused(404, &request.target), "no_api_here");
        let port = server.api().port().to_string();
        assert!(!response.text().contains(&port), "{}", response.text());
    }
    client.expect_silence().await;

    let form = client.auth_form("private-x");
    for path in ["/pusher/auth", "/apps/it/auth/channel"] {
        let request = Request::new("POST", path).form(&form);
        server.send(request.clone()).await.expect(200, path);
        exchange(server.api(), &request).await.refused(404, path);
    }
    server.send(Request::new("GET", "/health")).await.expect(200, "health");
    exchange(server.api(), &Request::new("GET", "/health")).await.expect(200, "health");
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn c_no_websockets_on_the_api_listener() {
    let server = launch("").start().await;
    let mut line = HttpConnection::dial(server.api()).await;
    line.write(&upgrade_request(&server.socket_path(), "")).await;
    let answer = line.read("GET").await;
    assert_eq!(answer.refused(404, "an upgrade"), "not_found");
    exchange(server.api(), &offering_http2()).await.expect(200, "an offer of HTTP/2");
    server.stop().await;
}

/// Java's client offers HTTP/2 in its first request, and needs an ordinary response.
fn offering_http2() -> Request {
    trigger("", "offers HTTP/2")
        .header("Connection", "Upgrade, HTTP2-Settings")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA")
}

#[tokio::test]
async fn c_protocol_upgrade_offers_are_ignored() {
    let server = TestServer::start(&config("")).await;
    for _ in 0..2 {
        let mut line = server.http_connection().await;
        line.write(&offering_http2().bytes()).await;
        let answer = line.read("POST").await;
        answer.expect(200, "an offer of HTTP/2");
        assert_eq!(answer.header("Connection"), Some("close"), "nothing more is read on it");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_prefix_applies_to_both_listeners() {
    let mut server = launch("path_prefix = \"/ws\"").start().await;
    server.prefix = "/ws";
    let mut client = server.connect().await;
    client.subscribe("news").await;
    exchange(server.api(), &trigger("/ws", "one")).await.expect(200, "with the prefix");
    assert_eq!(client.expect_event("e").await, "one");
    assert_eq!(
        exchange(server.api(), &trigger("", "x")).await.refused(404, "without"),
        "not_found"
    );
    let outside = server.send(trigger("", "x")).await;
    assert_eq!(outside.refused(404, "outside"), "no_api_here");
    client.close().await;
    server.stop().await;
}

/// Its header is required, independent of the other listener.
#[tokio::test]
async fn c_api_listener_may_have_its_own_balancer() {
    let top = "api_proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]";
    let server = launch(top).start().await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let mut line = HttpConnection::dial(server.api()).await;
    line.write(&proxy_v2("203.0.113.7")).await;
    line.send(&trigger("", "behind")).await.expect(200, "behind a header");
    assert_eq!(client.expect_event("e").await, "behind");
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn c_duplicate_listener_addresses_are_rejected() {
    let top = "listen = \"127.0.0.1:4567\"\napi_listen = \"127.0.0.1:4567\"";
    let launch = Launch::new(&["config", "check"]).config(&config_of(top, &[(APP, "")]));
    let output = launch.output("").await;
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stderr.contains("listen and api_listen are both 127.0.0.1:4567"), "{output:?}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let launch = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).config(&config(""));
    let output = launch.arg("--api-listen").arg(address).output("").await;
    assert!(output.stderr.contains("choose another address with --api-listen"), "{output:?}");
}
