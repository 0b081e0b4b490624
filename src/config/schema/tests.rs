//! What the schema must say of every setting.

use std::collections::BTreeSet;

use super::*;
use crate::config::{environment::service_variables::is_service_variable, raw::RawConfig};

fn missing(what: impl Fn(&Setting<'_>) -> bool) -> Vec<String> {
    let schema = Schema::new();
    let leaves = schema.leaves();
    assert!(leaves.len() > 120, "{} settings", leaves.len());
    leaves.iter().filter(|setting| !what(setting)).map(Setting::dotted).collect()
}

#[test]
fn every_setting_is_described() {
    let good = |setting: &Setting<'_>| setting.description().ends_with('.');
    assert_eq!(missing(good), [""; 0]);
    let schema = Schema::new();
    for table in schema.tables() {
        let entry = table.path.last().is_some_and(|name| name == "0" || name == ANY_NAME);
        assert!(entry || table.description().ends_with('.'), "{}", table.dotted());
    }
}

#[test]
fn every_setting_says_when_it_takes_effect() {
    assert_eq!(missing(|setting| setting.effect().is_some()), [""; 0]);
}

#[test]
fn every_number_has_a_unit() {
    let good = |setting: &Setting<'_>| setting.kind() != Kind::Integer || setting.unit().is_some();
    assert_eq!(missing(good), [""; 0]);
}

#[test]
fn every_setting_has_a_default_or_an_example() {
    assert_eq!(missing(|s| s.default().is_some() || s.example().is_some()), [""; 0]);
}

#[test]
fn every_list_shows_an_entry() {
    let good = |setting: &Setting<'_>| {
        let full = |value: Option<&Value>| value.is_some_and(|list| list.get(0).is_some());
        setting.kind() != Kind::List || full(setting.default()) || full(setting.example())
    };
    assert_eq!(missing(good), [""; 0]);
}

#[test]
fn every_table_has_an_order() {
    let schema = Schema::new();
    for table in schema.tables() {
        let names: BTreeSet<_> =
            table.children().iter().map(|setting| setting.name().to_owned()).collect();
        let ordered: BTreeSet<_> =
            order::names_of(&table.dotted()).iter().map(|name| (*name).to_owned()).collect();
        if !names.contains(ANY_NAME) {
            assert_eq!(names, ordered, "{}", table.dotted());
        }
    }
}

#[test]
fn secrets_are_those_of_the_written_form() {
    let schema = Schema::new();
    let secrets: Vec<_> =
        schema.leaves().iter().filter(|s| s.is_secret()).map(Setting::dotted).collect();
    // Read by a person: each of these holds a secret, and no other setting does.
    let expected = [
        "admin_token",
        "history.key",
        "cluster.url",
        "cluster.key",
        "apps.ID.secret",
        "apps.ID.master_key",
        "apps.ID.jwt_secret",
        "apps.ID.webhooks.0.url",
        "apps.ID.webhooks.0.headers",
    ];
    assert_eq!(secrets, expected);
    for path in ["apps.a.secert", "x", "cluster.x.y", "apps.a.webhooks.3.headers.X"] {
        let path: Vec<&str> = path.split('.').collect();
        assert!(schema.is_masked(&path), "{path:?}");
    }
    for path in ["apps.key.key", "apps.secret.origins", "listen", "apps.a.channels.1.pattern"] {
        let path: Vec<&str> = path.split('.').collect();
        assert!(!schema.is_masked(&path), "{path:?}");
    }
}

#[test]
fn kinds_are_told_apart() {
    let schema = Schema::new();
    for (path, kind) in [
        ("strict_protocol", Kind::Boolean),
        ("workers", Kind::Integer),
        ("memory_limit_bytes", Kind::Integer),
        ("listen", Kind::Form),
        ("ops_listen", Kind::Form),
        ("log", Kind::Form),
        ("history.bytes", Kind::Form),
        ("log_format", Kind::Choice),
        ("apps.a.mode", Kind::Choice),
        ("apps.a.key", Kind::Text),
        ("apps.a.secret", Kind::Text),
        ("apps.a.master_key", Kind::Text),
        ("state_dir", Kind::Text),
        ("cluster.url", Kind::Text),
        ("apps.a.origins", Kind::List),
        ("apps.a.rules.0.allow", Kind::List),
        ("apps.a.webhooks.2.events", Kind::List),
        ("apps.a.webhooks", Kind::ListOfTables),
        ("apps.a.webhooks.2.headers", Kind::Map),
        ("apps.a.rules.0.user_info", Kind::Map),
        ("apps.a.channels.0.history", Kind::TableOrBoolean),
        ("apps.a.limits", Kind::Table),
        ("apps.a", Kind::Table),
        ("cluster", Kind::Table),
    ] {
        let path: Vec<&str> = path.split('.').collect();
        assert_eq!(schema.at(&path).map(|setting| setting.kind()), Some(kind), "{path:?}");
    }
    for unknown in [&["lisen"][..], &["apps", "a", "x"], &["log", "x"]] {
        assert!(schema.at(unknown).is_none(), "{unknown:?}");
    }
}

#[test]
fn variables_are_named() {
    let schema = Schema::new();
    for (path, variable) in [
        ("listen", Some("SEALCAST_LISTEN")),
        ("cluster.lease_seconds", Some("SEALCAST_CLUSTER__LEASE_SECONDS")),
        ("apps.a.limits.event_bytes", Some("SEALCAST_APP_LIMITS__EVENT_BYTES")),
        ("apps.a.origins", Some("SEALCAST_APP_ORIGINS")),
        ("apps.a.webhooks", Some("SEALCAST_APP_WEBHOOKS")),
        ("apps.a.webhooks.0.url", None),
        ("apps.a.master_key_file", Some("SEALCAST_MASTER_KEY_FILE")),
        ("apps.a", None),
    ] {
        let path: Vec<&str> = path.split('.').collect();
        let setting = schema.at(&path).unwrap();
        assert_eq!(setting.variable().as_deref(), variable, "{path:?}");
    }
}

#[test]
fn no_setting_looks_like_a_service_variable() {
    for setting in Schema::new().leaves() {
        for value in ["tcp://10.0.0.2:1", "10.0.0.2", "1", "tcp"] {
            let variable = setting.variable().unwrap_or_default();
            assert!(!is_service_variable(&variable, value), "{variable}={value}");
        }
    }
}

/// The unknown names are refused by the schema as by the server.
#[test]
fn unknown_names_are_refused() {
    let schema = Schema::new();
    for table in schema.tables() {
        let node = table.as_json();
        let open = node.get("anyOf").is_none() && node.get("additionalProperties").is_none();
        assert!(!open, "{}", table.dotted());
    }
    let error = serde_json::from_str::<RawConfig>("{\"lisen\": 1}").err().unwrap();
    assert!(error.to_string().contains("lisen"), "{error}");
}
