//! docs/metrics.md names every family, with its type, labels and unit, and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::support::*;

#[derive(Debug, PartialEq, Eq)]
struct Row {
    kind: String,
    labels: BTreeSet<String>,
    unit: String,
}

/// The rows of all tables of the document, by their names.
fn documented() -> BTreeMap<String, Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `sealcast_")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning] = cells[..] else { panic!("{line}") };
        assert!(!meaning.is_empty(), "{line}");
        let bare = |cell: &str| cell.trim().trim_matches('`').to_owned();
        let labels = labels.split(',').map(bare).filter(|label| !label.is_empty()).collect();
        let row = Row { kind: kind.to_owned(), labels, unit: unit.to_owned() };
        assert!(rows.insert(bare(name), row).is_none(), "twice: {line}");
    }
    rows
}

/// What one asks Prometheus for.
fn asked_as(name: &str, kind: &str) -> String {
    match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

#[tokio::test]
async fn every_family_stands_in_the_document_as_it_is() {
    let receiver = Receiver::start(Answer::Status(200)).await;
    let key = base64(&master_key("documented"));
    let app = format!("authorizer = \"open\"\nmaster_key = \"{key}\"");
    let server = TestServer::start(&with_webhooks(&app, &[&hooks_url(&receiver, "")])).await;
    let mut client = server.connect().await;
    client.send(&json!({"event": "pusher:subscribe", "data": {"channel": "private-x"}})).await;
    client.expect_refused("private-x").await;
    client.ask_sign_in("{}").await;
    client.expect_error(Some(4009)).await;
    server.publish("news", "e", "d").await;
    let scrape = server.scrape().await;
    let mut documented = documented();
    for (name, family) in &scrape.families {
        let name = asked_as(name, &family.kind);
        let row = documented.remove(&name);
        let row = row.unwrap_or_else(|| panic!("{name} is not in docs/metrics.md"));
        let sample = family.samples.first();
        let sample = sample.unwrap_or_else(|| panic!("{name} has no sample to compare"));
        let labels = sample.labels.keys().filter(|label| *label != "le").cloned().collect();
        let (kind, unit) = (family.kind.clone(), family.unit.clone());
        assert_eq!(row, Row { kind, labels, unit }, "{name}");
    }
    assert!(documented.is_empty(), "there is no such family: {documented:?}");
    server.stop().await;
}
