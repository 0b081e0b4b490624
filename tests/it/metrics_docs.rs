//! docs/metrics.md lists all families with type, labels and unit, and no others. The dashboard and
//! the alerts use no others either.

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

/// The name of the series in a query.
fn series_name(name: &str, kind: &str) -> String {
    match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

#[tokio::test]
async fn each_family_is_documented() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let key = base64(&master_key("documented"));
    let on_disk = "channels = [{ pattern = \"logged\", history = { store = \"disk\" } }]";
    let app = format!("authorizer = \"open\"\nmaster_key = \"{key}\"\n{on_disk}");
    let server = TestServer::start(&with_webhooks(&app, &[&hooks_url(&receiver, "")])).await;
    let mut client = server.connect().await;
    client.send(&json!({"event": "pusher:subscribe", "data": {"channel": "private-x"}})).await;
    client.expect_refused("private-x").await;
    client.send_sign_in("{}").await;
    client.expect_error(Some(4009)).await;
    server.publish("news", "e", "d").await;
    // A node keeps no history yet, and a server alone has no metrics of a cluster.
    let section = ClusterSection::on(Redis::shared());
    let node = TestServer::start(&section.config(&config(""))).await;
    let mut families = node.scrape().await.families;
    families.retain(|name, _| name.starts_with("sealcast_cluster_"));
    node.stop().await;
    let scrape = server.scrape().await;
    assert!(scrape.families.keys().all(|name| !families.contains_key(name)), "it is alone");
    families.extend(scrape.families);
    let mut documented = documented();
    for (name, family) in &families {
        let name = series_name(name, &family.kind);
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

fn project_file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).expect("a file of the project")
}

/// All words of a text that begin like names of families.
fn names_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("sealcast_")).collect()
}

#[test]
fn dashboard_and_alerts_use_existing_families() {
    let documented = documented();
    for file in ["deploy/grafana/sealcast.json", "deploy/prometheus/alerts.yml"] {
        let text = project_file(file);
        let names = names_in(&text);
        assert!(names.len() > 10, "{file} asks for {names:?}");
        for name in names {
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|part| name.strip_suffix(part))
                .filter(|family| documented.get(*family).is_some_and(|row| row.kind == "histogram"))
                .unwrap_or(name);
            assert!(documented.contains_key(family), "{file} asks for {name}");
        }
    }
}

#[test]
fn each_alert_links_an_existing_section() {
    let text = project_file("docs/metrics.md");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        words.replace(' ', "-").replace(|c: char| !c.is_alphanumeric() && c != '-', "")
    };
    let anchors: BTreeSet<String> = headings.map(anchor).collect();
    let alerts = project_file("deploy/prometheus/alerts.yml");
    let rules = alerts.matches("- alert: ").count();
    let runbooks = alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook: "));
    let runbooks: Vec<&str> = runbooks.collect();
    assert!(rules > 0 && runbooks.len() == rules, "one for each of {rules} rules: {runbooks:?}");
    for runbook in runbooks {
        let section = runbook.strip_prefix("docs/metrics.md#").map(str::to_owned);
        assert!(section.is_some_and(|section| anchors.contains(&section)), "{runbook}");
    }
}
