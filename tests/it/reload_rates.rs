//! The rates of a backend change while it publishes and reads.

use serde_json::{Value, json};

use crate::support::*;

fn event(channels: usize) -> Value {
    let channels: Vec<String> = (0..channels).map(|n| format!("c-{n}")).collect();
    json!({"name": "e", "channels": channels, "data": "1"})
}

/// Sends requests until one is refused, which must come before `most`.
async fn exhaust(most: usize, what: &str, mut ask: impl AsyncFnMut() -> Response) {
    for _ in 0..most {
        let response = ask().await;
        if response.status == 429 {
            return;
        }
        response.expect(200, what);
    }
    panic!("{what}: not refused after {most}");
}

#[tokio::test]
async fn s11_new_event_rate_applies_to_the_next_event() {
    let of = |rate: u32| config(&format!("limits.events_per_second = {rate}"));
    let it = ReloadFixture::start(&of(1)).await;
    let post = async || it.server.post("/events", &event(100)).await;
    exhaust(3, "100 channels at one a second", post).await;
    // At the previous rate, this debt would last for more than a minute.
    it.apply(&of(1_000_000)).await;
    for n in 0..20 {
        it.server.post("/events", &event(100)).await.expect(200, n);
    }
    it.apply(&of(1)).await;
    exhaust(3, "100 channels at one a second, again", post).await;
    it.apply(&of(0)).await;
    for n in 0..20 {
        it.server.post("/events", &event(100)).await.expect(200, n);
    }
    it.stop().await;
}

#[tokio::test]
async fn s11_new_read_rate_applies_to_the_next_request() {
    let of = |rate: u32| config(&format!("limits.reads_per_second = {rate}"));
    let it = ReloadFixture::start(&of(1)).await;
    let get = async || it.server.get("/channels", &[]).await;
    exhaust(10, "questions, one a second", get).await;
    it.apply(&of(1000)).await;
    until("another second", async || (get().await.status == 200).then_some(())).await;
    for n in 0..20 {
        get().await.expect(200, n);
    }
    it.apply(&of(1)).await;
    exhaust(10, "questions, one a second again", get).await;
    it.apply(&of(0)).await;
    for n in 0..20 {
        get().await.expect(200, n);
    }
    it.stop().await;
}
