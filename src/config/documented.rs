//! Checks that `docs/limits.md` is true.

use serde_json::{Value, json};

use super::raw::RawConfig;
use crate::domain::limits::Limits;

/// The default in the row of a setting, and the number of its rows.
fn documented(text: &str, setting: &str) -> (Option<Value>, usize) {
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells.get(2) == Some(&&*format!("`{setting}`")))
        .collect();
    let default = rows.first().and_then(|cells| match cells.get(3)?.split('`').nth(1) {
        Some(text) if text.starts_with('"') => Some(Value::from(text.trim_matches('"'))),
        Some(number) => number.parse::<u64>().ok().map(Value::from),
        None => (cells[3] == "unlimited").then_some(Value::Null),
    });
    (default, rows.len())
}

#[test]
fn every_limit_is_documented_with_its_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let limits = serde_json::to_value(Limits::default()).expect("numbers");
    let server = RawConfig::default();
    let server = json!({
        "message_bytes": server.message_bytes,
        "http_body_bytes": server.http_body_bytes,
        "outbox_bytes": server.outbox_bytes,
        "mailbox_bytes": server.mailbox_bytes,
        "cache_bytes": server.cache_bytes,
        "history.bytes": server.history.bytes.to_string(),
    });
    // The name occurs twice: for an app, and for all apps of the server.
    let (of_app, of_server) = text.split_once("\n## Server limits").expect("two parts");
    for (text, settings) in [(of_app, limits), (of_server, server)] {
        for (setting, default) in settings.as_object().expect("settings") {
            let found = documented(text, setting);
            assert_eq!(found, (Some(default.clone()), 1), "{setting} in docs/limits.md");
        }
    }
}
