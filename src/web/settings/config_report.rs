//! What operators see of the configuration.

use std::sync::Arc;

/// JSON text of the settings with their sources. Secrets are masked before it is made.
#[derive(Clone, Debug)]
pub struct ConfigReport(Arc<str>);

impl ConfigReport {
    pub fn new(json: impl Into<Arc<str>>) -> Self {
        Self(json.into())
    }

    pub fn json(&self) -> &str {
        &self.0
    }
}

impl Default for ConfigReport {
    fn default() -> Self {
        Self::new("{}")
    }
}
