//! Webhooks of an app.

use std::collections::BTreeMap;

use hyper::header::HeaderName;
use serde_json::Value;

use super::super::{
    draft::{Draft, WebhookBatch, WebhookDraft},
    input::value,
    row::{GivenSetting, Remark, RowMark, TakeResult, unneeded},
};
use crate::{observe::webhook::is_reserved_header, platform::http::EndpointUrl};

/// The events that both servers know.
const EVENTS: &[&str] = &[
    "channel_occupied",
    "channel_vacated",
    "member_added",
    "member_removed",
    "client_event",
    "cache_miss",
    "subscription_count",
];

/// Names of the filter for the two ends of a channel's name.
pub struct FilterNames {
    pub start: &'static str,
    pub end: &'static str,
}

pub fn list(draft: &mut Draft, given: &GivenSetting<'_>, filter: &FilterNames) -> TakeResult {
    let list = value::json(&given.entry.value)?;
    let Value::Array(list) = list else {
        return Err("must be a list of webhooks".into());
    };
    if list.is_empty() {
        return unneeded("none");
    }
    let mut taken = 0;
    for (at, webhook) in list.iter().enumerate() {
        let name = format!("{}[{at}]", given.entry.shown);
        match one(draft, &name, webhook, filter) {
            Ok(webhook) => {
                taken += 1;
                draft.app(given).webhooks.push(webhook);
            }
            Err((mark, reason)) => draft.aside(mark, &name, reason),
        }
    }
    match taken {
        0 => unneeded("no webhook is left: see below"),
        _ => Ok(Remark::AsDocumented),
    }
}

fn one(
    draft: &mut Draft,
    name: &str,
    webhook: &Value,
    filter: &FilterNames,
) -> Result<WebhookDraft, (RowMark, String)> {
    let missing = |reason: &str| (RowMark::Missing, reason.to_owned());
    let text = |name: &str| webhook.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let Some(url) = text("url") else {
        return Err(missing(match text("lambda_function").or(text("lambda")) {
            Some(_) => "a Lambda function is not called: put a URL in front of it",
            None => "a webhook has no URL",
        }));
    };
    EndpointUrl::parse(url, true).map_err(|reason| missing(&format!("the URL {reason}")))?;
    let events = events(draft, name, webhook)?;
    let channels = channels(draft, name, webhook.get("filter"), filter)?;
    for (setting, inside) in webhook.as_object().into_iter().flatten() {
        let known = ["url", "event_types", "headers", "filter", "lambda", "lambda_function"];
        if !known.contains(&&**setting) && !inside.is_null() {
            draft.aside(
                RowMark::Unneeded,
                &format!("{name}.{setting}"),
                "a webhook is sent again for 300 s, and then kept: retry_seconds, timeout_seconds",
            );
        }
    }
    let headers = headers(draft, name, webhook);
    Ok(WebhookDraft { url: url.to_owned(), events, channels, headers, origin: name.to_owned() })
}

/// An empty list sends nothing there, and everything here.
fn events(
    draft: &mut Draft,
    name: &str,
    webhook: &Value,
) -> Result<Vec<String>, (RowMark, String)> {
    let given = webhook.get("event_types").map(value::texts).transpose();
    let given = given.map_err(|reason| (RowMark::Missing, format!("event_types {reason}")))?;
    let (known, unknown): (Vec<String>, Vec<String>) =
        given.unwrap_or_default().into_iter().partition(|event| EVENTS.contains(&&**event));
    for event in &unknown {
        draft.aside(RowMark::Missing, name, format!("there is no event {event:?} here"));
    }
    match known.is_empty() {
        true => Err((RowMark::Unneeded, "it is called for no event".into())),
        false => Ok(known),
    }
}

fn channels(
    draft: &mut Draft,
    name: &str,
    given: Option<&Value>,
    names: &FilterNames,
) -> Result<Vec<String>, (RowMark, String)> {
    let Some(filter) = given.and_then(Value::as_object) else { return Ok(Vec::new()) };
    for (setting, _) in filter.iter().filter(|(_, value)| !value.is_null()) {
        if ![names.start, names.end].contains(&&**setting) {
            draft.aside(
                RowMark::Missing,
                &format!("{name}.filter.{setting}"),
                "channels are chosen by a pattern with *: write it into channels",
            );
        }
    }
    let part = |name: &str| filter.get(name).and_then(Value::as_str).unwrap_or_default();
    let (start, end) = (part(names.start), part(names.end));
    if start.contains('*') || end.contains('*') {
        return Err((
            RowMark::Missing,
            "the filter has a *, which stands for any text here".into(),
        ));
    }
    Ok(match (start, end) {
        ("", "") => Vec::new(),
        (start, end) => vec![format!("{start}*{end}")],
    })
}

fn headers(draft: &mut Draft, name: &str, webhook: &Value) -> BTreeMap<String, String> {
    let given = webhook.get("headers").and_then(Value::as_object);
    let mut headers = BTreeMap::new();
    for (header, value) in given.into_iter().flatten() {
        if header.parse::<HeaderName>().is_ok_and(|name| is_reserved_header(&name)) {
            draft.aside(
                RowMark::Unneeded,
                &format!("{name}.headers.{header}"),
                "the server sets it",
            );
        } else if let Some(text) = value.as_str() {
            headers.insert(header.clone(), text.to_owned());
        }
    }
    headers
}

/// Without batches each event goes alone, as by default here.
pub fn batching(draft: &mut Draft, given: &GivenSetting<'_>, time: &str, most: u64) -> TakeResult {
    if !given.boolean()? {
        return unneeded("each event goes alone by default");
    }
    let delay_ms = given.other(time).map_or(Ok(50), value::number)?;
    let Ok(delay_ms @ 0..=10_000) = u64::try_from(delay_ms) else {
        return Err("batch_delay_ms is at most 10000".into());
    };
    draft.batch = Some(WebhookBatch { delay_ms, events: most });
    Ok(Remark::AsDocumented)
}
