//! `sealcast config show`: every configured value and its source; secrets masked.

use std::fmt::Write as _;

use figment::{Provider, value::Value};

use super::{
    checks::ConfigError,
    secrets::{SECRETS, is_cluster_url, is_section_key},
    source::Source,
};

/// One line per value, ordered by name. Fails on an unknown name: a secret under a misspelt name
/// would not be masked.
pub fn render(source: &Source) -> Result<String, ConfigError> {
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
    if let Some(webhooks) =
        value.as_array().filter(|_| path.last().is_some_and(|n| n == "webhooks"))
    {
        for (index, webhook) in webhooks.iter().enumerate() {
            path.push(index.to_string());
            write_value(source, path, webhook, out);
            path.pop();
        }
        return;
    }
    let text = if is_secret(path) { "\"********\"".to_owned() } else { text(value) };
    let origin =
        source.figment().get_metadata(value.tag()).map_or("default", |metadata| &metadata.name);
    let _ = writeln!(out, "{} = {text}    # {origin}", path.join("."));
}

/// A webhook's URL is a secret as well: it may contain a token for its receiver.
fn is_secret(path: &[String]) -> bool {
    let in_webhook = path.iter().any(|name| name == "webhooks");
    let ends = |names: &[&str]| path.last().is_some_and(|name| names.contains(&name.as_str()));
    ends(&SECRETS)
        || is_section_key(path)
        || is_cluster_url(path)
        || in_webhook && (ends(&["url"]) || path.iter().any(|name| name == "headers"))
}

fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "?".into())
}
