//! Apps that the other server keeps in a database: the command that exports them, and its result.

use serde_json::{Map, Value};

use super::{
    super::snippet::shell,
    draft::Draft,
    from::ForeignServer,
    row::{TakeResult, changed},
};

/// The columns of soketi's own schema.
pub const SOKETI_COLUMNS: &[&str] = &[
    "id",
    "key",
    "secret",
    "enabled",
    "max_connections",
    "enable_client_messages",
    "max_backend_events_per_sec",
    "max_client_events_per_sec",
    "max_read_req_per_sec",
    "webhooks",
    "enable_user_authentication",
];

pub const LARAVEL_COLUMNS: &[&str] =
    &["id", "key", "secret", "enable_client_messages", "capacity", "allowed_origins"];

pub const SOCKUDO_COLUMNS: &[&str] = &[
    "id",
    "key",
    "secret",
    "enabled",
    "max_connections",
    "enable_client_messages",
    "max_backend_events_per_second",
    "max_client_events_per_second",
    "max_read_requests_per_second",
    "max_event_payload_in_kb",
    "enable_user_authentication",
    "enable_watchlist_events",
    "policy",
    "webhooks",
    "allowed_origins",
];

/// Names in the commands are foreign text, and the commands are copied to a shell.
pub fn mysql(columns: &[&str], table: &str, database: &str) -> String {
    let pairs: Vec<String> =
        columns.iter().map(|column| format!("\"{column}\", `{column}`")).collect();
    let table = table.replace('`', "``");
    let query = format!("SELECT JSON_ARRAYAGG(JSON_OBJECT({})) FROM `{table}`", pairs.join(", "));
    format!(
        "mysql --batch --raw --skip-column-names --database={} -e {}",
        shell(database),
        shell(&query)
    )
}

pub fn postgres(table: &str, database: &str) -> String {
    let query = format!("SELECT json_agg(a) FROM \"{}\" a", table.replace('"', "\"\""));
    format!("psql --tuples-only --no-align --dbname={} -c {}", shell(database), shell(&query))
}

pub fn sqlite(table: &str, file: &str) -> String {
    format!("sqlite3 -json {} {}", shell(file), shell(&format!("SELECT * FROM {table}")))
}

pub fn dynamodb(table: &str) -> String {
    format!("aws dynamodb scan --table-name={} --output json", shell(table))
}

/// Notes the command, unless the apps are there already.
pub fn from_database(draft: &mut Draft, export: String) -> TakeResult {
    if draft.has_apps_file {
        return changed("the apps come from --apps");
    }
    draft.export = Some(export);
    Err("the apps are in a database: export them as shown below, and read them with --apps".into())
}

/// For a source of apps without a known export.
pub fn elsewhere(draft: &Draft, source: &str) -> TakeResult {
    if draft.has_apps_file {
        return changed("the apps come from --apps");
    }
    let apps = match draft.are_apps_elsewhere {
        true => format!("the apps are in {source}"),
        false => format!("{source} may have apps of its own, beside those of this file"),
    };
    Err(format!("{apps}: write them to a file as a JSON list, and read it with --apps"))
}

/// A list of apps as an export gives it: rows of a table as JSON, or the answer of DynamoDB.
pub fn read(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    let value = super::input::tree::of_json(text)?;
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut map) => match map.remove("Items") {
            Some(Value::Array(list)) => list.into_iter().map(of_dynamodb).collect(),
            _ => vec![Value::Object(map)],
        },
        _ => return Err("it is no list of apps".into()),
    };
    let apps: Option<Vec<_>> = list
        .into_iter()
        .map(|app| match app {
            Value::Object(map) => Some(map),
            _ => None,
        })
        .collect();
    apps.filter(|apps| !apps.is_empty()).ok_or_else(|| "it is no list of apps".into())
}

/// `{"N": "5"}` is 5.
fn of_dynamodb(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    Value::Object(map.into_iter().map(|(name, typed)| (name, untyped(typed))).collect())
}

fn untyped(typed: Value) -> Value {
    let Value::Object(map) = &typed else { return typed };
    let mut parts = map.iter();
    match (parts.next(), parts.next()) {
        (Some((kind, value)), None) => match (&**kind, value) {
            ("NULL", _) => Value::Null,
            ("N", Value::String(text)) => {
                serde_json::from_str(text).unwrap_or_else(|_| value.clone())
            }
            ("L", Value::Array(list)) => list.iter().cloned().map(untyped).collect(),
            ("M", inner) => of_dynamodb(inner.clone()),
            ("S" | "BOOL" | "SS" | "NS" | "B", value) => value.clone(),
            _ => typed,
        },
        _ => typed,
    }
}

/// The names of columns as the file of the server has them. Times of a row are no settings.
pub fn renamed(origin: &ForeignServer, app: Map<String, Value>) -> Map<String, Value> {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let known: Vec<&str> = origin
        .rows()
        .filter(|row| row.is_of_app())
        .filter_map(|row| row.path.rsplit('.').next())
        .collect();
    let of_column = |column: String| -> Option<String> {
        let name = plain(&column);
        if ["createdat", "updatedat"].contains(&&*name) {
            return None;
        }
        let name = ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map_or(name.clone(), |(_, name)| plain(name));
        let field = known.iter().find(|field| plain(field) == name);
        Some(field.map_or(column, |field| (*field).to_owned()))
    };
    app.into_iter().filter_map(|(column, value)| Some((of_column(column)?, value))).collect()
}

/// Columns with other words than the file.
const ALIASES: &[(&str, &str)] = &[
    ("appid", "id"),
    ("appkey", "key"),
    ("appsecret", "secret"),
    ("maxbackendeventspersec", "maxBackendEventsPerSecond"),
    ("maxclienteventspersec", "maxClientEventsPerSecond"),
    ("maxreadreqpersec", "maxReadRequestsPerSecond"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::from::soketi::SOKETI;

    #[test]
    fn each_export_is_read() {
        let rows = r#"[{"id":"a","max_read_req_per_sec":5,"created_at":"x"}]"#;
        let scan =
            r#"{"Count":1,"Items":[{"AppId":{"S":"a"},"MaxReadRequestsPerSecond":{"N":"5"}}]}"#;
        for text in [rows, scan] {
            let apps = read(text).expect("apps");
            let app = renamed(&SOKETI, apps[0].clone());
            assert_eq!(
                Value::Object(app),
                serde_json::json!({"id": "a", "maxReadRequestsPerSecond": 5}),
                "{text}"
            );
        }
        for text in ["", "null", "[]", "[1]", "5"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
