//! `sealcast serve`

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;

use super::{
    Result, banner, capacity,
    log::{self, LogFilter},
    print,
    reload::{self, Live, Read, Reload, Stamps, Start, read},
    signals::Signals,
};
use crate::{
    app::AppRegistry,
    audit::{Audit, Fact},
    config::{Config, Flags},
    engine::{Engine, opening::StateFiles},
    hub::Hub,
    live::Feed,
    selftest,
    state_dir::{ClaimError, StateDir},
    unix_socket::SocketFile,
    web::{Listeners, serve as serve_web},
    webhook::Runner,
};

pub fn serve(flags: &Flags) -> Result<()> {
    let mut signals = Signals::take()?;
    let dumps_forbidden = forbid_dumps();
    let (environment, mut files) = (environment(flags, &mut signals)?, Stamps::new());
    let Read { config, written } = read(flags, &environment, None, &mut files)?;
    let start = Start { flags: flags.clone(), environment, written, files };
    // The traces until the end: what is left to be sent then is sent.
    let (log, _traces) = log::to_stderr(&config.log)?;
    if let Err(error) = dumps_forbidden {
        tracing::warn!(%error, "core dumps, in which keys would stand, cannot be forbidden");
    }
    selftest::run(&selftest::CHECKS)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let system = actix_rt::System::new();
    let result = system.block_on(run(config, start, log, &signals));
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

async fn run(config: Config, start: Start, log: LogFilter, signals: &Signals) -> Result<()> {
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
    if start.flags.dev {
        print(&banner::banner(&config, &listeners.public()?, listeners.api()?.as_ref()))?;
    }
    let hub = Hub::new(config.workers, config.mailbox_bytes, config.turns_per_second);
    hub.cache.set_limit(config.cache_bytes);
    let mut engine = Engine::new(hub, AppRegistry::new());
    engine.capacity = capacity::measure(config.memory_limit)?;
    (engine.audit, engine.live) = (audit.clone(), live);
    let engine = Arc::new(engine);
    let files = StateFiles { dir: &config.state_dir, claimed: state_dir.is_some() };
    let undelivered = engine.begin(config.apps, files)?;
    let webhooks = Arc::new(Runner::default());
    if !undelivered.is_empty() {
        webhooks.start()?;
    }
    undelivered.into_iter().for_each(|told| webhooks.take_up(told));
    let settings = Arc::new(ArcSwap::from_pointee(config.settings));
    let live = Live {
        engine: engine.clone(),
        settings: settings.clone(),
        identity: config.tls.clone(),
        webhooks: webhooks.clone(),
        log,
        claimed: state_dir.is_some(),
        state_dir: config.state_dir,
        watch: config.watch,
    };
    actix_rt::spawn(reload::keep_current(signals.hangup(), Reload::new(start, live)));
    let served = serve_web(listeners, engine, settings, config.tls, signals.stop()).await;
    // All sockets have gone, and what that means is told.
    webhooks.finish();
    let reason = if served.is_ok() { "signal" } else { "error" };
    audit.note(Fact::ServerStopped { reason });
    Ok(served?)
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
