//! An app that is removed and added again, and the count of reloads.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn c_clients_of_a_restored_app_survive_the_earlier_removal() {
    let (one, both) = (config(""), config_of("", &[(APP, ""), (OTHER, "")]));
    let mut it = ReloadFixture::start(&both).await;
    let mut theirs = Vec::new();
    for _ in 0..8 {
        let mut client = it.server.connect_as(OTHER).await;
        client.subscribe("room").await;
        theirs.push(client);
    }
    for _ in 0..3 {
        it.apply(&one).await;
        it.apply(&both).await;
        let mut after = Vec::new();
        for _ in 0..8 {
            after.push(it.server.connect_as(OTHER).await);
        }
        // Earlier clients are closed once, and their connections are given back.
        for mut client in theirs {
            client.expect_rejection(4001).await;
            assert!(matches!(client.incoming().await, Incoming::Closed(None, _)));
        }
        for client in &mut after {
            client.subscribe("room").await;
            client.expect_silence().await;
        }
        let body = json!({"name": "e", "channel": "room", "data": "1"});
        it.server.post_as(OTHER, "/events", &body).await.expect(200, "an app that is back");
        for client in &mut after {
            client.expect_event("e").await;
        }
        theirs = after;
        it.still_delivers("between").await;
    }
    drop(theirs);
    it.stop().await;
}

#[tokio::test]
async fn c_reloads_are_counted_and_the_last_success_has_a_time() {
    let of = |app: &str| config_of("watch_config = false", &[(APP, app)]);
    let it = ReloadFixture::start(&of("")).await;
    let read = async || {
        let scrape = it.server.scrape().await;
        let outcome = |name| scrape.sum("sealcast_reloads_total", &[("outcome", name)]);
        let time = scrape.sum("sealcast_last_reload_time_seconds", &[]);
        (outcome("taken"), outcome("refused"), time)
    };
    assert_eq!(read().await, (0.0, 0.0, 0.0));
    it.reject("nonsense = 1", "unknown setting \"nonsense\"").await;
    assert_eq!(read().await, (0.0, 1.0, 0.0));
    let before = unix_now() as f64;
    it.apply(&of("client_events = true")).await;
    let (taken, refused, first) = read().await;
    assert_eq!((taken, refused), (1.0, 1.0));
    assert!((before..=unix_now() as f64).contains(&first), "{before} {first}");
    // A reload without changes counts as a success; a refused one keeps the time.
    next_second().await;
    it.reject("nonsense = 1", "unknown setting \"nonsense\"").await;
    assert_eq!(read().await, (1.0, 2.0, first));
    it.apply(&of("client_events = true")).await;
    let (taken, refused, second) = read().await;
    assert_eq!((taken, refused), (2.0, 2.0));
    assert!(second > first, "{first} {second}");
    it.stop().await;
}
