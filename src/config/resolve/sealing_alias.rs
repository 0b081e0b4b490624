//! The sealing alias, and patterns written for it by mistake.

use super::checks::{ConfigResult, SettingError};
use crate::{config::raw::app::RawApp, domain::sealing_alias::SealingAlias};

pub fn sealing_alias(
    at: &impl Fn(&str) -> String,
    raw: &RawApp,
    warnings: &mut Vec<String>,
) -> ConfigResult<SealingAlias> {
    let alias = SealingAlias::parse(&raw.sealing_alias).map_err(|e| {
        SettingError::new(at("sealing_alias"), format!("{} {e}", at("sealing_alias")))
    })?;
    for (setting, pattern) in patterns(raw) {
        if let Some(encrypted) = alias.encrypted_name(pattern) {
            warnings.push(format!(
                "{} is {pattern:?}, which no channel is called: {:?} is only a name to publish on (sealing_alias). Write {encrypted:?}",
                at(&setting), raw.sealing_alias
            ));
        }
    }
    Ok(alias)
}

/// All patterns for channel names, with the paths of their settings.
fn patterns(raw: &RawApp) -> Vec<(String, &str)> {
    let channels = raw.channels.iter().enumerate();
    let channels = channels.map(|(i, rule)| (format!("channels.{i}.pattern"), &*rule.pattern));
    let rules = raw.rules.iter().enumerate();
    let rules = rules.map(|(i, rule)| (format!("rules.{i}.channel"), &*rule.channel));
    let webhooks = raw.webhooks.iter().enumerate().flat_map(|(i, webhook)| {
        webhook.channels.iter().map(move |p| (format!("webhooks.{i}.channels"), &**p))
    });
    channels.chain(rules).chain(webhooks).collect()
}
