//! What several nodes cannot do yet.

use super::CliResult;
use crate::{app::App, config::Config, crypto::secret::Derivation};

pub fn refuse(config: &Config) -> CliResult<()> {
    let Some(settings) = &config.cluster else { return Ok(()) };
    settings.url.single_host()?;
    refuse_apps(&config.apps)
}

/// A node must not do for itself what the others have to do with it.
pub fn refuse_apps(apps: &[App]) -> CliResult<()> {
    apps.iter().try_for_each(|app| match refused(app) {
        None => Ok(()),
        Some(what) => Err(format!("apps.{}.{what}", app.id).into()),
    })
}

fn refused(app: &App) -> Option<&'static str> {
    let ring = app.sealing.keys();
    if ring.is_some_and(|ring| ring.derivation() == Derivation::Hkdf) {
        return Some(
            "derivation is \"hkdf\", whose secrets this version does not share between nodes yet: take another derivation, or remove [cluster]",
        );
    }
    None
}

/// What one server alone and a node of a cluster cannot take over from each other while they run.
pub fn refuse_other_logs(apps: &[App], is_node: bool) -> CliResult<()> {
    let is_elsewhere = |app: &&App| app.channel_settings.has_log_outside(is_node);
    match (apps.iter().find(is_elsewhere), is_node) {
        (None, _) => Ok(()),
        (Some(app), true) => Err(format!(
            "apps.{}.channels has a history outside of Redis, and this server is a node of its cluster until it is restarted: keep [cluster] and the history as they are, or restart the server",
            app.id
        )
        .into()),
        (Some(app), false) => Err(format!(
            "apps.{}.channels has a history in Redis, and this server joins its cluster at the next start: restart the server, or add [cluster] without a history first",
            app.id
        )
        .into()),
    }
}
