//! The error of a check: one fault of one setting.

use std::fmt;

#[derive(Debug)]
pub struct SettingError {
    /// The path of the setting, such as `apps.1001.key`.
    pub setting: String,
    /// Says what is wrong, where, and what to do, in this order.
    pub message: String,
}

impl SettingError {
    pub fn new(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self { setting: setting.into(), message: message.into() }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SettingError {}
