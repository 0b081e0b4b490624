//! `sealcast serve`

use std::{path::Path, sync::Arc};

use super::{
    Result, banner, capacity, log, print,
    reload::{self, Reload},
    signals::Signals,
};
use crate::{
    app::{App, AppRegistry},
    audit::{Audit, Fact},
    config::{Config, Flags, Source},
    crypto::keytable::unix_now,
    engine::{Engine, Tenant},
    hub::Hub,
    keyfile::KeyFile,
    live::Feed,
    selftest,
    state_dir::{ClaimError, StateDir},
    unix_socket::SocketFile,
    web::{Listeners, serve as serve_web},
    webhook::{Runner, Webhooks},
};
use arc_swap::ArcSwap;

pub fn serve(flags: &Flags) -> Result<()> {
    let mut signals = Signals::take()?;
    let dumps_forbidden = forbid_dumps();
    let source = Source::new(flags, environment(flags, &mut signals)?)?;
    let config = Config::load(&source)?;
    let reload = Reload::new(flags, source)?;
    // Until the end: what is left to be sent then is sent.
    let _traces = log::begin(&config.log)?;
    if let Err(error) = dumps_forbidden {
        tracing::warn!(%error, "core dumps, in which keys would stand, cannot be forbidden");
    }
    selftest::run(&selftest::CHECKS)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let system = actix_rt::System::new();
    let result = system.block_on(run(config, reload, &signals));
    // Dropping it would wait for whoever still waits for a disk, such as a reload.
    std::mem::forget(system);
    result
}

#[cfg(target_os = "linux")]
use super::process::{environment, forbid_dumps};

/// Elsewhere there is no `/proc` that shows the environment, and crashes are the system's business.
#[cfg(not(target_os = "linux"))]
fn environment(_: &Flags, _: &mut Signals) -> Result<crate::config::Environment> {
    Ok(crate::config::Environment::of_process())
}

#[cfg(not(target_os = "linux"))]
fn forbid_dumps() -> std::io::Result<()> {
    Ok(())
}

async fn run(config: Config, reload: Reload, signals: &Signals) -> Result<()> {
    // From here on there is something to put away.
    signals.serving();
    // Dropped last: what the server notes at its end is written.
    let live = Arc::new(Feed::default());
    let (audit, _recorder) = Audit::begin(config.audit_file.as_deref())?;
    let audit = audit.shown_in(live.clone());
    let mut listeners = Listeners::bind(&config.addresses)?;
    // Held until the end.
    let state_dir = claim(&config.state_dir)?;
    let _socket_file = state_dir.as_ref().and_then(|dir| open_admin(dir, &mut listeners));
    audit.note(Fact::ServerStarted {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        listen: listeners.public()?,
    });
    announce(&listeners, config.tls.is_some())?;
    if reload.is_dev() {
        print(&banner::banner(&config, &listeners.public()?, listeners.api()?.as_ref()))?;
    }
    let hub = Hub::new(config.workers, config.mailbox_bytes, config.turns_per_second);
    let mut tenants = AppRegistry::new();
    let mut webhooks = Vec::new();
    for mut app in config.apps {
        app.access.revoked.load()?;
        let key_file = KeyFile::of_app(&config.state_dir, &app.id);
        take_up(&app, &key_file)?;
        let key = app.sealing.keys().map(|ring| ring.table().active().id.clone());
        tracing::info!(
            app.id = &*app.id,
            key.id = key.as_ref().map_or_else(|| "none (blind)".into(), ToString::to_string),
            "app ready"
        );
        if let Some(key) = key {
            audit.note(Fact::KeyUsed { app: app.id.clone(), key });
        }
        let (id, key) = (app.id.clone(), app.key.clone());
        let told = told(&mut app, state_dir.as_ref().map(|_| config.state_dir.as_path()), &live)?;
        webhooks.extend(told.clone());
        let tenant = Tenant::new(app, key_file, hub.clone());
        tenant.set_webhooks(told);
        tenants.insert(id, key, Arc::new(tenant));
    }
    let told = Runner::start(webhooks)?;
    let mut engine = Engine::new(hub, tenants);
    engine.capacity = capacity::measure(config.memory_limit)?;
    (engine.audit, engine.live) = (audit.clone(), live);
    let engine = Arc::new(engine);
    actix_rt::spawn(reload::on_hangup(signals.hangup(), reload, engine.clone()));
    let settings = Arc::new(ArcSwap::from_pointee(config.settings));
    let served = serve_web(listeners, engine, settings, config.tls, signals.stop()).await;
    // All sockets have gone, and what that means is told.
    drop(told);
    let reason = if served.is_ok() { "signal" } else { "error" };
    audit.note(Fact::ServerStopped { reason });
    Ok(served?)
}

/// The app's webhooks, if it has any.
fn told(
    app: &mut App,
    state_dir: Option<&Path>,
    live: &Arc<Feed>,
) -> Result<Option<Arc<Webhooks>>> {
    let endpoints = std::mem::take(&mut app.webhooks);
    if state_dir.is_none() && !endpoints.is_empty() {
        tracing::warn!(
            app.id = &*app.id,
            "without a state directory, webhooks that cannot be delivered are lost"
        );
    }
    let unusable = |e| {
        let name = &app.id;
        format!(
            "the dead-letter file of app {name} cannot be used: {e}. Move it out of the state directory, and the server begins a new one"
        )
    };
    Ok(Webhooks::of_app(app, endpoints, state_dir, live.clone()).map_err(unusable)?)
}

/// A server without a state directory serves all the same, until its keys are to change.
fn claim(path: &Path) -> Result<Option<StateDir>> {
    match StateDir::claim(path) {
        Ok(directory) => Ok(Some(directory)),
        Err(error @ ClaimError::InUse(_)) => Err(error.into()),
        Err(error @ ClaimError::Unusable { .. }) => {
            tracing::warn!(%error, "keys cannot be changed while the server runs");
            Ok(None)
        }
    }
}

fn open_admin(directory: &StateDir, listeners: &mut Listeners) -> Option<SocketFile> {
    match directory.admin_socket() {
        Ok((listener, file)) => {
            listeners.admin = Some(listener);
            Some(file)
        }
        Err(error) => {
            tracing::warn!(%error, "there is no admin socket in the state directory: `sealcast keys` cannot reach this server but by admin_token");
            None
        }
    }
}

/// The keys as they stood when the server ended, or as the configuration has changed them since.
fn take_up(app: &App, key_file: &KeyFile) -> Result<()> {
    let Some(ring) = app.sealing.keys() else { return Ok(()) };
    let Some(kept) = key_file.load()? else { return Ok(()) };
    let configured = ring.table().active().master.clone().ok_or("an active key has its bytes")?;
    let grace = app.rotation.grace_seconds;
    match kept.reconciled(&configured, unix_now(), grace) {
        Ok(None) => ring.install(kept),
        Ok(Some(changed)) => {
            key_file.save(&changed).map_err(|e| {
                let id = &app.id;
                format!("the configuration of app {id} names another master key, and that cannot be written to the state directory: {e}")
            })?;
            ring.install(changed);
        }
        Err(error) => {
            return Err(format!(
                "the master key that the configuration of app {} names: {error}",
                app.id
            )
            .into());
        }
    }
    Ok(())
}

/// The lines that a supervisor or a test reads the real port from.
fn announce(listeners: &Listeners, tls: bool) -> Result<()> {
    print(&format!("listening on {}\n", listeners.public()?.url(tls)))?;
    if let Some(address) = listeners.api()? {
        print(&format!("API on {}\n", address.url(false)))?;
    }
    if let Some(address) = listeners.operations()? {
        print(&format!("operations on {}\n", address.url(false)))?;
    }
    Ok(())
}
