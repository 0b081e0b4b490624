use super::*;

fn entry(kind: EntryType, app: &str) -> LiveEntry<'_> {
    LiveEntry::of_app(kind, app)
}

fn watch(feed: &Arc<LiveBroadcaster>, query: &str) -> WatchGuard {
    feed.watch(LiveFilter::parse(query).unwrap()).unwrap()
}

/// The watcher's queued entries, without waiting for more.
async fn waiting(watcher: &LiveWatcher) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    loop {
        tokio::select! {
            biased;
            next = watcher.next() => match next {
                NextEntry::Entry(line) => lines.push(serde_json::from_str(&line).unwrap()),
                NextEntry::End(_) => return lines,
            },
            () = std::future::ready(()) => return lines,
        }
    }
}

#[test]
fn without_watchers_no_entry_is_built() {
    let feed = Arc::new(LiveBroadcaster::default());
    feed.note(|| unreachable!("nobody would see it"));
    let watching = watch(&feed, "");
    assert!(feed.is_watched());
    drop(watching);
    feed.note(|| unreachable!("nobody would see it"));
}

#[tokio::test]
async fn each_watcher_gets_its_filtered_entries() {
    let feed = Arc::new(LiveBroadcaster::default());
    let socket = "1.2".parse().unwrap();
    let rows = [
        ("", 3),
        ("app=a", 2),
        ("app=nobody", 0),
        ("type=subscribed", 1),
        ("type=sub*,api_call", 2),
        ("channel=private-*", 2),
        ("channel=private-x", 1),
        ("socket=1.2", 1),
        ("app=a&type=subscribed&channel=*&socket=1.2", 1),
    ];
    let watchers = rows.map(|(query, wanted)| (query, wanted, watch(&feed, query)));
    feed.note(|| entry(EntryType::ConnectionOpened, "b"));
    let what = EntryDetail::Subscribers { subscribers: 3 };
    let channel = Some("private-x");
    let socket_id = Some(socket);
    feed.note(|| LiveEntry { channel, socket_id, what, ..entry(EntryType::Subscribed, "a") });
    let call = ApiCallDetail {
        method: "POST",
        route: "/apps/{app}/events",
        status: 200,
        code: None,
        events: &["e".into()],
        channels: &["x".into(), "private-y".into()],
        bytes: 7,
        microseconds: 12,
    };
    feed.note(|| LiveEntry { what: EntryDetail::Call(call), ..entry(EntryType::ApiCall, "a") });
    for (query, wanted, watcher) in watchers {
        let lines = waiting(&watcher).await;
        assert_eq!(lines.len(), wanted, "{query}: {lines:?}");
        if query.is_empty() {
            assert_eq!(lines[0]["type"], "connection_opened");
            assert_eq!(lines[1]["socket_id"], "1.2");
            assert_eq!(lines[1]["subscribers"], 3);
            assert_eq!(lines[2]["channels"][1], "private-y");
            let time = lines[0]["time"].as_str().unwrap();
            assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        }
    }
}

#[test]
fn invalid_filters_list_the_valid_ones() {
    let says = |query: &str| LiveFilter::parse(query).unwrap_err().to_string();
    assert!(says("apps=a").contains("app, channel, type and socket"));
    assert!(says("type=event,evnt").contains("did you mean \"event\"?"));
    assert_eq!(says(&format!("type={}", "k*,".repeat(400))), UnknownFilter::TooLong.to_string());
    for query in ["type=", "type=nope", "type=xyzzy"] {
        let said = says(query);
        assert!(said.contains("docs/live.md") && said.len() < 160, "{said}");
    }
    assert!(says("socket=x").contains("123.456"));
    assert_eq!(says("app=a&app=b"), "the filter app is given twice");
    assert!(
        LiveFilter::parse("channel=a%2A")
            .unwrap()
            .wants(&LiveEntry { channel: Some("ab"), ..LiveEntry::new(EntryType::Event) })
    );
}

#[tokio::test]
async fn slow_watcher_is_closed_and_others_are_not() {
    let feed = Arc::new(LiveBroadcaster::default());
    let (slow, fast) = (watch(&feed, ""), watch(&feed, "type=connection_opened"));
    for _ in 0..10_000 {
        feed.note(|| entry(EntryType::ConnectionOpened, "a"));
        assert!(matches!(fast.next().await, NextEntry::Entry(_)));
    }
    slow.ended().await;
    assert_eq!(slow.next().await, NextEntry::End(WatchEnd::TooSlow));
    assert!(feed.is_watched());
    drop(fast);
    assert!(!feed.is_watched());
}

#[tokio::test]
async fn few_large_entries_fill_the_queue_like_many_small_ones() {
    let feed = Arc::new(LiveBroadcaster::default());
    let watcher = watch(&feed, "");
    let large = "x".repeat(300 * 1024);
    for wanted in [true, true, true, false] {
        feed.note(|| LiveEntry { channel: Some(&large), ..entry(EntryType::Event, "a") });
        assert_eq!(feed.is_watched(), wanted);
    }
    assert_eq!(watcher.next().await, NextEntry::End(WatchEnd::TooSlow));
}

#[tokio::test]
async fn shutdown_message_follows_queued_entries() {
    let feed = Arc::new(LiveBroadcaster::default());
    let watcher = watch(&feed, "");
    feed.note(|| LiveEntry::new(EntryType::ServerDraining));
    feed.end(WatchEnd::Server);
    feed.note(|| entry(EntryType::ConnectionOpened, "too late"));
    assert!(matches!(watcher.next().await, NextEntry::Entry(_)));
    assert_eq!(watcher.next().await, NextEntry::End(WatchEnd::Server));
}

#[test]
fn number_of_watchers_is_limited() {
    let feed = Arc::new(LiveBroadcaster::default());
    let mut watching: Vec<_> = (0..MAX_WATCHERS).map(|_| watch(&feed, "")).collect();
    assert_eq!(feed.watch(LiveFilter::default()).err(), Some(TooManyWatchers));
    watching.pop();
    assert!(feed.watch(LiveFilter::default()).is_ok());
}

#[test]
fn envelope_is_shown_by_two_fields() {
    let text = r#"{"nonce":"n","ciphertext":"c","plaintext":"canary"}"#;
    let shown = serde_json::to_string(&LiveEnvelope::of(text)).unwrap();
    assert_eq!(shown, r#"{"nonce":"n","ciphertext":"c"}"#);
    assert!(LiveEnvelope::of("canary").is_none());
}
