//! What several nodes cannot do yet.

use super::CliResult;
use crate::{app::App, config::Config, crypto::secret::Derivation};

pub fn refuse(config: &Config) -> CliResult<()> {
    if config.cluster.is_none() {
        return Ok(());
    }
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
    app.channel_settings.has_history().then_some(
        "channels has a history, which this version does not keep in Redis yet: remove history, or remove [cluster]",
    )
}
