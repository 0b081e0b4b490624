//! Checks that the tables of `docs/limits.md` name every limit with its default.

use serde_json::Value;

use crate::config::schema::{Schema, Setting};

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
    // The same name occurs twice: for an app, and for all apps of the server.
    let (of_app, of_server) = text.split_once("\n## Server limits").expect("two parts");
    let schema = Schema::new();
    let leaves = schema.leaves();
    let default = |setting: &Setting<'_>| setting.default().cloned().unwrap_or(Value::Null);
    let limits = leaves.iter().filter(|s| s.path.iter().any(|name| name == "limits"));
    let of_all = leaves.iter().filter(|s| s.see() == Some("limits.md#server-limits"));
    let mut seen = 0;
    for (text, name, setting) in limits
        .map(|setting| (of_app, setting.name().to_owned(), setting))
        .chain(of_all.map(|setting| (of_server, setting.dotted(), setting)))
    {
        assert_eq!(
            documented(text, &name),
            (Some(default(setting)), 1),
            "{name} in docs/limits.md"
        );
        seen += 1;
    }
    assert!(seen > 30, "{seen} limits");
}
