//! `sealcast serve`

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use tracing_subscriber::EnvFilter;

use super::{Result, banner, source};
use crate::{
    app::AppRegistry,
    config::{Config, Flags, Log},
    engine::{Engine, Tenant},
    hub::Hub,
    web::{Listeners, Signals, serve as serve_web},
};

pub fn serve(flags: &Flags) -> Result<()> {
    let config = Config::load(&source(flags)?)?;
    log_to_stderr(&config.log)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    actix_rt::System::new().block_on(run(config, flags.dev))
}

async fn run(config: Config, dev: bool) -> Result<()> {
    let listeners = Listeners::bind(config.listen, config.ops_listen)?;
    let signals = Signals::install()?;
    announce(&listeners, config.tls.is_some())?;
    if dev {
        print(&banner::banner(&config, listeners.public()?))?;
    }
    let hub = Hub::new(config.workers, config.mailbox_bytes);
    let mut tenants = AppRegistry::new();
    for app in config.apps {
        let key = app.sealing.keys().map(|ring| ring.active_id().to_string());
        tracing::info!(
            app.id = &*app.id,
            key.id = key.unwrap_or_else(|| "none (blind)".into()),
            "app ready"
        );
        let (id, key) = (app.id.clone(), app.key.clone());
        tenants.insert(id, key, Arc::new(Tenant::new(app, hub.clone())));
    }
    let engine = Arc::new(Engine::new(hub, tenants));
    Ok(serve_web(listeners, engine, config.settings, config.tls, signals).await?)
}

/// The lines that a supervisor or a test reads the real port from.
fn announce(listeners: &Listeners, tls: bool) -> Result<()> {
    let scheme = if tls { "https" } else { "http" };
    print(&format!("listening on {scheme}://{}\n", listeners.public()?))?;
    if let Some(address) = listeners.operations()? {
        print(&format!("operations on http://{address}\n"))?;
    }
    Ok(())
}

/// Not `print!`, which panics when nobody reads.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn log_to_stderr(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|e| format!("log: {e}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if log.json {
        builder.json().init();
    } else {
        builder.with_ansi(io::stderr().is_terminal()).init();
    }
    Ok(())
}
