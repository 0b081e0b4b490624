//! Checks of single values.

use std::{fmt::Display, time::Duration};

pub use crate::config::setting_error::SettingError;
use crate::domain::limits::YEAR;

pub type ConfigResult<T> = std::result::Result<T, SettingError>;

pub fn error<T>(setting: impl Into<String>, message: impl Into<String>) -> ConfigResult<T> {
    Err(SettingError::new(setting, message))
}

/// A message that begins with its setting.
pub fn wrong<T>(setting: impl Into<String>, says: impl Display) -> ConfigResult<T> {
    let setting = setting.into();
    let message = format!("{setting} {says}");
    Err(SettingError { setting, message })
}

pub fn at_least(name: &str, value: usize, least: usize) -> ConfigResult<usize> {
    if value < least {
        wrong(name, format!("is {value}, and must be at least {least}"))
    } else {
        Ok(value)
    }
}

pub fn between<T: PartialOrd + Display>(
    name: &str,
    value: T,
    (least, most): (T, T),
) -> ConfigResult<T> {
    if least <= value && value <= most {
        Ok(value)
    } else {
        wrong(name, format!("is {value}, and must be between {least} and {most}"))
    }
}

pub fn seconds(name: &str, value: u64) -> ConfigResult<Duration> {
    // A client takes an activity_timeout of 0 for a missing one and refuses the handshake.
    match value {
        0 => wrong(name, "must be at least 1"),
        1..=YEAR => Ok(Duration::from_secs(value)),
        _ => wrong(name, format!("must be at most {YEAR}, which is a year")),
    }
}
