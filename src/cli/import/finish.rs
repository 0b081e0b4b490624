//! What follows from several settings together, and what a configuration must have.

use serde_json::Value;

use super::{
    draft::{AppDraft, Draft},
    from::ForeignServer,
    input::value::MAX_BYTES,
    row::RowMark,
};
use crate::domain::{ids::is_app_id, limits::Limits};

/// The defaults of the server hold this much for an event of the default size, in any spelling of
/// JSON. Larger events take more in proportion.
const MESSAGE_BYTES: u64 = 64 * 1024;
const BODY_BYTES: u64 = 1024 * 1024;

pub fn finish(origin: &ForeignServer, draft: &mut Draft) -> std::io::Result<()> {
    if draft.listen.is_given() || origin.port != 6001 {
        let (address, names) = draft.listen.setting(origin.port);
        draft.server.put("listen", address, names, false);
    }
    if draft.ops.is_given() {
        let (address, names) = draft.ops.setting(9601);
        draft.server.put("ops_listen", address, names, false);
    }
    let mut redis = std::mem::take(&mut draft.redis);
    let remarks = redis.finish(&mut draft.cluster)?;
    draft.unused.extend(remarks.unused);
    if let Some((name, reason)) = remarks.fault {
        draft.aside(RowMark::Missing, &name, reason);
    }
    spread_limits(draft);
    make_room(draft);
    batch_webhooks(draft);
    merge_webhooks(draft);
    drop_idle_limits(draft);
    relay_encrypted(draft);
    check_apps(draft);
    Ok(())
}

/// The other servers relay what backends encrypt, and cannot read it.
fn relay_encrypted(draft: &mut Draft) {
    for app in draft.apps.values_mut().filter(|app| app.settings.get("master_key").is_none()) {
        let as_before = "as before: encrypted channels are relayed";
        app.settings.put("mode", "blind", as_before.into(), false);
    }
}

/// A limit of their server holds for each app without one of its own.
fn spread_limits(draft: &mut Draft) {
    for limit in draft.each_app.sorted() {
        for app in draft.apps.values_mut() {
            if app.settings.get(limit.name).is_none() {
                app.settings.put(limit.name, limit.value.clone(), limit.origin.clone(), false);
            }
        }
    }
}

/// Messages and requests that hold the largest events.
fn make_room(draft: &mut Draft) {
    let default = Limits::default();
    let (mut message, mut body) = (0, 0);
    for app in draft.apps.values() {
        let number =
            |name: &str, default: usize| app.settings.number(name).unwrap_or(default as u64);
        if app.settings.is_on("client_events") {
            let bytes = number("limits.client_event_bytes", default.client_event_bytes);
            message = message.max(scaled(MESSAGE_BYTES, bytes));
        }
        let bytes = number("limits.event_bytes", default.event_bytes);
        let batch = number("limits.batch_events", default.batch_events);
        let of_batch = scaled(BODY_BYTES, bytes).saturating_mul(batch);
        body = body.max((of_batch / default.batch_events as u64).min(MAX_BYTES));
    }
    if let Some(largest) = draft.largest_request {
        body = body.min(largest.max(BODY_BYTES));
    }
    if let Some(largest) = draft.largest_message {
        message = message.min(largest.max(MESSAGE_BYTES));
    }
    let room = "holds the largest event";
    if message > MESSAGE_BYTES && draft.server.get("message_bytes").is_none() {
        draft.server.put("message_bytes", message, room.into(), false);
    }
    if body > BODY_BYTES && draft.server.get("http_body_bytes").is_none() {
        let room = "holds the largest batch";
        draft.server.put("http_body_bytes", body, room.into(), false);
    }
}

fn scaled(room: u64, bytes: u64) -> u64 {
    let default = Limits::default().event_bytes as u64;
    room.saturating_mul(bytes).div_ceil(default).min(MAX_BYTES).next_multiple_of(1024)
}

fn batch_webhooks(draft: &mut Draft) {
    if draft.batch.is_some() && draft.apps.values().all(|app| app.webhooks.is_empty()) {
        draft.batch = None;
    }
}

/// Two webhooks with one URL are one here, if that changes nothing.
fn merge_webhooks(draft: &mut Draft) {
    let mut refused = Vec::new();
    for app in draft.apps.values_mut() {
        let mut merged: Vec<super::draft::WebhookDraft> = Vec::new();
        for webhook in std::mem::take(&mut app.webhooks) {
            let address = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
            let twin = merged.iter_mut().find(|other| address(&other.url) == address(&webhook.url));
            let Some(twin) = twin else {
                merged.push(webhook);
                continue;
            };
            let alike = twin.url == webhook.url && twin.headers == webhook.headers;
            if alike && twin.channels == webhook.channels {
                twin.events.extend(webhook.events);
                twin.events.sort();
                twin.events.dedup();
            } else if alike && twin.events == webhook.events {
                match twin.channels.is_empty() || webhook.channels.is_empty() {
                    true => twin.channels.clear(),
                    false => twin.channels.extend(webhook.channels),
                }
            } else {
                refused.push(webhook.origin);
            }
        }
        app.webhooks = merged;
    }
    for origin in refused {
        draft.aside(
            RowMark::Missing,
            &origin,
            "two webhooks with one URL differ: give one of them another path",
        );
    }
}

/// Without client events their limits say nothing.
fn drop_idle_limits(draft: &mut Draft) {
    for app in draft.apps.values_mut() {
        if !app.settings.is_on("client_events") {
            let idle = ["limits.client_event_bytes", "limits.client_events_per_second"];
            app.settings.remove_defaults(&idle);
        }
    }
}

fn check_apps(draft: &mut Draft) {
    let mut faults = Vec::new();
    if draft.apps.is_empty() && !draft.are_apps_elsewhere {
        let text = "no app is named: the server needs one, so add [apps.ID] with key and secret";
        faults.push(("(app)".to_owned(), text.to_owned()));
    }
    for app in draft.apps.values() {
        faults.extend(fault_of(app));
    }
    for (name, text) in faults {
        draft.aside(RowMark::Missing, &name, text);
    }
}

/// A fault in the identity of an app.
pub fn fault_of(app: &AppDraft) -> Option<(String, String)> {
    let Some(id) = &app.id else {
        return Some(("(app)".into(), "an app has no id: give it one".into()));
    };
    let name = format!("apps.{id}");
    if !is_app_id(id) {
        let text = "the id of an app has letters, digits, '-', '_' and '.' only: choose another, here and in the backends";
        return Some((name, text.into()));
    }
    for part in ["key", "secret"] {
        if app.settings.get(part).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Some((name, format!("the app has no {part}: give it the one of the backends")));
        }
    }
    let key = app.settings.get("key").and_then(Value::as_str).unwrap_or_default();
    key.contains([':', '/', '?', '#', '%']).then(|| {
        (name, "the key of an app must not contain : / ? # or %: choose another, here, in the backends and in pages".into())
    })
}
