//! What operators see of the configuration.

use std::sync::Arc;

use serde_json::value::RawValue;

/// The settings with their sources, as JSON. Secrets are masked before it is made.
#[derive(Clone, Debug)]
pub struct ConfigReport(Arc<RawValue>);

impl ConfigReport {
    pub fn new(settings: Box<RawValue>) -> Self {
        Self(settings.into())
    }

    pub fn settings(&self) -> &RawValue {
        &self.0
    }
}

impl Default for ConfigReport {
    fn default() -> Self {
        Self::new(RawValue::from_string("[]".into()).expect("an empty list is JSON"))
    }
}
