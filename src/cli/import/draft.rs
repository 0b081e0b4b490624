//! Our configuration as it is put together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{redis::RedisDraft, report::NameLine, row::GivenSetting};

/// A setting with the names that it comes from.
#[derive(Debug)]
pub struct DraftSetting {
    /// As in the file, such as `limits.event_bytes`.
    pub name: &'static str,
    pub value: Value,
    pub origin: String,
    /// Goes into a file of its own with `--out`.
    pub is_secret: bool,
}

#[derive(Default)]
pub struct DraftSettings(Vec<DraftSetting>);

#[derive(Default)]
pub struct AppDraft {
    pub id: Option<String>,
    /// The names that gave the id.
    pub id_origins: Vec<String>,
    pub settings: DraftSettings,
    pub webhooks: Vec<WebhookDraft>,
}

pub struct WebhookDraft {
    pub url: String,
    pub events: Vec<String>,
    pub channels: Vec<String>,
    pub headers: BTreeMap<String, String>,
    pub origin: String,
}

/// A listener, from two settings of the other server.
#[derive(Default)]
pub struct ListenerDraft {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub unix: Option<String>,
    pub origins: Vec<String>,
    pub unix_origins: Vec<String>,
}

#[derive(Default)]
pub struct Draft {
    pub listen: ListenerDraft,
    pub ops: ListenerDraft,
    pub server: DraftSettings,
    pub redis: RedisDraft,
    pub cluster: DraftSettings,
    /// Limits that the other server has once for all of its apps.
    pub each_app: DraftSettings,
    pub apps: BTreeMap<usize, AppDraft>,
    pub batch: Option<WebhookBatch>,
    /// Bytes of a request and of a message that the other server takes, with all around the event.
    pub largest_request: Option<u64>,
    pub largest_message: Option<u64>,
    /// What else is to be told, beside the line of the name.
    pub asides: Vec<NameLine>,
    /// Names that decide nothing after all, with the reason.
    pub unused: Vec<(String, String)>,
    /// The command or query that exports the apps of a database.
    pub export: Option<String>,
    pub has_apps_file: bool,
    pub are_apps_elsewhere: bool,
    pub public: FormerAddress,
}

/// Events of webhooks that go together.
#[derive(Clone, Copy)]
pub struct WebhookBatch {
    pub delay_ms: u64,
    pub events: u64,
}

/// The address by which backends and pages knew the other server.
#[derive(Default)]
pub struct FormerAddress {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub scheme: Option<String>,
}

impl DraftSettings {
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>, given: &GivenSetting<'_>) {
        self.put(name, value, origin_of(given), false);
    }

    pub fn set_secret(&mut self, name: &'static str, value: &str, given: &GivenSetting<'_>) {
        self.put(name, value, origin_of(given), true);
    }

    /// Replaces the value. Another name for the same value adds to the origin.
    pub fn put(
        &mut self,
        name: &'static str,
        value: impl Into<Value>,
        origin: String,
        is_secret: bool,
    ) {
        let value = value.into();
        match self.0.iter_mut().find(|setting| setting.name == name) {
            Some(setting) if setting.value != value => {
                *setting = DraftSetting { name, value, origin, is_secret };
            }
            Some(setting) => {
                if !origin.is_empty() && !setting.origin.contains(&origin) {
                    let before = std::mem::take(&mut setting.origin);
                    let parts = [before, origin].into_iter().filter(|part| !part.is_empty());
                    setting.origin = parts.collect::<Vec<_>>().join(", ");
                }
            }
            None => self.0.push(DraftSetting { name, value, origin, is_secret }),
        }
    }

    /// Adds a name that the value was made of as well.
    pub fn credit(&mut self, name: &str, given: &GivenSetting<'_>) {
        let Some(setting) = self.0.iter_mut().find(|setting| setting.name == name) else { return };
        if !setting.origin.is_empty() {
            setting.origin.push_str(", ");
        }
        setting.origin.push_str(&origin_of(given));
    }

    /// True if the setting is there, and this name of theirs gave it.
    pub fn is_from(&self, name: &str, theirs: &str) -> bool {
        let setting = self.0.iter().find(|setting| setting.name == name);
        setting.is_some_and(|setting| setting.origin.split(", ").any(|origin| origin == theirs))
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|setting| setting.name == name).map(|setting| &setting.value)
    }

    /// The names that the setting comes from.
    pub fn origin(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|setting| setting.name == name).map(|setting| &*setting.origin)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// In the order of `ORDER`.
    pub fn sorted(&self) -> Vec<&DraftSetting> {
        let place = |name: &str| ORDER.iter().position(|known| *known == name);
        let mut all: Vec<&DraftSetting> = self.0.iter().collect();
        all.sort_by_key(|setting| (place(setting.name).unwrap_or(ORDER.len()), setting.name));
        all
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes the settings with these names that no one has chosen.
    pub fn remove_defaults(&mut self, names: &[&str]) {
        self.0.retain(|setting| {
            !names.contains(&setting.name) || !setting.origin.starts_with(THEIR_DEFAULT)
        });
    }
}

/// Begins the origin of a setting that the input does not name.
const THEIR_DEFAULT: &str = "their default";

/// The name in an origin.
pub fn without_default(origin: &str) -> &str {
    origin.strip_prefix(THEIR_DEFAULT).map_or(origin, |name| name.trim_start_matches([',', ' ']))
}

fn origin_of(given: &GivenSetting<'_>) -> String {
    match given.is_default {
        true => format!("{THEIR_DEFAULT}, {}", given.entry.shown),
        false => given.entry.shown.clone(),
    }
}

impl Draft {
    pub fn app(&mut self, given: &GivenSetting<'_>) -> &mut AppDraft {
        self.apps.entry(given.app).or_default()
    }

    pub fn set_id(&mut self, given: &GivenSetting<'_>, id: String) {
        let app = self.app(given);
        if app.id.as_ref() != Some(&id) {
            app.id_origins.clear();
        }
        app.id = Some(id);
        app.id_origins.push(given.entry.shown.clone());
    }

    /// A limit of one app, or of all of them where theirs is for the server.
    pub fn limit(&mut self, given: &GivenSetting<'_>, name: &'static str, value: impl Into<Value>) {
        let settings = match given.row.is_of_app() {
            true => &mut self.app(given).settings,
            false => &mut self.each_app,
        };
        settings.set(name, value, given);
    }

    pub fn aside(&mut self, mark: super::row::RowMark, name: &str, text: impl Into<String>) {
        self.asides.push(NameLine::without_setting(mark, name, text));
    }
}

impl ListenerDraft {
    pub fn is_given(&self) -> bool {
        self.host.is_some() || self.port.is_some() || self.unix.is_some()
    }

    pub fn from(&mut self, given: &GivenSetting<'_>) {
        self.origins.push(origin_of(given));
    }

    pub fn add_unix_origin(&mut self, given: &GivenSetting<'_>) {
        self.unix_origins.push(origin_of(given));
    }

    /// The address, with the names that it comes from.
    pub fn setting(&self, port: u16) -> (String, String) {
        let origins = if self.unix.is_some() { &self.unix_origins } else { &self.origins };
        (self.address(port), origins.join(", "))
    }

    pub fn address(&self, port: u16) -> String {
        if let Some(path) = &self.unix {
            return format!("unix:{path}");
        }
        let host = self.host.as_deref().unwrap_or("0.0.0.0");
        let port = self.port.unwrap_or(port);
        match host.contains(':') && !host.starts_with('[') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        }
    }
}

/// The order of settings in the file.
const ORDER: &[&str] = &[
    "listen",
    "ops_listen",
    "unix_socket_mode",
    "tls_cert_file",
    "tls_key_file",
    "path_prefix",
    "log",
    "activity_timeout_seconds",
    "drain_seconds",
    "capacity_percent",
    "message_bytes",
    "http_body_bytes",
    "url",
    "prefix",
    "key",
    "ca_file",
    "client_cert_file",
    "client_key_file",
    "secret",
    "master_key",
    "mode",
    "enabled",
    "client_events",
    "subscription_count",
    "watchlist",
    "authorized_connections",
    "authorization_timeout_seconds",
    "origins",
    "limits.connections",
    "limits.events_per_second",
    "limits.reads_per_second",
    "limits.event_bytes",
    "limits.event_name_chars",
    "limits.channel_name_bytes",
    "limits.channels_per_event",
    "limits.batch_events",
    "limits.client_event_bytes",
    "limits.client_events_per_second",
    "limits.frames_per_second",
    "limits.presence_members",
    "limits.presence_member_bytes",
    "limits.cache_ttl_seconds",
];
