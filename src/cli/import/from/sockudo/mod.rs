//! Sockudo 5: variables, or its `config.toml` or `config.json`.

mod apps;
mod nodes;
mod rest;
mod server;

use serde_json::Value;

use super::{
    super::input::{InputFormat, dotenv::CommentRule, value},
    AppDatabase, ForeignServer, TheirDefault,
};

pub static SOCKUDO: ForeignServer = ForeignServer {
    name: "Sockudo",
    command: "sockudo",
    prefixes: rest::PREFIXES,
    tables: &[server::ROWS, apps::ROWS, nodes::ROWS, rest::FEATURES, rest::ROWS],
    defaults: DEFAULTS,
    port: 6001,
    is_laravel: false,
    has_default_app: false,
    comments: CommentRule::HashAfterBlank,
    database: Some(AppDatabase {
        name: nodes::MANAGER,
        has_apps: |driver| nodes::DATABASES.contains(&driver),
    }),
};

const VARIABLES: Option<InputFormat> = Some(InputFormat::Variables);
const TREE: Option<InputFormat> = Some(InputFormat::Tree);

const fn of(format: Option<InputFormat>, name: &'static str, value: &'static str) -> TheirDefault {
    TheirDefault { name, value, format }
}

const DEFAULTS: &[TheirDefault] = &[
    of(None, "CACHE_TTL_SECONDS", "3600"),
    of(VARIABLES, apps::CLIENT_RATE, "100"),
    of(VARIABLES, "SOCKUDO_DEFAULT_APP_MAX_EVENT_PAYLOAD_IN_KB", "100"),
    of(VARIABLES, "SOCKUDO_DEFAULT_APP_MAX_EVENT_BATCH_SIZE", "100"),
    of(VARIABLES, "SOCKUDO_DEFAULT_APP_MAX_PRESENCE_MEMBER_SIZE_IN_KB", "100"),
    of(TREE, "event_limits.max_payload_in_kb", "100"),
    of(TREE, "presence.max_member_size_in_kb", "2"),
    of(None, "http_api.request_limit_in_mb", "10"),
];

/// An app's `policy` and its parts, at the level of the app, as older files have them.
pub fn hoisted(mut value: Value) -> Value {
    let list = value.pointer_mut("/app_manager/array/apps");
    for app in list.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(app) = app.as_object_mut() else { continue };
        let policy = app.remove("policy").and_then(|policy| value::json(&policy).ok());
        let Some(Value::Object(policy)) = policy else { continue };
        for (name, inside) in policy {
            match (name.as_str(), inside) {
                ("limits" | "features" | "channels", Value::Object(part)) => app.extend(part),
                (_, inside) => {
                    app.insert(name, inside);
                }
            }
        }
    }
    value
}
