//! Values as the other servers take them: a text from a variable, or a value of JSON or TOML.

use serde_json::Value;

/// The reason why a value has no counterpart, as the end of a sentence about it.
pub type Reason = String;

pub fn text(value: &Value) -> Result<String, Reason> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(boolean) => Ok(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err("must be a text".into()),
    }
}

pub fn number(value: &Value) -> Result<i64, Reason> {
    let parsed = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| "must be a whole number".into())
}

/// For sizes, of which some servers take fractions.
pub fn decimal(value: &Value) -> Result<f64, Reason> {
    let parsed = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    parsed.filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(|| "must be a number".into())
}

/// The largest number of bytes that is taken: more than any memory holds, and exact as a decimal.
pub const MAX_BYTES: u64 = 1 << 53;

/// A size in units of `unit` bytes, rounded up.
pub fn bytes(value: &Value, unit: u32) -> Result<i64, Reason> {
    let bytes = (decimal(value)? * f64::from(unit)).ceil();
    match bytes <= MAX_BYTES as f64 {
        true => Ok(bytes as i64),
        false => Err("is a size that no memory holds: choose a smaller one".into()),
    }
}

pub fn port(value: &Value) -> Result<u16, Reason> {
    number(value)
        .ok()
        .and_then(|n| u16::try_from(n).ok())
        .ok_or_else(|| "must be a port, a number up to 65535".into())
}

pub fn boolean(value: &Value) -> Result<bool, Reason> {
    let parsed = match value {
        Value::Bool(boolean) => Some(*boolean),
        Value::Number(number) => number.as_i64().map(|n| n != 0),
        Value::String(text) => match &*text.trim().to_ascii_lowercase() {
            "true" | "(true)" | "1" | "yes" | "on" => Some(true),
            "false" | "(false)" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    };
    parsed.ok_or_else(|| "must be true or false".into())
}

/// A structure, or the text of one.
pub fn json(value: &Value) -> Result<Value, Reason> {
    match value {
        Value::String(text) => serde_json::from_str(text).map_err(|_| "must be JSON".to_owned()),
        other => Ok(other.clone()),
    }
}

/// A list, the JSON text of one, or texts between commas.
pub fn texts(value: &Value) -> Result<Vec<String>, Reason> {
    match json(value) {
        Ok(Value::Array(list)) => list.iter().map(text).collect(),
        Ok(Value::Null) => Ok(Vec::new()),
        _ => {
            let all = text(value)?;
            Ok(all.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
        }
    }
}

/// Nothing is set: the name might as well not be there.
pub fn is_unset(value: &Value, laravel: bool) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) if text.is_empty() => true,
        Value::String(text) => {
            let words = ["null", "(null)", "empty", "(empty)"];
            laravel && words.contains(&&*text.to_ascii_lowercase())
        }
        _ => false,
    }
}
