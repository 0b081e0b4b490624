//! Checks of single values, and the error of all checks.

use std::{fmt::Display, time::Duration};

use crate::domain::limits::YEAR;

/// Says what is wrong, where, and what to do, in this order.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

pub type ConfigResult<T> = std::result::Result<T, ConfigError>;

pub fn error<T>(message: impl Into<String>) -> ConfigResult<T> {
    Err(ConfigError(message.into()))
}

pub fn at_least(name: &str, value: usize, least: usize) -> ConfigResult<usize> {
    if value < least {
        error(format!("{name} is {value}, and must be at least {least}"))
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
        error(format!("{name} is {value}, and must be between {least} and {most}"))
    }
}

pub fn seconds(name: &str, value: u64) -> ConfigResult<Duration> {
    // A client takes an activity_timeout of 0 for a missing one and refuses the handshake.
    match value {
        0 => error(format!("{name} must be at least 1")),
        1..=YEAR => Ok(Duration::from_secs(value)),
        _ => error(format!("{name} must be at most {YEAR}, which is a year")),
    }
}
