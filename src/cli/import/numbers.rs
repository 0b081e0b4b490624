//! Numbers of foreign files, in each row of each table.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    from::{
        ForeignServer, laravel_websockets::LARAVEL_WEBSOCKETS, pusher::PUSHER, reverb::REVERB,
        sockudo::SOCKUDO, soketi::SOKETI,
    },
    input::{ForeignName, ForeignSetting, InputFormat},
    row::{Row, RowMark},
    self_check,
    toml::{self, SecretPlacement},
    translate::{ForeignInput, Translation, translate},
};

const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "0.5",
    "9007199254740993",
    "18014398509481984",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e300",
    "-1e300",
    "NaN",
    "",
    "abc",
];

/// An app, and the switches without which a number counts for nothing.
fn base(origin: &ForeignServer) -> &'static [(&'static str, &'static str)] {
    match origin.name {
        "soketi" => &[
            ("SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES", "1"),
            ("SOKETI_ADAPTER_DRIVER", "redis"),
            ("SOKETI_METRICS_ENABLED", "1"),
            ("SOKETI_WEBHOOKS_BATCHING", "1"),
            (
                "SOKETI_DEFAULT_APP_WEBHOOKS",
                r#"[{"url":"https://a.example/","event_types":["member_added"]}]"#,
            ),
        ],
        "Reverb" => &[
            ("REVERB_APP_ID", "1"),
            ("REVERB_APP_KEY", "k"),
            ("REVERB_APP_SECRET", "s"),
            ("REVERB_APP_RATE_LIMITING_ENABLED", "true"),
            ("REVERB_SCALING_ENABLED", "true"),
        ],
        "Sockudo" => &[
            ("SOCKUDO_DEFAULT_APP_ID", "1"),
            ("SOCKUDO_DEFAULT_APP_KEY", "k"),
            ("SOCKUDO_DEFAULT_APP_SECRET", "s"),
            ("SOCKUDO_DEFAULT_APP_ENABLE_CLIENT_MESSAGES", "true"),
            ("SOCKUDO_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SECOND", "10"),
            ("ADAPTER_DRIVER", "redis"),
            ("METRICS_ENABLED", "true"),
            ("WEBHOOK_BATCHING_ENABLED", "true"),
        ],
        _ => &[
            ("PUSHER_APP_ID", "1"),
            ("PUSHER_APP_KEY", "k"),
            ("PUSHER_APP_SECRET", "s"),
            ("WEBSOCKETS_REPLICATION_MODE", "redis"),
        ],
    }
}

fn named(name: ForeignName, value: Value) -> ForeignSetting {
    let shown = match &name {
        ForeignName::Variable(name) => name.clone(),
        ForeignName::Path(path) => path.join("."),
    };
    ForeignSetting { name, shown, value }
}

/// The row with a number, as a text and as a number of JSON.
fn settings(row: &Row, number: &str) -> Vec<ForeignSetting> {
    let mut found = Vec::new();
    if !row.variable.is_empty() {
        let name = ForeignName::Variable(row.variable.replace('*', "X"));
        found.push(named(name, number.into()));
    }
    if !row.path.is_empty() {
        let value = serde_json::from_str(number).unwrap_or_else(|_| number.into());
        let parts = row.path.trim_end_matches(".**").split('.');
        let path = parts.map(|part| part.replace('*', "0")).collect();
        let value = match row.path.ends_with(".**") {
            true => json!({"enabled": true, "max_attempts": value, "decay_seconds": value}),
            false => value,
        };
        found.push(named(ForeignName::Path(path), value));
    }
    found
}

fn translated(origin: &'static ForeignServer, setting: ForeignSetting) -> Translation {
    let variables = base(origin).iter().filter(|(name, _)| *name != setting.shown);
    let mut entries: Vec<ForeignSetting> = variables
        .map(|(name, value)| named(ForeignName::Variable((*name).into()), (*value).into()))
        .collect();
    entries.push(setting);
    let input = ForeignInput { entries, problems: Vec::new(), format: InputFormat::Variables };
    translate(origin, input, false, |_| Ok(())).expect("a translation")
}

/// Rows with a setting of ours: their numbers are calculated with.
#[test]
fn no_number_is_too_much_for_a_row() {
    let mut seen = BTreeSet::new();
    for origin in [&SOKETI, &REVERB, &PUSHER, &LARAVEL_WEBSOCKETS, &SOCKUDO] {
        for row in origin.rows().filter(|row| !row.ours.is_empty()) {
            for (number, setting) in NUMBERS
                .iter()
                .flat_map(|number| settings(row, number).into_iter().map(move |s| (number, s)))
            {
                let at = format!("{}: {} is {number}", origin.name, setting.shown);
                let mut translation = translated(origin, setting);
                let rendered = toml::render(&translation.draft, &[], "", SecretPlacement::Inline);
                // The key of a cluster is a new one each time.
                let text =
                    rendered.text.lines().filter(|line| !line.starts_with("key = \"base64:"));
                if !seen.insert(text.collect::<Vec<_>>().join("\n")) {
                    continue;
                }
                self_check::check(&mut translation);
                let is_told = translation.lines.iter().any(|line| line.mark == RowMark::Missing);
                assert!(translation.would_start || is_told, "{at}: {:?}", translation.lines);
            }
        }
    }
    assert!(seen.len() > 500, "{}", seen.len());
}
