//! The figures of `/stats` for people. Names that this version does not know are left to `--json`.

use serde_json::Value;

use crate::cli::{
    amounts::{bytes, count, plural, span},
    table::{Column, TextTable},
    terminal::harmless,
};

pub fn of(stats: &Value) -> String {
    let number = |name: &str| stats[name].as_u64().unwrap_or(0);
    let mut lines = Vec::new();
    let version = stats["version"].as_str().unwrap_or("of an unknown version");
    lines.push(("server", format!("{version}, up for {}", span(number("uptime_seconds")))));
    let streams = plural(number("event_streams"), "event stream");
    lines.push(("connections", format!("{}, of them {streams}", count(number("sockets")))));
    lines.push((
        "channels",
        format!(
            "{}, {}, {}, {}",
            count(number("channels")),
            plural(number("subscriptions"), "subscription"),
            plural(number("members"), "member"),
            plural(number("users"), "user"),
        ),
    ));
    let [published, from_clients] = ["published", "client_events"].map(|name| count(number(name)));
    lines.push(("events", format!("{published} of backends, {from_clients} of clients")));
    let sent = bytes(number("delivered_bytes"));
    lines.push(("deliveries", format!("{}, {sent}", count(number("deliveries")))));
    lines.push((
        "waiting",
        format!(
            "{} for connections, {} for workers",
            bytes(number("outbox_bytes")),
            bytes(number("mailbox_bytes"))
        ),
    ));
    lines.push((
        "kept",
        format!(
            "{}, {} of history",
            plural(number("cached_events"), "cached event"),
            bytes(number("log_bytes"))
        ),
    ));
    lines.extend(refused(stats).map(|text| ("refused", text)));
    lines.extend(webhooks(&stats["webhooks"]).map(|text| ("webhooks", text)));
    lines.extend(cluster(&stats["cluster"]).map(|text| ("cluster", text)));
    let mut text = String::new();
    for (name, value) in lines {
        text += &format!("{name:11} {}\n", harmless(&value));
    }
    text + &keys(&stats["keys"])
}

/// Only what has happened.
fn refused(stats: &Value) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(refused) = stats["refused"].as_object() {
        let counts = refused.iter().filter_map(|(name, value)| Some((name, value.as_u64()?)));
        let some = counts.filter(|(_, count)| *count > 0);
        parts.extend(some.map(|(name, number)| format!("{} {name}", count(number))));
    }
    for (name, word) in [("slow_readers", "slow reader"), ("tripwire", "tripwire event")] {
        let number = stats[name].as_u64().unwrap_or(0);
        if number > 0 {
            parts.push(plural(number, word));
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn webhooks(stats: &Value) -> Option<String> {
    let number = |name: &str| stats[name].as_u64().unwrap_or(0);
    stats.as_object()?;
    Some(format!(
        "{} delivered, {} queued, {}",
        count(number("delivered")),
        count(number("queued")),
        plural(number("dead_letters"), "dead letter")
    ))
}

fn cluster(stats: &Value) -> Option<String> {
    let nodes = stats["nodes"].as_u64()?;
    Some(format!("{}, link {}", plural(nodes, "node"), stats["link"].as_str().unwrap_or("?")))
}

fn keys(keys: &Value) -> String {
    let Some(keys) = keys.as_array().filter(|keys| !keys.is_empty()) else {
        return String::new();
    };
    let mut table = TextTable::new([
        Column::shrinking("APP", 8),
        Column::text("KEY"),
        Column::text("STATE"),
        Column::number("SUBSCRIPTIONS"),
    ]);
    for key in keys {
        let text = |name: &str| key[name].as_str().unwrap_or("-").to_owned();
        let subscriptions = count(key["subscriptions"].as_u64().unwrap_or(0));
        table.row([text("app"), text("id"), text("state"), subscriptions]);
    }
    format!("\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_sentences_and_zeros_of_faults_are_left_out() {
        let stats = serde_json::json!({
            "version": "0.1.0", "uptime_seconds": 90_000, "sockets": 4211, "event_streams": 1,
            "channels": 12, "subscriptions": 9120, "members": 3, "users": 1, "published": 5,
            "client_events": 0, "deliveries": 1_203_112, "delivered_bytes": 2048,
            "refused": {"connects": 0, "plaintext": 2}, "tripwire": 0, "slow_readers": 1,
            "keys": [{"app": "1001", "id": "310d0c348ad5", "state": "active", "subscriptions": 8}],
        });
        assert_eq!(
            of(&stats),
            "server      0.1.0, up for 1 d\n\
             connections 4,211, of them 1 event stream\n\
             channels    12, 9,120 subscriptions, 3 members, 1 user\n\
             events      5 of backends, 0 of clients\n\
             deliveries  1,203,112, 2.0 KiB\n\
             waiting     0 B for connections, 0 B for workers\n\
             kept        0 cached events, 0 B of history\n\
             refused     2 plaintext, 1 slow reader\n\
             \n\
             APP   KEY           STATE   SUBSCRIPTIONS\n\
             1001  310d0c348ad5  active              8\n"
        );
    }
}
