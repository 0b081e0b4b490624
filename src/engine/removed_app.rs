//! Apps that a reload has removed.

use std::{sync::Arc, time::Instant};

use super::app_runtime::AppRuntime;

/// An app removed from the configuration. It drains until its connections are closed and its
/// webhooks delivered.
pub(super) struct RemovedApp {
    pub(super) runtime: Arc<AppRuntime>,
    pub(super) since: Instant,
}
