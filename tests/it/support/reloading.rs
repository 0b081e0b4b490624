//! A running server with a changing configuration.

use serde_json::json;

use super::{Client, TestServer, until};

/// Log messages of an applied and of a rejected reload.
pub const RELOAD_APPLIED: &str = "the configuration was read again and is in force";
pub const RELOAD_REJECTED: &str = "is refused; everything stays as it is";

/// A server, and a socket that is open throughout.
pub struct ReloadFixture {
    pub server: TestServer,
    pub open_client: Client,
}

impl ReloadFixture {
    pub async fn start(text: &str) -> Self {
        Self::of(TestServer::start(text).await).await
    }

    pub async fn of(server: TestServer) -> Self {
        let mut open_client = server.connect().await;
        open_client.subscribe("news").await;
        Self { server, open_client }
    }

    /// Number of occurrences in the log.
    pub fn log_count(&self, what: &str) -> usize {
        self.server.printed().matches(what).count()
    }

    pub async fn until_logged(&self, what: &str, times: usize) {
        until(format!("{what:?} in the log"), async || {
            (self.log_count(what) >= times).then_some(())
        })
        .await;
    }

    /// Writes the configuration, sends SIGHUP, and waits for this text in the log.
    pub async fn reload(&self, text: &str, says: &str) {
        let before = self.log_count(says);
        self.server.dir.write("sealcast.toml", text);
        self.server.signal("HUP");
        self.until_logged(says, before + 1).await;
    }

    pub async fn apply(&self, text: &str) {
        self.reload(text, RELOAD_APPLIED).await;
    }

    pub async fn reject(&self, text: &str, says: &str) {
        let (refused, taken) = (self.log_count(RELOAD_REJECTED), self.log_count(RELOAD_APPLIED));
        self.reload(text, says).await;
        assert_eq!(
            (self.log_count(RELOAD_REJECTED), self.log_count(RELOAD_APPLIED)),
            (refused + 1, taken),
            "{says}"
        );
    }

    /// Expects that the open socket still gets events.
    pub async fn still_delivers(&mut self, data: &str) {
        self.server.publish("news", "e", data).await;
        assert_eq!(self.open_client.expect_event("e").await, json!(data));
    }

    pub async fn stop(mut self) {
        self.still_delivers("to the end").await;
        self.server.stop().await;
    }
}
