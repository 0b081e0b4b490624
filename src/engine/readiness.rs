//! Readiness: is traffic welcome, and is there room for more connections?

use std::borrow::Cow;

use super::Engine;
use crate::platform::capacity::ResourceUsage;

/// One reason for not being ready.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Unready {
    pub code: &'static str,
    pub reason: Cow<'static, str>,
}

const DRAINING: Unready = Unready {
    code: "draining",
    reason: Cow::Borrowed(
        "The server is shutting down: it takes no new sockets, and closes those that are open",
    ),
};

impl Engine {
    /// Empty while the server is ready.
    pub fn unready(&self) -> Vec<Unready> {
        let draining = self.hub.is_draining().then_some(DRAINING);
        draining.into_iter().chain(self.cluster.unready()).collect()
    }

    pub fn usage(&self) -> ResourceUsage {
        let runtimes = self.runtimes();
        let mut limits = runtimes.iter().map(|runtime| runtime.app().limits.connections);
        // A single app without a limit makes the sum unlimited.
        let most = limits.try_fold(0_usize, |sum, most| Some(sum.saturating_add(most?)));
        self.capacity.usage(most.map(|most| (self.hub.sockets() as u64, most as u64)))
    }

    /// True if the server takes new connections.
    pub fn accepts_connections(&self, usage: &ResourceUsage, percent: u64) -> bool {
        !self.hub.is_draining() && self.capacity.short().is_none() && !usage.exceeds(percent)
    }
}
