//! Parses the text of a variable.

use figment::{
    Profile, Provider,
    providers::{Format, Toml},
    value::Value,
};

/// Settings that are texts even if they look like numbers, so that a secret of digits stays a text.
const TEXTS: [&str; 29] = [
    "key",
    "key_file",
    "secret",
    "master_key",
    "jwt_secret",
    "secret_file",
    "master_key_file",
    "jwt_secret_file",
    "path_prefix",
    "sealing_alias",
    "public_url",
    "unix_socket_mode",
    "state_dir",
    "tls_cert_file",
    "tls_key_file",
    "audit_file",
    "admin_token",
    "admin_token_file",
    "public_key",
    "public_key_file",
    "jwks_url",
    "issuer",
    "audience",
    "cookie",
    "ca_file",
    "client_cert_file",
    "client_key_file",
    "prefix",
    "url",
];

/// The settings that are true or false.
const BOOLEANS: [&str; 16] = [
    "proxy_protocol",
    "api_proxy_protocol",
    "strict_protocol",
    "watch_config",
    "allow_shared_master_key",
    "allow_mixed",
    "api_cors",
    "enabled",
    "client_events",
    "subscription_count",
    "watchlist",
    "explain",
    "authorized_connections",
    "allow_http",
    "idsig",
    "blind",
];

/// The words that `boolean` takes, for error messages.
pub const BOOLEAN_WORDS: &str = "true or false (also 1 or 0, yes or no, on or off)";

/// The value of the setting at `path`.
pub fn of_text(path: &[&str], text: &str) -> Value {
    let name = path.last().copied().unwrap_or_default();
    if TEXTS.contains(&name) {
        return Value::from(text);
    }
    // Files with Windows line ends leave a carriage return on each value.
    let text = text.trim();
    if BOOLEANS.contains(&name) {
        return boolean(text).map_or_else(|| Value::from(text), Value::from);
    }
    // A TOML number or list is one here; anything else is a text.
    let toml = Toml::string(&format!("value = {text}")).data();
    let value = toml.ok().and_then(|mut data| data.remove(&Profile::Default)?.remove("value"));
    value.unwrap_or_else(|| Value::from(text))
}

fn boolean(text: &str) -> Option<bool> {
    match &*text.to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::service_variables::is_service_variable;

    const WRITTEN: [&str; 6] = [
        include_str!("raw.rs"),
        include_str!("raw/auth.rs"),
        include_str!("raw/channels.rs"),
        include_str!("raw/cluster.rs"),
        include_str!("raw/webhooks.rs"),
        include_str!("../domain/limits.rs"),
    ];

    /// The fields of the written form, with their types.
    fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
        let lines = WRITTEN.into_iter().flat_map(str::lines);
        lines.filter_map(|line| {
            line.trim().strip_prefix("pub ")?.trim_end_matches(',').split_once(": ")
        })
    }

    #[test]
    fn all_boolean_settings_are_listed() {
        let written: BTreeSet<_> =
            fields().filter(|(_, kind)| *kind == "bool").map(|(name, _)| name).collect();
        assert_eq!(written, BTreeSet::from(BOOLEANS));
    }

    #[test]
    fn no_setting_looks_like_a_service_variable() {
        for (name, _) in fields() {
            for prefix in ["SEALCAST_", "SEALCAST_APP_", "SEALCAST_APP_LIMITS__"] {
                let variable = format!("{prefix}{}", name.to_ascii_uppercase());
                for value in ["tcp://10.0.0.2:1", "10.0.0.2", "1", "tcp"] {
                    assert!(!is_service_variable(&variable, value), "{variable}={value}");
                }
            }
        }
        assert!(fields().count() > 60);
    }

    #[test]
    fn booleans_are_read_in_common_spellings() {
        for (text, expected) in [
            ("1", true),
            ("true", true),
            ("True", true),
            ("YES", true),
            ("on\r", true),
            ("0", false),
            ("false", false),
            ("no", false),
            ("Off", false),
        ] {
            assert_eq!(of_text(&["apps", "a", "enabled"], text), Value::from(expected), "{text}");
        }
        assert_eq!(of_text(&["enabled"], "maybe"), Value::from("maybe"));
        assert_eq!(of_text(&["workers"], "1\r").to_i128(), Some(1));
        assert_eq!(of_text(&["secret"], "1\r"), Value::from("1\r"));
    }
}
