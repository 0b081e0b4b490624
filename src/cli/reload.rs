//! SIGHUP: the configuration is read again. Master keys that have changed take effect, by a
//! rotation; everything else does at the next start. Whatever is wrong with it, the server goes on
//! as it was.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::Notify;

use super::Result;
use crate::{
    app::App,
    config::{Config, ConfigError, Environment, Flags, Source, Written},
    engine::Engine,
};

/// Where the configuration of this server comes from.
pub struct Reload {
    flags: Flags,
    environment: Environment,
    written: Written,
}

impl Reload {
    pub fn new(flags: &Flags, source: Source) -> Result<Self> {
        let written = Written::of(&source)?;
        Ok(Self { flags: flags.clone(), environment: source.into_environment(), written })
    }

    pub fn is_dev(&self) -> bool {
        self.flags.dev
    }

    fn load(&self) -> std::result::Result<(Config, Written), ConfigError> {
        let source = Source::new(&self.flags, self.environment.clone())?;
        let config = Config::load(&source)?;
        Ok((config, Written::of(&source)?))
    }

    fn apply(&self, engine: &Engine) {
        let (config, written) = match self.load() {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(
                    "the configuration was read again and is refused; everything stays as it is: {error}"
                );
                return;
            }
        };
        let mut later = self.written.differing(&written);
        for app in &config.apps {
            self.take_key(engine, app, &mut later);
        }
        if later.is_empty() {
            tracing::info!("the configuration was read again");
        } else {
            let names = later.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(
                "the configuration was read again; of what has changed, master keys alone take effect now, and at the next start: {names}"
            );
        }
    }

    /// `later`: what only a new start can do.
    fn take_key(&self, engine: &Engine, app: &App, later: &mut BTreeSet<String>) {
        let Some(tenant) = engine.tenants().by_id(&app.id).cloned() else { return };
        let configured = app.sealing.keys().and_then(|ring| ring.table().active().master.clone());
        let configured = match (tenant.keys(), configured) {
            (Some(_), Some(configured)) => configured,
            (None, None) => return,
            _ => {
                later.insert(format!("apps.{}.master_key", app.id));
                return;
            }
        };
        let id = &*app.id;
        match engine.reconcile(&tenant, &configured) {
            Ok(false) => {}
            Ok(true) => {
                let key = configured.fingerprint();
                tracing::info!(app.id = id, key.id = %key, "the configuration names another master key: subscribers move to it");
            }
            Err(error) => tracing::error!(
                app.id = id,
                "the configuration names another master key, which is not taken; the keys stay as they are: {error}"
            ),
        }
    }
}

/// For as long as the server runs.
pub async fn on_hangup(hangup: Arc<Notify>, reload: Reload, engine: Arc<Engine>) {
    let reload = Arc::new(reload);
    loop {
        hangup.notified().await;
        let (reload, engine) = (reload.clone(), engine.clone());
        // Files are read and written.
        if actix_rt::task::spawn_blocking(move || reload.apply(&engine)).await.is_err() {
            tracing::error!("reading the configuration again has failed");
        }
    }
}
