//! A running server with a changing configuration.

use serde_json::json;

use super::{Client, TestServer, until};

/// The outcome of a reload, as `sealcast_reloads_total` counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reload {
    Taken,
    Refused,
}

impl Reload {
    fn label(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
    }
}

impl TestServer {
    /// Number of reloads with this outcome since the start; of several nodes, the fewest.
    pub async fn reloads(&self, outcome: Reload) -> u64 {
        let labels = [("outcome", outcome.label())];
        let mut fewest = u64::MAX;
        for node in self.nodes() {
            let found = node.own_scrape().await.sum("sealcast_reloads_total", &labels);
            fewest = fewest.min(found as u64);
        }
        fewest
    }

    pub async fn until_reloads(&self, outcome: Reload, wanted: u64) {
        until(format!("{wanted} reloads {}", outcome.label()), async || {
            (self.reloads(outcome).await >= wanted).then_some(())
        })
        .await;
    }

    /// Sends SIGHUP and waits until a reload has had this outcome.
    pub async fn hang_up(&self, outcome: Reload) {
        let before = self.reloads(outcome).await;
        self.signal("HUP");
        self.until_reloads(outcome, before + 1).await;
    }

    /// Writes the configuration and has it applied.
    pub async fn reload(&self, text: &str) {
        self.write_config(text);
        self.hang_up(Reload::Taken).await;
    }

    /// Writes the configuration and has it refused as a whole.
    pub async fn reload_refused(&self, text: &str) {
        let taken = self.reloads(Reload::Taken).await;
        self.write_config(text);
        self.hang_up(Reload::Refused).await;
        assert_eq!(self.reloads(Reload::Taken).await, taken, "nothing of it is applied");
    }
}

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

    /// Waits for what the log has to say about an event. Where something else shows the event, wait
    /// for that.
    pub async fn until_logged(&self, what: &str, times: usize) {
        until(format!("{what:?} in the log"), async || {
            (self.log_count(what) >= times).then_some(())
        })
        .await;
    }

    pub async fn apply(&self, text: &str) {
        self.server.reload(text).await;
    }

    /// Expects a refusal of the configuration; the log says why.
    pub async fn reject(&self, text: &str, says: &str) {
        let before = self.log_count(says);
        self.server.reload_refused(text).await;
        self.until_logged(says, before + 1).await;
    }

    /// Applies the configuration; the log says this about it.
    pub async fn apply_and_log(&self, text: &str, says: &str) {
        let before = self.log_count(says);
        self.apply(text).await;
        self.until_logged(says, before + 1).await;
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
