//! Rates of the auth endpoints, and the client addresses behind proxies.

use serde_json::json;

use crate::support::*;

const JWT: &str = "jwt-secret-of-the-rate-tests";

fn app(top: &str, limits: &str) -> String {
    let app = format!("authorizer = \"jwt\"\njwt_secret = \"{JWT}\"\n[apps.it.limits]\n{limits}");
    config_of(top, &[(APP, &app)])
}

fn bearer(user: &str) -> String {
    let claims = json!({"sub": user, "exp": unix_now() + 600, "channels": ["private-*"]});
    format!("Bearer {}", token(&json!({"alg": "HS256"}), &claims, JWT))
}

fn question(client: &Client, user: &str) -> Request {
    let form = client.auth_form("private-x");
    Request::new("POST", "/pusher/auth").form(&form).header("Authorization", &bearer(user))
}

/// The number of accepted requests before the first one refused for the rate.
async fn granted(server: &TestServer, request: &Request, most: usize) -> usize {
    let mut line = server.http_connection().await;
    for n in 0..most {
        let response = line.send(request).await;
        if response.status != 200 {
            assert_eq!(response.refused(429, "too many"), "rate_limited");
            let wait: u64 =
                response.header("Retry-After").and_then(|s| s.parse().ok()).expect("seconds");
            assert!((1..=2).contains(&wait), "{wait}");
            assert_eq!(response.header("Cache-Control"), Some("no-store"));
            return n;
        }
    }
    most
}

/// A burst of ten seconds, and some more for the time of the test.
fn is_about(count: usize, wanted: usize) -> bool {
    (wanted..wanted + 8).contains(&count)
}

#[tokio::test]
async fn each_address_socket_and_user_has_its_own_rate() {
    for limit in ["auth_per_ip", "auth_per_socket", "auth_per_user"] {
        let server = TestServer::start(&app("", &format!("{limit} = 1"))).await;
        let (client, other) = (server.connect().await, server.connect().await);
        let count = granted(&server, &question(&client, "u1"), 100).await;
        assert!(is_about(count, 10), "{limit}: {count}");
        for (request, free_of) in [
            (question(&other, "u1"), "auth_per_socket"),
            (question(&client, "u2"), "auth_per_user"),
        ] {
            let status = server.send(request).await.status;
            assert_eq!(status == 200, limit == free_of, "{limit}: {status}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn refusals_count_and_users_are_limited_like_channels() {
    let server = TestServer::start(&app("", "auth_per_ip = 1")).await;
    let client = server.connect().await;
    let bad = Request::new("POST", "/pusher/auth").form(&client.auth_form("private-x"));
    for _ in 0..10 {
        server.send(bad.clone()).await.refused(401, "no token");
    }
    until("429 for guesses", async || (server.send(bad.clone()).await.status == 429).then_some(()))
        .await;
    let form = format!("socket_id={}", client.socket_id);
    let user =
        Request::new("POST", "/pusher/user-auth").form(&form).header("Authorization", &bearer("u"));
    let status = server.send(user).await.status;
    assert!([429, 200].contains(&status), "{status}");
    server.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_rate() {
    let top = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";
    let server = TestServer::start(&app(top, "auth_per_ip = 1")).await;
    let client = server.connect().await;
    let from = |hops: &str| question(&client, "u1").header("X-Forwarded-For", hops);
    let count = granted(&server, &from("203.0.113.1"), 100).await;
    assert!(is_about(count, 10), "{count}");
    // Addresses prepended by the client change nothing; nor does another trusted hop.
    for hops in ["198.51.100.9, 203.0.113.1", "203.0.113.1, 10.1.2.3", "x, 203.0.113.1:99"] {
        let count = granted(&server, &from(hops), 100).await;
        assert!(count < 8, "{hops}: {count}");
    }
    let count = granted(&server, &from("203.0.113.1, 203.0.113.2"), 100).await;
    assert!(is_about(count, 10), "another client: {count}");
    assert!(!server.printed().contains("trusted_proxies"), "{}", server.printed());
    server.stop().await;
}

#[tokio::test]
async fn untrusted_header_is_ignored_and_the_crowd_is_reported() {
    let server = TestServer::start(&app("", "auth_per_ip = 2")).await;
    let client = server.connect().await;
    let mut granted = 0;
    for n in 0..240 {
        let hops = format!("203.0.113.{n}");
        let request = question(&client, "u1").header("X-Forwarded-For", &hops);
        granted += usize::from(server.send(request).await.status == 200);
    }
    assert!(granted < 240, "one limit for all of them");
    until("the warning", async || {
        server.printed().contains("not in trusted_proxies").then_some(())
    })
    .await;
    assert_eq!(server.printed().matches("not in trusted_proxies").count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn signature_guessing_gets_fewer_details_and_valid_ones_still_pass() {
    let server = TestServer::start(&app("", "")).await;
    let target = signed_target(APP, "GET", "/apps/it/channels", &[], b"");
    let wrong = Request::new("GET", target.replace("auth_signature=", "auth_signature=0"));
    let mut statuses = Vec::new();
    let mut line = server.http_connection().await;
    for _ in 0..200 {
        statuses.push(line.send(&wrong).await.status);
    }
    let first = statuses.iter().position(|status| *status == 429).expect("a limit");
    assert!((100..180).contains(&first), "{first}");
    assert!(statuses[..first].iter().all(|status| *status == 401), "{statuses:?}");
    server.get("/channels", &[]).await.expect(200, "a right signature from the same address");
    server.stop().await;
}
