//! The receivers of an app's webhooks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{
    checks::{ConfigResult, at_least, error},
    secrets::warn_of_stray,
};
use crate::{
    channels::fact::ChannelFactKind,
    config::raw::{app::RawApp, webhooks::RawWebhook},
    domain::pattern::Pattern,
    observe::webhook::{EndpointFilter, EndpointSettings, QueueLimits, is_reserved_header},
    platform::http::{EndpointUrl, HttpClient},
};

const MAX_BATCH_EVENTS: usize = 1000;
const MAX_CONCURRENCY: usize = 64;
const MAX_DELAY_MS: u64 = 10_000;
const MAX_TIMEOUT_SECONDS: u64 = 60;
const MAX_RETRY_SECONDS: u64 = 86_400;

pub fn webhooks(
    id: &str,
    raw: &RawApp,
    warnings: &mut Vec<String>,
) -> ConfigResult<Vec<EndpointSettings>> {
    let mut all: Vec<EndpointSettings> = Vec::with_capacity(raw.webhooks.len());
    for (index, webhook) in raw.webhooks.iter().enumerate() {
        let at = format!("apps.{id}.webhooks.{index}");
        let settings = settings(&at, webhook)?;
        for (name, value) in &webhook.headers {
            warn_of_stray(&format!("{at}.headers.{name}"), value.expose_secret(), warnings);
        }
        if all.iter().any(|other| other.label == settings.label) {
            return error(
                format!("{at}.url"),
                format!(
                    "apps.{id}.webhooks: two webhooks have the URL {} (the part after a ? does not count): make them one",
                    settings.label
                ),
            );
        }
        warn_of_disabled_events(&settings, raw, id, warnings);
        all.push(settings);
    }
    Ok(all)
}

fn warn_of_disabled_events(
    settings: &EndpointSettings,
    raw: &RawApp,
    id: &str,
    warnings: &mut Vec<String>,
) {
    for (kind, on, name) in [
        (ChannelFactKind::ClientEvent, raw.client_events, "client_events"),
        (ChannelFactKind::SubscriptionCount, raw.subscription_count, "subscription_count"),
    ] {
        if settings.filter.kinds.contains(&kind) && !on {
            warnings.push(format!(
                "a webhook of app {id} asks for events that never come, for apps.{id}.{name} is false"
            ));
        }
    }
}

fn settings(at: &str, raw: &RawWebhook) -> ConfigResult<EndpointSettings> {
    let url = match EndpointUrl::parse(&raw.url, raw.allow_http) {
        Ok(url) => url,
        Err(_) if raw.url.is_empty() => {
            return error(format!("{at}.url"), format!("{at}.url is missing"));
        }
        Err(reason) => {
            let hint = match raw.url.starts_with("http://") {
                true => " (allow_http = true permits http to other machines)",
                false => "",
            };
            return error(format!("{at}.url"), format!("{at}.url {reason}{hint}"));
        }
    };
    let timeout = within(at, "timeout_seconds", raw.timeout_seconds, 1, MAX_TIMEOUT_SECONDS)?;
    let client = match HttpClient::new(raw.ca_file.as_deref(), Duration::from_secs(timeout)) {
        Ok(client) => client,
        Err(reason) => return error(format!("{at}.ca_file"), format!("{at}.ca_file: {reason}")),
    };
    let batch_events = raw.batch_events as u64;
    let batch_events = within(at, "batch_events", batch_events, 1, MAX_BATCH_EVENTS as u64)?;
    let delay = within(at, "batch_delay_ms", raw.batch_delay_ms, 0, MAX_DELAY_MS)?;
    let retry = within(at, "retry_seconds", raw.retry_seconds, 1, MAX_RETRY_SECONDS)?;
    let concurrency = raw.concurrency as u64;
    let concurrency = within(at, "concurrency", concurrency, 1, MAX_CONCURRENCY as u64)?;
    Ok(EndpointSettings {
        label: label(&raw.url),
        url,
        client,
        headers: headers(at, &raw.headers)?,
        filter: EndpointFilter {
            kinds: raw.events.clone(),
            channels: raw.channels.iter().map(Pattern::new).collect(),
        },
        queue: QueueLimits {
            bytes: at_least(&format!("{at}.queue_bytes"), raw.queue_bytes, 64 * 1024)?,
            batch_events: batch_events as usize,
            batch_delay: Duration::from_millis(delay),
        },
        concurrency: concurrency as usize,
        retry: Duration::from_secs(retry),
    })
}

/// The part after a question mark may be a secret, and the label is shown.
fn label(url: &str) -> Arc<str> {
    url.split(['?', '#']).next().unwrap_or_default().into()
}

fn within(at: &str, name: &str, value: u64, least: u64, most: u64) -> ConfigResult<u64> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    error(
        format!("{at}.{name}"),
        format!("{at}.{name} is {value}, and must be between {least} and {most}"),
    )
}

fn headers(at: &str, raw: &BTreeMap<String, SecretString>) -> ConfigResult<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in raw {
        let Ok(parsed) = name.parse::<HeaderName>() else {
            return error(
                format!("{at}.headers"),
                format!("{at}.headers: {name:?} is no name of a header"),
            );
        };
        if is_reserved_header(&parsed) {
            return error(
                format!("{at}.headers"),
                format!("{at}.headers: {name} is set by the server"),
            );
        }
        let Ok(mut value) = HeaderValue::from_str(value.expose_secret()) else {
            return error(
                format!("{at}.headers.{name}"),
                format!(
                    "{at}.headers.{name} must be text without line breaks: it is sent in a header"
                ),
            );
        };
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    Ok(headers)
}
