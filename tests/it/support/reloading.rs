//! A running server with a changing configuration.

use serde_json::json;

use super::{Client, TestServer, until};

/// Log messages of an applied and of a rejected reload.
pub const TAKEN: &str = "the configuration was read again and is in force";
pub const REFUSED: &str = "is refused; everything stays as it is";

/// A server, and a socket that is open throughout.
pub struct Reloading {
    pub server: TestServer,
    pub stays: Client,
}

impl Reloading {
    pub async fn start(text: &str) -> Self {
        Self::of(TestServer::start(text).await).await
    }

    pub async fn of(server: TestServer) -> Self {
        let mut stays = server.connect().await;
        stays.subscribe("news").await;
        Self { server, stays }
    }

    /// Number of occurrences in the log.
    pub fn said(&self, what: &str) -> usize {
        self.server.printed().matches(what).count()
    }

    pub async fn until_said(&self, what: &str, times: usize) {
        until(format!("{what:?} in the log"), async || (self.said(what) >= times).then_some(()))
            .await;
    }

    /// Writes the configuration, sends SIGHUP, and waits for this text in the log.
    pub async fn reload(&self, text: &str, says: &str) {
        let before = self.said(says);
        self.server.dir.write("sealcast.toml", text);
        self.server.signal("HUP");
        self.until_said(says, before + 1).await;
    }

    pub async fn take(&self, text: &str) {
        self.reload(text, TAKEN).await;
    }

    pub async fn refuse(&self, text: &str, says: &str) {
        let (refused, taken) = (self.said(REFUSED), self.said(TAKEN));
        self.reload(text, says).await;
        assert_eq!((self.said(REFUSED), self.said(TAKEN)), (refused + 1, taken), "{says}");
    }

    /// Expects that the open socket still gets events.
    pub async fn still_delivers(&mut self, data: &str) {
        self.server.publish("news", "e", data).await;
        assert_eq!(self.stays.expect_event("e").await, json!(data));
    }

    pub async fn stop(mut self) {
        self.still_delivers("to the end").await;
        self.server.stop().await;
    }
}
