//! Whether traffic should be led here.

use super::Engine;

/// One reason why not.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Unready {
    pub code: &'static str,
    pub reason: &'static str,
}

const DRAINING: Unready = Unready {
    code: "draining",
    reason: "The server is shutting down: it takes no new sockets, and closes those that are open",
};

impl Engine {
    /// None while the server serves.
    pub fn unready(&self) -> Vec<Unready> {
        self.hub.is_draining().then_some(DRAINING).into_iter().collect()
    }
}
