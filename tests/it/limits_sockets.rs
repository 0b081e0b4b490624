//! protocol.md 11 on sockets: each limit one below, at and one above it, by default and as
//! configured.

use serde_json::{Value, json};

use crate::support::*;

const ON: &str = "client_events = true\nwatchlist = true";

fn app(limits: &str) -> String {
    config(&format!("{ON}\n{limits}"))
}

/// This many bytes, in two-byte characters as far as possible.
fn wide(bytes: usize) -> String {
    "é".repeat(bytes / 2) + &"x".repeat(bytes % 2)
}

/// `default` on a server without the setting, `other` on one with it.
async fn servers(setting: &str, default: usize, other: usize) -> [(TestServer, usize); 2] {
    let with = app(&format!("limits.{setting} = {other}"));
    [(TestServer::start(&app("")).await, default), (TestServer::start(&with).await, other)]
}

async fn expect_limit(client: &mut Client, channel: &str, code: &str, limit: usize) {
    let data = client.expect_refused(channel).await;
    assert_eq!(data["code"], code, "{data}");
    let sentence = data["error"].as_str().unwrap_or_default();
    assert!(sentence.contains(&format!("{limit}")), "{sentence}");
}

#[tokio::test]
async fn s11_connections_per_app() {
    let limited = (APP, "limits.connections = 3");
    let server = TestServer::start(&config_of("", &[limited, (OTHER, "")])).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.connect().await);
    }
    Client::dial(&server, APP, &server.socket_path(), &[]).await.expect_rejection(4004).await;
    for client in &mut clients {
        client.expect_silence().await;
    }
    // Another app has its own limit, unlimited by default.
    for _ in 0..30 {
        clients.push(server.connect_as(OTHER).await);
    }
    server.stop().await;
}

#[tokio::test]
async fn s11_bytes_per_message() {
    for (top, limit) in [("", 65_536), ("message_bytes = 2000", 2000)] {
        let server = TestServer::start(&config_of(top, &[(APP, "")])).await;
        let mut bystander = server.bystander().await;
        let message = |size: usize| {
            let mut text = r#"{"event":"pusher:ping","data":{}}"#.to_owned();
            text.extend(std::iter::repeat_n(' ', size - text.len()));
            text
        };
        let mut raw = RawSocket::open(&server).await;
        for size in [limit - 1, limit] {
            raw.write(&text(message(size))).await;
            assert_eq!(raw.next_frame().await.json()["event"], "pusher:pong", "{size}");
        }
        raw.write(&text(message(limit + 1))).await;
        raw.expect_close(1009, limit + 1).await;
        // The length counts across fragments.
        let mut raw = RawSocket::open(&server).await;
        let (long, half) = (message(limit + 1), limit / 2);
        raw.write(&frame(TEXT, &long[..half])).await;
        raw.write(&frame(FIN | CONTINUATION, &long[half..])).await;
        raw.expect_close(1009, "fragments").await;
        server.still_serves(&mut bystander, limit).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_channels_per_connection() {
    for (server, limit) in servers("channels_per_connection", 10_000, 3).await {
        let mut client = server.connect().await;
        let names: Vec<String> = (0..limit).map(|n| format!("c-{n}")).collect();
        // In groups, so that the answers fit into an outbox.
        for names in names.chunks(500) {
            for name in names {
                client.send_subscribe(name).await;
            }
            client.expect_all_subscribed(names).await;
        }
        for more in ["more", "private-more"] {
            client.send_subscribe(more).await;
            expect_limit(&mut client, more, "too_many_channels", limit).await;
        }
        client.unsubscribe("c-0").await;
        client.subscribe("more").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_bytes_per_channel_name() {
    for (server, limit) in servers("channel_name_bytes", 200, 20).await {
        let mut client = server.connect().await;
        for prefix in ["", "private-", "presence-"] {
            let name = |size: usize| format!("{prefix}{}", "n".repeat(size - prefix.len()));
            for size in [limit - 1, limit] {
                match prefix {
                    "presence-" => {
                        client.join(&name(size), &json!({"user_id": "u"})).await;
                    }
                    _ => client.subscribe(&name(size)).await,
                }
            }
            client.send_subscribe(&name(limit + 1)).await;
            expect_limit(&mut client, &name(limit + 1), "invalid_channel", limit).await;
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_members_per_presence_channel() {
    for (server, limit) in servers("presence_members", 100, 3).await {
        let mut clients = Vec::new();
        for n in 1..=limit {
            let mut client = server.connect().await;
            let presence = client.join("presence-x", &json!({"user_id": n})).await;
            assert_eq!(presence["count"], n);
            clients.push(client);
        }
        let mut late = server.connect().await;
        late.send_presence_subscribe("presence-x", r#"{"user_id":"late"}"#).await;
        expect_limit(&mut late, "presence-x", "channel_full", limit).await;
        // A member that is present may join with another connection.
        late.join("presence-x", &json!({"user_id": 1})).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_bytes_per_member() {
    for (server, limit) in servers("presence_member_bytes", 1024, 99).await {
        let mut client = server.connect().await;
        let data = |size: usize| {
            let empty = json!({"user_id": "u", "user_info": ""}).to_string().len();
            json!({"user_id": "u", "user_info": wide(size - empty)}).to_string()
        };
        for size in [limit - 1, limit] {
            assert_eq!(data(size).len(), size);
            client.send_presence_subscribe("presence-x", &data(size)).await;
            client.expect_joined("presence-x").await;
            client.unsubscribe("presence-x").await;
        }
        client.send_presence_subscribe("presence-x", &data(limit + 1)).await;
        expect_limit(&mut client, "presence-x", "invalid_member", limit).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_characters_per_user_id() {
    for (server, limit) in servers("user_id_chars", 128, 5).await {
        for size in [limit - 1, limit] {
            let mut client = server.connect().await;
            let presence = client.join("presence-x", &json!({"user_id": "é".repeat(size)})).await;
            assert_eq!(presence["ids"], json!(["é".repeat(size)]));
            client.unsubscribe("presence-x").await;
            client.sign_in(&json!({"id": "u".repeat(size)})).await;
        }
        let mut client = server.connect().await;
        let data = json!({"user_id": "é".repeat(limit + 1)}).to_string();
        client.send_presence_subscribe("presence-x", &data).await;
        expect_limit(&mut client, "presence-x", "invalid_member", limit).await;
        client.send_sign_in(&json!({"id": "u".repeat(limit + 1)}).to_string()).await;
        let sentence = client.expect_error(Some(4009)).await;
        assert!(sentence.contains(&limit.to_string()), "{sentence}");
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_ids_per_watchlist() {
    for (server, limit) in servers("watchlist_ids", 100, 3).await {
        for size in [limit - 1, limit, limit + 1] {
            let mut client = server.connect().await;
            let ids: Vec<String> = (0..size).map(|n| format!("w-{n}")).collect();
            client.sign_in(&json!({"id": format!("u-{size}"), "watchlist": ids})).await;
            if size > limit {
                let sentence = client.expect_error(Some(4302)).await;
                assert!(sentence.contains(&limit.to_string()), "{sentence}");
            }
            let told = client.expect_event("pusher_internal:watchlist_events").await;
            let offline = json!(ids[..size.min(limit)]);
            assert_eq!(told["events"], json!([{"name": "offline", "user_ids": offline}]));
            client.expect_silence().await;
        }
        server.stop().await;
    }
}

/// Two subscribers of a channel; the first one sends.
async fn pair(server: &TestServer) -> [Client; 2] {
    let (mut sender, mut other) = (server.connect().await, server.connect().await);
    sender.subscribe("private-x").await;
    other.subscribe("private-x").await;
    [sender, other]
}

async fn refused_event(client: &mut Client, limit: usize) {
    let sentence = client.expect_error(None).await;
    assert!(sentence.contains(&format!("the limit is {limit}")), "{sentence}");
}

#[tokio::test]
async fn s11_bytes_per_client_event() {
    for (server, limit) in servers("client_event_bytes", 10_240, 50).await {
        let [mut sender, mut other] = pair(&server).await;
        for size in [limit - 1, limit] {
            sender.client_event("private-x", "client-x", json!(wide(size))).await;
            assert_eq!(other.next().await["data"], wide(size));
        }
        // The text as the others receive it counts.
        let list = json!([wide(limit - 4)]);
        sender.client_event("private-x", "client-x", list.clone()).await;
        assert_eq!(other.expect_event("client-x").await, list);
        for data in [json!(wide(limit + 1)), json!([wide(limit - 3)])] {
            sender.client_event("private-x", "client-x", data).await;
            refused_event(&mut sender, limit).await;
        }
        other.expect_silence().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_characters_per_client_event_name() {
    for (server, limit) in servers("event_name_chars", 200, 12).await {
        let [mut sender, mut other] = pair(&server).await;
        let name = |size: usize| format!("client-{}", "é".repeat(size - 7));
        for size in [limit - 1, limit] {
            sender.client_event("private-x", &name(size), json!("1")).await;
            assert_eq!(other.next().await["event"], name(size));
        }
        sender.client_event("private-x", &name(limit + 1), json!("1")).await;
        refused_event(&mut sender, limit).await;
        other.expect_silence().await;
        server.stop().await;
    }
}

/// All in one write, so that no time passes between them: as many as the limit pass, and of as many
/// again some are refused.
#[tokio::test]
async fn s11_client_events_per_second() {
    for (server, limit) in servers("client_events_per_second", 10, 3).await {
        let mut other = server.connect().await;
        other.subscribe("private-x").await;
        for count in [limit - 1, limit, 3 * limit] {
            let (mut raw, id) = RawSocket::open_with_id(&server).await;
            let auth = APP.channel_auth(&id, "private-x", None);
            let data = json!({"channel": "private-x", "auth": auth});
            let join = json!({"event": "pusher:subscribe", "data": data});
            raw.write(&text(join.to_string())).await;
            raw.next_frame().await;
            let mut bytes = Vec::new();
            for n in 0..count {
                let event = json!({"event": "client-n", "channel": "private-x", "data": n});
                bytes.extend(text(event.to_string()));
            }
            bytes.extend(text(json!({"event": "pusher:ping"}).to_string()));
            raw.write(&bytes).await;
            let mut refused = 0;
            loop {
                let frame = raw.next_frame().await.json();
                if frame["event"] == "pusher:pong" {
                    break;
                }
                assert_eq!(frame["data"]["code"], 4301, "{frame}");
                refused += 1;
            }
            let fits = count <= limit;
            assert_eq!(refused == 0, fits, "{refused} of {count} were refused, of {limit}");
            assert!(count - refused >= count.min(limit), "{refused} of {count}");
            for _ in 0..count - refused {
                other.expect_event("client-n").await;
            }
            other.expect_silence().await;
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_cached_events_expire_in_time() {
    for (server, limit) in servers("cache_ttl_seconds", 1800, 90).await {
        server.publish("cache-x", "e", "1").await;
        let answer = server.get("/channels/cache-x", &[("info", "cache")]).await.expect(200, limit);
        let left = answer["cache"]["ttl"].as_u64().expect("seconds") as usize;
        assert!((limit - 20..=limit).contains(&left), "{left} of {limit}");
        server.stop().await;
    }
    for (seconds, good) in [("0", false), ("1", true), ("31536000", true), ("31536001", false)] {
        let text = config(&format!("limits.cache_ttl_seconds = {seconds}"));
        let output = Launch::new(&["config", "check"]).config(&text).output("").await;
        assert_eq!(output.status.code() == Some(0), good, "{seconds}: {output:?}");
        let named = output.stderr.contains("limits.cache_ttl_seconds");
        assert_eq!(named, !good, "{seconds}: {output:?}");
    }
}

/// An event longer than the outbox does not close a socket that reads.
#[tokio::test]
async fn s11_all_maxima_pass_together() {
    let server = TestServer::start(&app("")).await;
    let mut client = server.connect().await;
    let names: Vec<String> = (0..100).map(|n| format!("{n:03}{}", "n".repeat(197))).collect();
    for name in &names {
        client.subscribe(name).await;
    }
    let (event, data) = ("é".repeat(200), wide(10_240));
    let body = json!({"name": event, "channels": names, "data": data});
    server.post("/events", &body).await.expect(200, "100 channels of 10 KiB");
    let mut seen: Vec<Value> = Vec::new();
    for _ in 0..100 {
        let frame = client.next().await;
        assert_eq!((&frame["event"], &frame["data"]), (&json!(event), &json!(data)));
        seen.push(frame["channel"].clone());
    }
    seen.sort_by_key(Value::to_string);
    assert_eq!(json!(seen), json!(names));
    server.stop().await;
}
