//! Written channel settings, and what becomes of them.

use figment::{
    Figment,
    providers::{Format, Toml},
};

use super::*;
use crate::{
    config::{faults::misread, raw::RawConfig, schema::Schema},
    domain::{
        channel::Channel,
        channel_settings::{ChannelSettings, PayloadRule},
    },
};

const HOUR: Duration = Duration::from_secs(3600);

fn app(list: &str) -> Result<RawApp, String> {
    let text = format!("[apps.a]\nkey = 'k'\nsecret = 's'\nchannels = {list}");
    let raw = Figment::from(Toml::string(&text)).extract::<RawConfig>();
    let mut raw = raw.map_err(|e| misread(&e, None, &Schema::new()).message)?;
    Ok(raw.apps.remove("a").expect("the app"))
}

/// The settings of an app with this list, and the warnings.
fn resolve(list: &str, seals: bool) -> Result<(ChannelSettingsList, Vec<String>), String> {
    let raw = app(list)?;
    let mut warnings = Vec::new();
    let context = ChannelSettingsContext { seals, clustered: false };
    let settings = channel_settings("a", &raw, context, &mut warnings);
    settings.map(|list| (list, warnings)).map_err(|error| error.to_string())
}

/// The refusal of a list by a node of a cluster.
fn refusal_in_cluster(list: &str) -> Option<String> {
    let raw = app(list).unwrap();
    let context = ChannelSettingsContext { seals: true, clustered: true };
    channel_settings("a", &raw, context, &mut Vec::new()).err().map(|error| error.to_string())
}

fn settings_of(list: &str, name: &str) -> ChannelSettings {
    let (list, warnings) = resolve(list, true).unwrap_or_else(|e| panic!("{list}: {e}"));
    assert!(warnings.is_empty(), "{warnings:?}");
    list.of(&Channel::parse(name, 200).unwrap())
}

#[test]
fn every_setting_is_read() {
    let list = "[{ pattern = 'r-*', cache_ttl = '1h', payload = 'ciphertext', history = { events = 7, bytes = '64KiB', ttl = '2h', idle = '3h', vacant = '4h', client_events = true, blind = true, store = 'disk', sync = 'before' } }]";
    let ChannelSettings { history, cache_ttl, payload } = settings_of(list, "r-1");
    assert_eq!((cache_ttl, payload), (Some(HOUR), PayloadRule::Ciphertext));
    let expected = HistorySettings {
        events: 7,
        bytes: 65_536,
        ttl: HOUR * 2,
        idle: HOUR * 3,
        vacant: HOUR * 4,
        client_events: true,
        blind: true,
        store: HistoryStore::DiskBefore,
    };
    assert_eq!(history.as_deref(), Some(&expected));
    assert_eq!(settings_of(list, "other"), ChannelSettings::default());
}

#[test]
fn left_out_settings_of_a_history_have_defaults() {
    for written in ["true", "{}", "{ store = 'memory' }"] {
        let list = format!("[{{ pattern = '*', history = {written} }}]");
        let history = settings_of(&list, "r").history;
        assert_eq!(history.as_deref(), Some(&HistorySettings::default()), "{written}");
    }
    for (written, store) in [
        ("{ store = 'disk' }", HistoryStore::DiskBehind),
        ("{ store = 'disk', sync = 'behind' }", HistoryStore::DiskBehind),
        ("{ store = 'disk', sync = 'before' }", HistoryStore::DiskBefore),
    ] {
        let list = format!("[{{ pattern = '*', history = {written} }}]");
        assert_eq!(settings_of(&list, "r").history.unwrap().store, store, "{written}");
    }
    for written in ["[]", "[{ pattern = '*', history = false }]"] {
        assert_eq!(settings_of(written, "r").history, None, "{written}");
    }
}

#[test]
fn mode_comes_from_the_first_entry_that_names_it() {
    let text = "[{ pattern = '*', cache_ttl = '1h' }, { pattern = 'x-*', mode = 'blind' }, { pattern = '*', mode = 'auto' }]";
    let raw = app(text).unwrap();
    let rules = channel_rules(&raw);
    let first = rules.iter().find(|rule| rule.pattern.matches("x-1")).unwrap();
    assert!(first.blind && rules.len() == 2);
}

#[test]
fn implausible_settings_are_refused_with_the_right_form() {
    let history = |table: &str| format!("[{{ pattern = 'r', history = {{ {table} }} }}]");
    for (list, expected) in [
        (history("bytes = 262144"), "such as \"256KiB\""),
        (history("bytes = '262144'"), "such as \"256KiB\""),
        (history("bytes = '256KB'"), "(B, KiB, MiB or GiB)"),
        (history("ttl = 24"), "apps.a.channels.0.history.ttl must be a text with a unit"),
        (history("idle = '24'"), "such as \"24h\""),
        (
            history("events = 0"),
            "apps.a.channels.0.history.events is 0, and must be between 1 and 100000",
        ),
        (history("events = 100001"), "must be between 1 and 100000"),
        (history("events = -1"), "a whole number"),
        (history("bytes = '0KiB'"), "is 0B, and must be between 1KiB and 1GiB"),
        (history("bytes = '2GiB'"), "must be between 1KiB and 1GiB"),
        (history("ttl = '0s'"), "history.ttl is 0s, and must be between 1s and 365d"),
        (history("idle = '500ms'"), "history.idle is 500ms, and must be"),
        (history("vacant = '2years'"), "history.vacant is "),
        (history("store = 'tape'"), "must be one of memory, disk"),
        (history("store = 'disk', sync = 'never'"), "must be one of behind, before"),
        (history("sync = 'before'"), "add store = \"disk\""),
        (history("event = 5"), "did you mean \"events\"?"),
        ("[{ pattern = 'r', history = 200 }]".into(), "must be a table, such as { events"),
        ("[{ pattern = 'r', cache_ttl = 3600 }]".into(), "such as \"24h\""),
        ("[{ pattern = 'r', cache_ttl = '0s' }]".into(), "channels.0.cache_ttl is 0s"),
        ("[{ pattern = 'r', payload = 'sealed' }]".into(), "must be one of any, ciphertext"),
        ("[{ pattern = 'r', histroy = {} }]".into(), "did you mean \"history\"?"),
        ("[{ pattern = 'r' }]".into(), "apps.a.channels.0 has the pattern \"r\" and no setting"),
        ("[{ cache_ttl = '1h' }]".into(), "pattern"),
    ] {
        let error = resolve(&list, true).err().unwrap_or_else(|| panic!("{list}"));
        assert!(error.contains(expected), "{list}: {error}");
    }
}

#[test]
fn blindly_relayed_channels_need_a_history_that_says_so() {
    const LOG: &str = "{ pattern = '*', history = true }";
    const NO_LOG: &str = "{ pattern = 'private-encrypted-*', history = false }";
    const BLIND: &str = "{ pattern = 'private-encrypted-b-*', mode = 'blind' }";
    for (seals, entries, refused) in [
        (false, vec![LOG], true),
        (false, vec!["{ pattern = '*', history = { blind = true } }"], false),
        (false, vec![NO_LOG, LOG], false),
        (false, vec![LOG, NO_LOG], true),
        (false, vec!["{ pattern = 'presence-*', history = true }"], false),
        (false, vec!["{ pattern = 'private-*', history = true }"], true),
        (false, vec!["{ pattern = 'private-encrypted-*', mode = 'auto' }", LOG], true),
        (true, vec![LOG], false),
        (true, vec![BLIND, LOG], true),
        (true, vec![LOG, BLIND], true),
        (true, vec![BLIND, NO_LOG, LOG], false),
        (true, vec![BLIND, "{ pattern = 'private-encrypted-a-*', history = true }"], false),
        (true, vec![BLIND, "{ pattern = '*-b-*', history = true }"], true),
        (true, vec!["{ pattern = '*', mode = 'auto' }", BLIND, LOG], false),
        (true, vec!["{ pattern = 'news-*', mode = 'blind' }", LOG], false),
    ] {
        let list = format!("[{}]", entries.join(", "));
        match resolve(&list, seals) {
            Ok(_) => assert!(!refused, "{list}"),
            Err(error) => assert!(refused && error.contains("blind = true"), "{list}: {error}"),
        }
    }
}

#[test]
fn sizes_that_do_not_fit_the_limits_cause_a_warning() {
    for (bytes, expected) in [("100MiB", "limits.history_bytes"), ("2KiB", "limits.event_bytes")] {
        let list = format!("[{{ pattern = 'r', history = {{ bytes = '{bytes}' }} }}]");
        let (_, warnings) = resolve(&list, true).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    }
}

#[test]
fn nodes_of_a_cluster_have_no_logs_of_their_own() {
    let of = |history: &str| format!("[{{ pattern = '*', history = {history} }}]");
    for (history, expected) in [
        ("{ store = 'memory' }", "apps.a.channels.0.history.store is \"memory\", and this server"),
        ("{ store = 'disk' }", "history.store is \"disk\", and this server is a node of a cluster"),
        ("{ store = 'disk', sync = 'before' }", "two nodes with logs of their own would number"),
        ("{ sync = 'behind' }", "history.sync is for logs on disk, and in a cluster"),
    ] {
        let error = refusal_in_cluster(&of(history)).unwrap_or_else(|| panic!("{history}"));
        assert!(error.contains(expected), "{error}");
    }
    for history in ["true", "{ events = 5 }", "false"] {
        assert_eq!(refusal_in_cluster(&of(history)), None, "{history}");
    }
}
