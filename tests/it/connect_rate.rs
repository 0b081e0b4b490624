//! The rate of new sockets per client address.

use crate::support::*;

/// The burst is ten seconds' worth.
const FEW: &str = "connects_per_ip = 2";

fn limits(app: App, limits: &str) -> String {
    format!("[apps.{}.limits]\n{limits}", app.id)
}

async fn opens(server: &TestServer, app: App, headers: &[(&str, &str)]) -> bool {
    let path = format!("/app/{}?protocol=7", app.key);
    let mut client = Client::dial(server, app, &path, headers).await;
    let first = client.next().await;
    if first["event"] == "pusher:connection_established" {
        return true;
    }
    assert_eq!(first["event"], "pusher:error", "{first}");
    assert_eq!(first["data"]["code"], 4100, "{first}");
    let message = first["data"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("from this address"), "{first}");
    client.expect_close(4100).await;
    false
}

async fn opened(server: &TestServer, app: App, headers: &[(&str, &str)]) -> usize {
    for n in 0..100 {
        if !opens(server, app, headers).await {
            return n;
        }
    }
    100
}

#[tokio::test]
async fn s11_address_with_too_many_connects_is_told_to_wait() {
    let apps = [(APP, &*limits(APP, FEW)), (OTHER, &*limits(OTHER, FEW))];
    let server = TestServer::start(&config_of("log = \"debug\"", &apps)).await;
    let bystander = server.bystander().await;
    let first = opened(&server, APP, &[]).await;
    assert!((19..30).contains(&first), "{first}");
    assert!(opens(&server, OTHER, &[]).await, "each app counts for itself");
    // One more is let in as soon as it is due.
    until("the next", async || opens(&server, APP, &[]).await.then_some(())).await;
    let refused = server.stats().await["refused"]["connects"].as_u64().unwrap_or_default();
    assert!(refused >= 1, "{refused}");
    drop(bystander);
    let output = server.stop().await;
    assert!(output.stderr.contains("opens sockets too often"), "{output:?}");
    assert!(output.stderr.contains("127.0.0.0"), "{output:?}");
    assert!(!output.stderr.contains("network=127.0.0.1"), "whose it is stays untold: {output:?}");
}

#[tokio::test]
async fn s11_without_a_limit_connects_are_not_counted() {
    let server =
        TestServer::start(&config_of("", &[(APP, &limits(APP, "connects_per_ip = 0"))])).await;
    assert_eq!(opened(&server, APP, &[]).await, 100);
    server.stop().await;
}

#[tokio::test]
async fn s11_behind_a_trusted_proxy_the_client_address_counts() {
    let app = limits(APP, FEW);
    let trusted = config_of("trusted_proxies = [\"127.0.0.1\"]", &[(APP, &app)]);
    let server = TestServer::start(&trusted).await;
    let from = |address| [("X-Forwarded-For", address)];
    let first = opened(&server, APP, &from("2001:db8::1")).await;
    assert!((20..30).contains(&first), "{first}");
    // On a busy machine the next one is due meanwhile.
    let more = opened(&server, APP, &from("2001:db8::ffff:2")).await;
    assert!(more < 10, "{more}: one /64");
    assert!(opens(&server, APP, &from("2001:db8:0:1::1")).await);
    assert!(opens(&server, APP, &from("203.0.113.7")).await);
    server.stop().await;

    // An untrusted peer's header is ignored.
    let server = TestServer::start(&config_of("", &[(APP, &app)])).await;
    opened(&server, APP, &from("203.0.113.7")).await;
    let more = opened(&server, APP, &from("203.0.113.8")).await;
    assert!(more < 10, "{more}");
    server.stop().await;
}
