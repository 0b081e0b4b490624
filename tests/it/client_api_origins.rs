//! Origins of the client API: CORS, same-origin requests, and names that lead here.

use serde_json::json;

use crate::support::*;

const PAGE: &str = "https://app.example.com";
const JWT: &str = "jwt-secret-of-the-origin-tests";

fn app(authorizer: &str) -> String {
    config(&format!(
        "explain = true\nauthorizer = \"{authorizer}\"\norigins = [\"{PAGE}\", \"http://*.example.org\"]\n\
         [[apps.it.channels]]\npattern = \"*\"\nhistory = {{ blind = true }}\n"
    ))
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    let given = headers.iter().filter(|(_, value)| !value.is_empty());
    given.fold(request, |request, (name, value)| match *name {
        "Host" => request.host(value),
        _ => request.header(name, value),
    })
}

/// A GET of the page's own origin, or of one that pretends to be.
fn own(host: &str, site: &str) -> Request {
    let request = page_request("GET", "/channels/cache-news/last");
    with(request, &[("Host", host), ("Sec-Fetch-Site", site)])
}

#[tokio::test]
async fn rebound_names_read_nothing() {
    for authorizer in ["deny", "open"] {
        let server = TestServer::start(&app(authorizer)).await;
        // Listed with its scheme, which a connection with TLS does not have.
        let with_http = if server.tls.is_some() { 403 } else { 204 };
        for (host, site, status) in [
            ("app.example.com", "", 204),
            ("app.example.com", "same-origin", 204),
            ("app.example.com", "none", 204),
            ("shop.example.org", "", with_http),
            ("app.example.com", "cross-site", 403),
            ("app.example.com", "same-site", 403),
            ("evil.test", "", 403),
            ("evil.test", "same-origin", 403),
            ("127.0.0.1", "", 403),
            ("localhost", "", 403),
            ("app.example.com.evil.test", "", 403),
        ] {
            let response = server.send(own(host, site)).await;
            assert_eq!(response.status, status, "{authorizer} {host} {site}: {response:?}");
            if status == 403 {
                assert_eq!(response.refused(403, host), "origin_not_allowed");
            }
            // A token that no rebound page has.
            let token = server.token(&["subscribe"]).await;
            let response = server.send(own(host, site).bearer(&token)).await;
            assert_eq!(response.status, 204, "{authorizer} {host} {site} with a token");
        }
        // Any text is a bearer, and "open" looks at none.
        let response = server.send(own("evil.test", "").bearer("x")).await;
        assert_eq!(response.refused(403, "no token"), "origin_not_allowed", "{authorizer}");
        let private = page_request("GET", "/channels/private-cache-x/last");
        let response = server.send(private.host("evil.test").bearer("x")).await;
        response.refused(403, authorizer);
        server.stop().await;
    }
}

#[tokio::test]
async fn listed_pages_alone_are_answered() {
    let server = TestServer::start(&app("deny")).await;
    let token = server.token(&["subscribe", "history"]).await;
    server.publish("private-a", "e", "1").await;
    let path = "/channels/private-a/last";
    for origin in [PAGE, "http://shop.example.org"] {
        let request = page_request("GET", path).bearer(&token).header("Origin", origin);
        let response = server.send(request.clone()).await;
        response.expect(200, origin);
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some(origin));
        assert_eq!(response.header("Access-Control-Expose-Headers"), Some("ETag, Retry-After"));
        assert_eq!(response.header("Vary"), Some("Origin"));
        let known = response.header("ETag").expect("a tag").to_owned();
        let unchanged = server.send(request.header("If-None-Match", &known)).await;
        assert_eq!(unchanged.status, 304);
        assert_eq!(unchanged.header("Access-Control-Allow-Origin"), Some(origin));
    }
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.test"] {
        for (method, path) in [("GET", path), ("DELETE", "/channels/private-a/history")] {
            let request = page_request(method, path).bearer(&token).header("Origin", origin);
            let response = server.send(request).await;
            assert_eq!(response.refused(403, origin), "origin_not_allowed");
            assert_eq!(response.header("Access-Control-Allow-Origin"), None, "{origin}");
        }
    }
    for response in [
        server.page_get(&token, path).await,
        server.page_get("x", path).await,
        server.page_get(&token, "/channels/private-none/history").await,
        server.send(page_request("POST", path)).await,
        server.send(Request::new("GET", "/app/none/channels/a/last")).await,
    ] {
        assert_eq!(response.header("Cache-Control"), Some("no-store"), "{response:?}");
        assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"), "{response:?}");
        assert_eq!(response.header("Vary"), Some("Origin"), "{response:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn preflights_name_the_methods_of_the_route() {
    let server = TestServer::start(&app("deny")).await;
    for (path, methods) in [
        ("/channels/private-a/history", "GET, HEAD, DELETE"),
        ("/channels/private-a/last", "GET, HEAD"),
        ("/channels/private-a/encryption-settings", "GET, HEAD"),
        ("/events", "POST"),
        ("/tickets", "POST"),
    ] {
        let ask = |origin: &str| {
            page_request("OPTIONS", path)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "GET")
                .header("Access-Control-Request-Headers", "x-other")
        };
        let response = server.send(ask(PAGE)).await;
        assert_eq!(response.status, 204, "{path}");
        let named = |name: &str| response.header(name).unwrap_or_default();
        assert_eq!(named("Access-Control-Allow-Methods"), methods, "{path}");
        assert_eq!(
            named("Access-Control-Allow-Headers"),
            "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID"
        );
        assert_eq!(named("Access-Control-Max-Age"), "600");
        let response = server.send(ask("https://evil.example")).await;
        assert_eq!(response.header("Access-Control-Allow-Methods"), None, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn tokens_for_one_origin_are_taken_from_its_own_pages() {
    let server = TestServer::start(&app("deny")).await;
    let wanted = json!({"user_id": "u1", "channels": ["*"], "origin": PAGE});
    let minted = server.post("/tokens", &wanted).await.expect(200, "bound");
    let token = minted["token"].as_str().expect("a token");
    for (headers, status) in [
        (&[("Origin", PAGE)][..], 204),
        (&[("Host", "app.example.com"), ("Sec-Fetch-Site", "same-origin")], 204),
        (&[("Host", "app.example.com"), ("Sec-Fetch-Site", "same-site")], 401),
        (&[("Host", "app.example.com")], 401),
        (&[("Host", "evil.test"), ("Sec-Fetch-Site", "same-origin")], 401),
        (&[("Origin", "http://shop.example.org")], 401),
        (&[], 401),
    ] {
        let request = page_request("GET", "/channels/private-cache-x/last").bearer(token);
        let response = server.send(with(request, headers)).await;
        assert_eq!(response.status, status, "{headers:?}: {response:?}");
        if status == 401 {
            assert_eq!(response.refused(401, "another page"), "token_origin", "{headers:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn cookies_count_for_exactly_listed_pages_and_make_no_tickets() {
    let server = TestServer::start(&config(&format!(
        "explain = true\nauthorizer = \"jwt\"\njwt_secret = \"{JWT}\"\njwt.cookie = \"session\"\n\
         origins = [\"{PAGE}\", \"https://*.example.org\"]\n"
    )))
    .await;
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-*"],
        "allow": ["subscribe", "trigger"]});
    let cookie = format!("session={}", token(&json!({"alg": "HS256"}), &claims, JWT));
    let path = "/channels/private-cache-x/last";
    for (headers, status) in [
        (&[("Origin", PAGE)][..], 204),
        (&[("Origin", PAGE), ("Sec-Fetch-Site", "same-site")], 204),
        (&[("Host", "app.example.com"), ("Sec-Fetch-Site", "same-origin")], 204),
        (&[("Origin", PAGE), ("Sec-Fetch-Site", "cross-site")], 401),
        (&[("Host", "app.example.com"), ("Sec-Fetch-Site", "none")], 401),
        (&[("Host", "app.example.com")], 401),
        (&[("Host", "shop.example.org"), ("Sec-Fetch-Site", "same-origin")], 401),
        (&[("Host", "evil.test"), ("Sec-Fetch-Site", "same-origin")], 401),
        (&[("Origin", "https://shop.example.org")], 401),
        (&[], 401),
    ] {
        let request = page_request("GET", path).header("Cookie", &cookie);
        let response = server.send(with(request, headers)).await;
        assert_eq!(response.status, status, "{headers:?}: {response:?}");
        if status == 401 {
            assert_eq!(response.refused(401, "a cookie"), "cookie_not_accepted", "{headers:?}");
        }
    }
    let post =
        |path: &str| page_request("POST", path).header("Cookie", &cookie).header("Origin", PAGE);
    let event = json!({"name": "client-x", "channel": "private-x", "data": ""});
    server.send(post("/events").json(&event)).await.expect(200, "a cookie may publish");
    let form = post("/events").body("text/plain", event.to_string());
    assert_eq!(server.send(form).await.refused(415, "a form"), "unsupported_media_type");
    let response = server.send(post("/tickets").json(&json!({"channels": ["private-x"]}))).await;
    assert_eq!(response.refused(401, "a ticket"), "token_missing");
    server.stop().await;
}
