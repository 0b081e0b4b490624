//! The settings of channels by pattern.

use std::{sync::Arc, time::Duration};

use super::checks::{ConfigResult, between, error};
use crate::{
    app::ChannelRule,
    config::raw::{
        app::RawApp,
        channels::{RawChannelEntry, RawChannelHistory, RawHistoryChoice, RawStore, RawSync},
        mode::RawMode,
        units::{RawSize, RawTime},
    },
    domain::{
        channel::ENCRYPTED_PREFIX,
        channel_settings::{
            ChannelEntry, ChannelSettingsList, HistoryChoice, HistorySettings, HistoryStore,
        },
        limits::{Limits, YEAR},
        pattern::Pattern,
    },
};

const EVENTS: (u32, u32) = (1, 100_000);
const BYTES: (RawSize, RawSize) = (RawSize(1024), RawSize(1 << 30));
const TIMES: (RawTime, RawTime) =
    (RawTime(Duration::from_secs(1)), RawTime(Duration::from_secs(YEAR)));

/// The entries with a mode: others leave it to those behind them.
pub fn channel_rules(raw: &RawApp) -> Arc<[ChannelRule]> {
    let rules = raw.channels.iter().filter_map(|entry| {
        let blind = entry.mode? == RawMode::Blind;
        Some(ChannelRule { pattern: Pattern::new(entry.pattern.clone()), blind })
    });
    rules.collect()
}

/// What decides about channels from outside their list.
#[derive(Clone, Copy)]
pub struct ChannelSettingsContext {
    /// True if the app has a master key.
    pub seals: bool,
    /// True for a node of a cluster.
    pub clustered: bool,
}

pub fn channel_settings(
    id: &str,
    raw: &RawApp,
    context: ChannelSettingsContext,
    warnings: &mut Vec<String>,
) -> ConfigResult<ChannelSettingsList> {
    let mut entries = Vec::with_capacity(raw.channels.len());
    for (index, entry) in raw.channels.iter().enumerate() {
        let at = format!("apps.{id}.channels.{index}");
        refuse_without_setting(&at, entry)?;
        refuse_long_pattern(&format!("{at}.pattern"), entry, &raw.limits)?;
        if let Some(time) = entry.cache_ttl {
            between(&format!("{at}.cache_ttl"), time, TIMES)?;
        }
        let at = format!("{at}.history");
        let history = history(&at, entry, &raw.limits, context.clustered, warnings)?;
        entries.push(ChannelEntry {
            pattern: Pattern::new(entry.pattern.clone()),
            history,
            cache_ttl: entry.cache_ttl.map(|time| time.0),
            payload: entry.payload.map(Into::into),
        });
    }
    refuse_blind_logs(id, &entries, &channel_rules(raw), context.seals)?;
    Ok(ChannelSettingsList::new(entries))
}

fn refuse_without_setting(at: &str, entry: &RawChannelEntry) -> ConfigResult<()> {
    let RawChannelEntry { pattern, mode, history, cache_ttl, payload } = entry;
    if mode.is_some() || history.is_some() || cache_ttl.is_some() || payload.is_some() {
        return Ok(());
    }
    error(
        at,
        format!(
            "{at} has the pattern {pattern:?} and no setting: add mode, history, cache_ttl or payload, or remove it"
        ),
    )
}

/// Comparing patterns takes the product of their lengths.
fn refuse_long_pattern(at: &str, entry: &RawChannelEntry, limits: &Limits) -> ConfigResult<()> {
    let most = limits.channel_name_bytes;
    if entry.pattern.len() <= most {
        return Ok(());
    }
    error(
        at,
        format!(
            "{at} is longer than limits.channel_name_bytes, {most}: no channel has such a name"
        ),
    )
}

fn history(
    at: &str,
    entry: &RawChannelEntry,
    limits: &Limits,
    clustered: bool,
    warnings: &mut Vec<String>,
) -> ConfigResult<HistoryChoice> {
    let raw = match &entry.history {
        None => return Ok(HistoryChoice::Unnamed),
        Some(RawHistoryChoice::Off) => return Ok(HistoryChoice::Off),
        Some(RawHistoryChoice::On(raw)) => raw,
    };
    between(&format!("{at}.events"), raw.events, EVENTS)?;
    between(&format!("{at}.bytes"), raw.bytes, BYTES)?;
    for (name, time) in [("ttl", raw.ttl), ("idle", raw.idle), ("vacant", raw.vacant)] {
        between(&format!("{at}.{name}"), time, TIMES)?;
    }
    let bytes = raw.bytes;
    if bytes.0 > limits.history_bytes && !clustered {
        warnings.push(format!(
            "{at}.bytes is {bytes}, which no log reaches: limits.history_bytes, for all logs of the app, is {}",
            RawSize(limits.history_bytes)
        ));
    }
    if bytes.0 < limits.event_bytes {
        warnings.push(format!(
            "{at}.bytes is {bytes}, less than one event may have (limits.event_bytes): such an event ends the log"
        ));
    }
    Ok(HistoryChoice::On(Arc::new(HistorySettings {
        events: raw.events,
        bytes: bytes.0,
        ttl: raw.ttl.0,
        idle: raw.idle.0,
        vacant: raw.vacant.0,
        client_events: raw.client_events,
        blind: raw.blind,
        store: store(at, raw, clustered)?,
    })))
}

/// In a cluster Redis is the store of all logs.
fn store(at: &str, raw: &RawChannelHistory, clustered: bool) -> ConfigResult<HistoryStore> {
    if let Some(store) = raw.store.filter(|_| clustered) {
        return error(
            format!("{at}.store"),
            format!(
                "{at}.store is {:?}, and this server is a node of a cluster: two nodes with logs of their own would number events apart. Remove store, so that the log is in Redis",
                store.name()
            ),
        );
    }
    if clustered && raw.sync.is_some() {
        return error(
            format!("{at}.sync"),
            format!(
                "{at}.sync is for logs on disk, and in a cluster this one is in Redis: remove sync"
            ),
        );
    }
    if clustered {
        return Ok(HistoryStore::Redis);
    }
    match (raw.store.unwrap_or(RawStore::Memory), raw.sync) {
        (RawStore::Memory, None) => Ok(HistoryStore::Memory),
        (RawStore::Memory, Some(_)) => error(
            format!("{at}.sync"),
            format!(
                "{at}.sync is for logs on disk, and {at}.store is not \"disk\": add store = \"disk\", or remove sync"
            ),
        ),
        (RawStore::Disk, None | Some(RawSync::Behind)) => Ok(HistoryStore::DiskBehind),
        (RawStore::Disk, Some(RawSync::Before)) => Ok(HistoryStore::DiskBefore),
    }
}

/// Blindly relayed channels have a log only where the entry says so: their envelopes cannot be
/// sealed anew when their key changes. `App::channel_settings` decides for each channel; here the
/// author of the configuration is told.
fn refuse_blind_logs(
    id: &str,
    entries: &[ChannelEntry],
    rules: &[ChannelRule],
    seals: bool,
) -> ConfigResult<()> {
    let everywhere = [ChannelRule { pattern: Pattern::new("*"), blind: true }];
    let rules = if seals { rules } else { &everywhere };
    let encrypted = Pattern::new(format!("{ENCRYPTED_PREFIX}*"));
    for (index, entry) in entries.iter().enumerate() {
        let HistoryChoice::On(history) = &entry.history else { continue };
        let covers =
            |pattern: &Pattern| pattern.covers(&encrypted) || pattern.covers(&entry.pattern);
        let named = |before: &ChannelEntry| before.history != HistoryChoice::Unnamed;
        if history.blind || entries[..index].iter().any(|b| named(b) && covers(&b.pattern)) {
            continue;
        }
        // Behind a mode for all of these channels no other counts.
        let last = rules.iter().position(|rule| covers(&rule.pattern));
        let counting = &rules[..last.map_or(rules.len(), |last| last + 1)];
        let blind = counting
            .iter()
            .find(|rule| rule.blind && rule.pattern.meets(&entry.pattern, ENCRYPTED_PREFIX));
        if blind.is_some() {
            return error(
                format!("apps.{id}.channels.{index}.history"),
                format!(
                    "apps.{id}.channels.{index}.history would log encrypted channels that the server relays blindly, whose events nobody can read once their key has changed: add blind = true to the history, or put {{ pattern = \"{ENCRYPTED_PREFIX}*\", history = false }} before this entry"
                ),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
