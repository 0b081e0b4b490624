//! What an operator asks of the process around the engine: to end, and to read its configuration
//! again.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// Requests that may wait. A reload takes less than a second, as a rule.
const MAX_WAITING_RELOADS: usize = 16;

#[derive(Default)]
pub struct ProcessControl {
    drain: Notify,
    reloads: Mutex<VecDeque<ReloadRequest>>,
    reload: Arc<Notify>,
}

pub type ReloadRequest = oneshot::Sender<Result<AppliedReload, ReloadError>>;

/// Names of the settings that a reload has changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AppliedReload {
    pub applied: Vec<String>,
    pub waits_for_restart: Vec<String>,
    /// Keys that come into force at the end of a rotation.
    pub waits_for_rotation: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("{0}")]
    Refused(String),
    #[error("The configuration is not read again: the server is shutting down")]
    ShuttingDown,
    #[error("The configuration cannot be read again now: too many reloads wait")]
    Busy,
}

impl ProcessControl {
    /// As SIGTERM does. A second time does nothing.
    pub fn drain(&self) {
        self.drain.notify_one();
    }

    /// For the one that ends the process.
    pub async fn drain_requested(&self) {
        self.drain.notified().await;
    }

    /// Returns when the configuration has been read again, as after SIGHUP.
    pub async fn reload(&self) -> Result<AppliedReload, ReloadError> {
        let (request, done) = oneshot::channel();
        {
            let mut waiting = self.reloads.lock();
            if waiting.len() >= MAX_WAITING_RELOADS {
                return Err(ReloadError::Busy);
            }
            waiting.push_back(request);
        }
        self.reload.notify_one();
        done.await.unwrap_or(Err(ReloadError::Busy))
    }

    /// For the one that reads the configuration.
    pub async fn next_reload(&self) -> ReloadRequest {
        loop {
            if let Some(request) = self.reloads.lock().pop_front() {
                return request;
            }
            self.reload.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reloads_are_answered_in_order_and_bounded() {
        let control = ProcessControl::default();
        let answering = async {
            for name in ["a", "b"] {
                let request = control.next_reload().await;
                let applied = AppliedReload { applied: vec![name.into()], ..Default::default() };
                let _ = request.send(Ok(applied));
            }
        };
        let (first, second, ()) = tokio::join!(control.reload(), control.reload(), answering);
        assert_eq!(first.expect("done").applied, ["a"]);
        assert_eq!(second.expect("done").applied, ["b"]);
        let waiting: Vec<_> = (0..MAX_WAITING_RELOADS).map(|_| oneshot::channel()).collect();
        control.reloads.lock().extend(waiting.into_iter().map(|(request, _)| request));
        assert_eq!(control.reload().await, Err(ReloadError::Busy));
    }
}
