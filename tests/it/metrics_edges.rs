//! `/metrics` at the edges: requests, authorizations, webhooks; and data that must never be in it.

use serde_json::json;

use crate::support::*;

const APP_LABEL: (&str, &str) = ("app", "it");

fn open(app: &str) -> String {
    config(&format!("client_events = true\nauthorizer = \"open\"\n{app}"))
}

#[tokio::test]
async fn requests_are_counted_by_route_template() {
    let server = TestServer::start(&open("limits.auth_per_socket = 1")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    for n in 0..3 {
        server.publish("news", "e", &n.to_string()).await;
    }
    server.post("/events", &json!({"name": "e"})).await.refused(400, "no data");
    let forged = App { secret: "wrong", ..APP };
    server.post_as(forged, "/events", &json!({})).await.refused(401, "a wrong signature");
    for channel in ["news", "sports"] {
        server.get(&format!("/channels/{channel}"), &[]).await.expect(200, channel);
    }
    for path in ["/", "/apps", "/apps/it/nothing/here", "/canary-of-a-path?query=canary"] {
        server.send(Request::new("GET", path)).await;
    }
    for method in ["DELETE", "PUT"] {
        server.send(Request::new(method, "/apps/it/events")).await.refused(405, method);
    }
    server.send(Request::new("GET", "/pusher/auth")).await.refused(405, "GET");
    server.send(Request::new("OPTIONS", "/pusher/auth")).await;
    let scrape = server.scrape().await;
    let requests = "sealcast_http_requests_total";
    for (route, method, status, count) in [
        ("/apps/{app}/events", "POST", "2xx", 3.0),
        ("/apps/{app}/events", "POST", "4xx", 2.0),
        ("/apps/{app}/channels/{channel}", "GET", "2xx", 2.0),
        ("/pusher/auth", "GET", "4xx", 1.0),
        ("/", "GET", "2xx", 1.0),
        ("unknown", "GET", "4xx", 3.0),
        ("/apps/{app}/events", "DELETE", "4xx", 1.0),
        ("/apps/{app}/events", "other", "4xx", 1.0),
    ] {
        let labels = [("route", route), ("method", method), ("status", status)];
        assert_eq!(scrape.sum(requests, &labels), count, "{labels:?} in {}", scrape.text);
    }
    assert_eq!(scrape.sum(requests, &[("route", "/pusher/auth"), ("method", "OPTIONS")]), 1.0);
    assert_eq!(scrape.sum(requests, &[]), 15.0, "and no other: {}", scrape.text);
    let times = "sealcast_http_request_duration_seconds_count";
    assert_eq!(scrape.sum(times, &[("route", "/apps/{app}/events")]), 7.0);
    assert_eq!(scrape.sum(times, &[("route", "unknown")]), 3.0);
    assert!(!scrape.text.contains("canary"), "{}", scrape.text);
    server.stop().await;
}

#[tokio::test]
async fn prefix_does_not_change_the_route() {
    let launch = Launch::serve(&config_of("path_prefix = \"/sockets\"", &[(APP, "")]));
    let mut server = launch.start().await;
    server.prefix = "/sockets";
    server.send(Request::new("GET", "/health")).await.expect(200, "health");
    exchange(server.ops(), &Request::new("GET", "/health")).await.expect(200, "health");
    let outside = server.http_connection().await.send(&Request::new("GET", "/elsewhere")).await;
    assert_eq!(outside.status, 404);
    let scrape = server.scrape().await;
    let requests = "sealcast_http_requests_total";
    assert_eq!(
        scrape.sum(requests, &[("route", "/health")]),
        1.0,
        "not of the operations listener"
    );
    assert_eq!(scrape.sum(requests, &[("route", "unknown")]), 1.0, "{}", scrape.text);
    server.stop().await;
}

#[tokio::test]
async fn authorizations_are_counted_by_code() {
    let server =
        TestServer::start(&open("limits.auth_per_user = 1\nlimits.presence_members = 1")).await;
    let mut client = server.connect().await;
    let ask = async |path: &str, form: &str| {
        server.send(Request::new("POST", path).form(form)).await.status
    };
    assert_eq!(ask("/pusher/auth", &client.auth_form("private-x")).await, 200);
    assert_eq!(ask("/apps/it/auth/channel", &client.auth_form("private-x")).await, 200);
    assert_eq!(ask("/pusher/auth", &client.auth_form("public")).await, 400);
    assert_eq!(ask("/pusher/auth", "socket_id=1.2&channel_name=private-x").await, 403);
    assert_eq!(ask("/pusher/auth", "app_key=canary").await, 404);
    let user = format!("socket_id={}&user_id=u", client.socket_id);
    assert_eq!(ask("/pusher/user-auth", &user).await, 200);
    while ask("/pusher/user-auth", &user).await == 200 {}
    client.send(&json!({"event": "pusher:subscribe", "data": {"channel": "private-x", "auth": "canary:1"}})).await;
    client.expect_refused("private-x").await;
    client.send_sign_in("{\"id\":7}").await;
    client.expect_error(Some(4009)).await;

    let scrape = server.scrape().await;
    let answered = |app, endpoint, code: &str| {
        let outcome = if code.is_empty() { "allowed" } else { "denied" };
        let labels = [("app", app), ("endpoint", endpoint), ("outcome", outcome), ("code", code)];
        scrape.sum("sealcast_auth_total", &labels)
    };
    assert_eq!(answered("it", "channel", ""), 2.0, "{}", scrape.text);
    assert_eq!(answered("it", "channel", "no_authorization_needed"), 1.0);
    assert_eq!(answered("it", "channel", "unknown_socket"), 1.0);
    assert_eq!(answered("", "channel", "unknown_app"), 1.0, "{}", scrape.text);
    assert_eq!(answered("it", "user", "rate_limited"), 1.0);
    let limited = "sealcast_rate_limited_total";
    assert_eq!(scrape.sum(limited, &[("limit", "auth_per_user")]), 1.0);
    assert_eq!(scrape.sum(limited, &[]), 1.0, "{}", scrape.text);
    let subscriptions = "sealcast_subscriptions_refused_total";
    assert_eq!(scrape.sum(subscriptions, &[APP_LABEL, ("code", "auth_foreign_key")]), 1.0);
    assert_eq!(scrape.sum(subscriptions, &[]), 1.0);
    assert_eq!(scrape.sum("sealcast_signins_refused_total", &[APP_LABEL]), 1.0);
    server.stop().await;
}

#[tokio::test]
async fn webhooks_are_counted_once_their_outcome_is_known() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let server =
        TestServer::start(&with_webhooks("", &[&hooks_url(&receiver, "retry_seconds = 1")])).await;
    let mut client = server.connect().await;
    client.subscribe("one").await;
    let (events, app) = ("sealcast_webhook_events_total", APP_LABEL);
    let scrape = server.until_metric(events, &[app, ("outcome", "delivered")], 1.0).await;
    assert_eq!(scrape.sum("sealcast_webhook_attempts_total", &[app, ("status", "2xx")]), 1.0);
    receiver.answer(ReceiverReply::Status(500));
    client.subscribe("two").await;
    let failed = server.until_metric("sealcast_webhook_queued_events", &[app], 1.0).await;
    assert!(failed.sum("sealcast_webhook_queued_bytes", &[app]) > 0.0);
    let scrape = server.until_metric(events, &[app, ("outcome", "dead_lettered")], 1.0).await;
    let attempts = scrape.sum("sealcast_webhook_attempts_total", &[app, ("status", "5xx")]);
    assert!(attempts >= 2.0, "{}", scrape.text);
    assert_eq!(scrape.sum("sealcast_webhook_retries_total", &[app]), attempts - 1.0);
    assert_eq!(scrape.sum("sealcast_webhook_dead_letters", &[app]), 1.0);
    let scrape = server.until_metric("sealcast_webhook_queued_events", &[app], 0.0).await;
    assert_eq!(scrape.sum("sealcast_webhook_oldest_age_seconds", &[app]), 0.0);
    server.stop().await;
}

const CHANNEL: &str = "private-encrypted-canary.channel";

/// Names of clients and backends, and secrets, used in as many ways as possible.
#[tokio::test]
async fn labels_never_come_from_clients_or_backends() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(500)).await;
    let master = master_key("canary of the metrics");
    let text = with_webhooks(
        &format!("authorizer = \"open\"\nmaster_key = \"{}\"", base64(&master)),
        &[&format!("url = \"{}\"", receiver.url("/canary-of-a-hook"))],
    );
    let server = TestServer::start(&text).await;
    let mut canaries = Canaries::default();
    for (name, text) in [
        ("channel", CHANNEL),
        ("presence channel", "presence-canary.room"),
        ("user", "canary.user.id"),
        ("event", "canary-of-an-event"),
        ("client event", "client-canary-of-an-event"),
        ("payload", "canary of a payload"),
        ("path", "canary-of-a-path"),
        ("parameter", "canary-of-a-parameter"),
        ("endpoint", "canary-of-a-hook"),
        ("receiver", &receiver.addr.to_string()),
        ("app key", APP.key),
        ("app secret", APP.secret),
        ("unknown key", "canary-of-a-key"),
    ] {
        canaries.plant(name, text);
    }
    canaries.plant("master key", master);
    canaries.plant("shared secret", shared_secret(&master, CHANNEL));

    let mut reader = SealedSubscriber::join_as(&server, CHANNEL, "canary.user.id").await;
    canaries.plant("socket id", &reader.client.socket_id);
    let member = json!({"user_id": "canary.user.id", "user_info": {"name": "canary.user.id"}});
    reader.client.join("presence-canary.room", &member).await;
    reader.client.sign_in(&json!({"id": "canary.user.id"})).await;
    reader
        .client
        .client_event("presence-canary.room", "client-canary-of-an-event", json!({}))
        .await;
    server.publish(CHANNEL, "canary-of-an-event", "canary of a payload").await;
    reader.expect(&server, "canary-of-an-event", "canary of a payload").await;
    for path in ["/canary-of-a-path", "/apps/canary-of-a-path/events?canary-of-a-parameter=1"] {
        server.send(Request::new("POST", path)).await;
        server.send(Request::new("CANARY-OF-A-PATH", path)).await;
    }
    server.send(Request::new("POST", "/pusher/auth").form("app_key=canary-of-a-key")).await;
    let unknown = App { key: "canary-of-a-key", ..APP };
    Client::dial(&server, unknown, "/app/canary-of-a-key?protocol=7", &[])
        .await
        .expect_rejection(4001)
        .await;
    reader.client.send(&json!({"event": "pusher:subscribe", "data": {"channel": "private-canary", "auth": "canary-of-a-key:1"}})).await;
    reader.client.expect_refused("private-canary").await;
    let scrape = server.scrape().await;
    assert!(
        scrape.text.contains("status=\"5xx\"")
            || scrape.sum("sealcast_webhook_queued_events", &[]) > 0.0
    );
    canaries.search("/metrics", &scrape.text);
    assert!(!scrape.text.to_lowercase().contains("canary"), "{}", scrape.text);
    receiver.answer(ReceiverReply::Status(200));
    server.stop().await;
}

#[tokio::test]
async fn frequent_scrapes_are_harmless() {
    let server = TestServer::start(&open("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let publish = async {
        for n in 0..200 {
            server.publish("news", "e", &n.to_string()).await;
            assert_eq!(client.expect_event("e").await, json!(n));
        }
    };
    let scrape = async {
        let mut before = 0.0;
        for _ in 0..100 {
            let delivered = server.scrape().await.sum("sealcast_deliveries_total", &[]);
            assert!(delivered >= before, "a counter goes up: {before} {delivered}");
            before = delivered;
        }
    };
    tokio::join!(publish, scrape);
    let scrape = server.until_metric("sealcast_deliveries_total", &[], 200.0).await;
    assert!(scrape.sum("sealcast_process_resident_memory_bytes", &[]) > 1e6);
    assert!(scrape.sum("sealcast_process_cpu_seconds_total", &[]) > 0.0);
    let open = scrape.sum("sealcast_process_open_fds", &[]);
    assert!(open > 5.0 && open < scrape.sum("sealcast_process_max_fds", &[]), "{}", scrape.text);
    assert!(scrape.sum("sealcast_process_threads", &[]) >= 3.0, "{}", scrape.text);
    server.stop().await;
}
