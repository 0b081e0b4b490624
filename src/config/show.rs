//! `sealcast config show`: every value that was set, and where; secrets masked.

use std::fmt::Write as _;

use figment::{Provider, value::Value};

use super::{ConfigError, Source};

const SECRETS: [&str; 4] = ["secret", "master_key", "jwt_secret", "admin_token"];

/// One line a value, in the order of their names. Only if all names are known: a secret under a
/// misspelt name would not be masked.
pub fn shown(source: &Source) -> Result<String, ConfigError> {
    source.extract()?;
    let mut out = String::new();
    let data = source.figment().data().map_err(|e| ConfigError(e.to_string()))?;
    for dict in data.into_values() {
        write_value(source, &mut Vec::new(), &Value::from(dict), &mut out);
    }
    Ok(out)
}

fn write_value(source: &Source, path: &mut Vec<String>, value: &Value, out: &mut String) {
    if let Some(dict) = value.as_dict() {
        for (name, inner) in dict {
            path.push(name.clone());
            write_value(source, path, inner, out);
            path.pop();
        }
        return;
    }
    let masked = path.last().is_some_and(|name| SECRETS.contains(&name.as_str()));
    let text = if masked { "\"********\"".to_owned() } else { text(value) };
    let origin =
        source.figment().get_metadata(value.tag()).map_or("default", |metadata| &metadata.name);
    let _ = writeln!(out, "{} = {text}    # {origin}", path.join("."));
}

fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "?".into())
}
