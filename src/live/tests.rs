use super::*;

fn entry(kind: Type, app: &str) -> Entry<'_> {
    Entry::of_app(kind, app)
}

fn watch(feed: &Arc<Feed>, query: &str) -> Watching {
    feed.watch(Filter::parse(query).unwrap()).unwrap()
}

/// The watcher's queued entries, without waiting for more.
async fn waiting(watcher: &Watcher) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    loop {
        tokio::select! {
            biased;
            next = watcher.next() => match next {
                Next::Entry(line) => lines.push(serde_json::from_str(&line).unwrap()),
                Next::End(_) => return lines,
            },
            () = std::future::ready(()) => return lines,
        }
    }
}

#[test]
fn with_nobody_watching_nothing_is_made() {
    let feed = Arc::new(Feed::default());
    feed.note(|| unreachable!("nobody would see it"));
    let watching = watch(&feed, "");
    assert!(feed.is_watched());
    drop(watching);
    feed.note(|| unreachable!("nobody would see it"));
}

#[tokio::test]
async fn each_watcher_gets_what_its_filter_lets_through() {
    let feed = Arc::new(Feed::default());
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
    feed.note(|| entry(Type::ConnectionOpened, "b"));
    let what = What::Subscribers { subscribers: 3 };
    let channel = Some("private-x");
    let socket_id = Some(socket);
    feed.note(|| Entry { channel, socket_id, what, ..entry(Type::Subscribed, "a") });
    let call = Call {
        method: "POST",
        route: "/apps/{app}/events",
        status: 200,
        code: None,
        events: &["e".into()],
        channels: &["x".into(), "private-y".into()],
        bytes: 7,
        microseconds: 12,
    };
    feed.note(|| Entry { what: What::Call(call), ..entry(Type::ApiCall, "a") });
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
fn filters_that_are_none_are_told_which_there_are() {
    let says = |query: &str| Filter::parse(query).unwrap_err().to_string();
    assert!(says("apps=a").contains("app, channel, type and socket"));
    assert!(says("type=event,evnt").contains("did you mean \"event\"?"));
    for query in ["type=", "type=nope", "type=xyzzy"] {
        let said = says(query);
        assert!(said.contains("docs/live.md") && said.len() < 160, "{said}");
    }
    assert!(says("socket=x").contains("123.456"));
    assert_eq!(says("app=a&app=b"), "the filter app is given twice");
    assert!(
        Filter::parse("channel=a%2A")
            .unwrap()
            .wants(&Entry { channel: Some("ab"), ..Entry::new(Type::Event) })
    );
}

#[tokio::test]
async fn who_does_not_read_is_cut_and_nobody_else() {
    let feed = Arc::new(Feed::default());
    let (slow, fast) = (watch(&feed, ""), watch(&feed, "type=connection_opened"));
    for _ in 0..10_000 {
        feed.note(|| entry(Type::ConnectionOpened, "a"));
        assert!(matches!(fast.next().await, Next::Entry(_)));
    }
    slow.ended().await;
    assert_eq!(slow.next().await, Next::End(End::TooSlow));
    assert!(feed.is_watched());
    drop(fast);
    assert!(!feed.is_watched());
}

#[tokio::test]
async fn a_few_large_entries_are_as_much_as_many_small_ones() {
    let feed = Arc::new(Feed::default());
    let watcher = watch(&feed, "");
    let large = "x".repeat(300 * 1024);
    for wanted in [true, true, true, false] {
        feed.note(|| Entry { channel: Some(&large), ..entry(Type::Event, "a") });
        assert_eq!(feed.is_watched(), wanted);
    }
    assert_eq!(watcher.next().await, Next::End(End::TooSlow));
}

#[tokio::test]
async fn the_end_of_the_server_comes_after_what_waits() {
    let feed = Arc::new(Feed::default());
    let watcher = watch(&feed, "");
    feed.note(|| Entry::new(Type::ServerDraining));
    feed.end();
    feed.note(|| entry(Type::ConnectionOpened, "too late"));
    assert!(matches!(watcher.next().await, Next::Entry(_)));
    assert_eq!(watcher.next().await, Next::End(End::Server));
}

#[test]
fn there_is_a_limit_to_those_who_watch() {
    let feed = Arc::new(Feed::default());
    let mut watching: Vec<_> = (0..MOST_WATCHERS).map(|_| watch(&feed, "")).collect();
    assert_eq!(feed.watch(Filter::default()).err(), Some(TooMany));
    watching.pop();
    assert!(feed.watch(Filter::default()).is_ok());
}

#[test]
fn of_an_envelope_two_fields_are_told() {
    let text = r#"{"nonce":"n","ciphertext":"c","plaintext":"canary"}"#;
    let shown = serde_json::to_string(&Envelope::of(text)).unwrap();
    assert_eq!(shown, r#"{"nonce":"n","ciphertext":"c"}"#);
    assert!(Envelope::of("canary").is_none());
}
