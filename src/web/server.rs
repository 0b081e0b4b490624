//! Starts the workers, and stops them.

use std::{io, sync::Arc, time::Duration};

use actix_server::Server;
use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{
    Proxied, Serves, Settings,
    drain::{REQUEST_DEADLINE, drain},
    listeners::Listeners,
    parts::Parts,
    services::{HTTP_CONNECTIONS, Way, listen, listen_admin, listen_operations, listen_tls},
};
use crate::{
    engine::Engine,
    metrics::Metrics,
    tls::{self, Identity, Watch},
};

/// Time between two checks of the certificate files.
const IDENTITY_TICK: Duration = Duration::from_secs(1);

/// Runs until `stop` is notified.
pub async fn serve(
    listeners: Listeners,
    engine: Arc<Engine>,
    settings: Arc<ArcSwap<Settings>>,
    identity: Option<Arc<Identity>>,
    stop: Arc<Notify>,
) -> io::Result<()> {
    let mut builder = Server::build()
        .workers(engine.hub.workers())
        .max_concurrent_connections(HTTP_CONNECTIONS)
        .shutdown_timeout(REQUEST_DEADLINE.as_secs())
        .disable_signals();
    let parts = Parts {
        metrics: Arc::new(Metrics::new(engine.clone())),
        engine,
        settings,
        entrance: Arc::default(),
        draining: builder.graceful_shutdown_signal(),
    };
    let Listeners { public, api, operations, admin, files } = listeners;
    let Proxied { public: proxied, api: api_proxied } = parts.settings.load().proxied;
    let serves = if !api.is_empty() { Serves::Clients } else { Serves::Everybody };
    let way = Way { serves, proxied };
    let config = identity.clone().map(tls::server_config).transpose().map_err(io::Error::other)?;
    if let Some(identity) = identity {
        actix_rt::spawn(keep_current(identity));
    }
    for public in public {
        builder = match &config {
            None => listen(builder, "public", public, parts.clone(), way)?,
            Some(config) => listen_tls(builder, public, parts.clone(), way, config.clone())?,
        };
    }
    for api in api {
        let way = Way { serves: Serves::Backends, proxied: api_proxied };
        builder = listen(builder, "api", api, parts.clone(), way)?;
    }
    for operations in operations {
        builder = listen_operations(builder, operations, parts.clone())?;
    }
    if let Some(admin) = admin {
        builder = listen_admin(builder, admin, parts.clone())?;
    }
    let server = builder.run();
    let (handle, engine) = (server.handle(), parts.engine.clone());
    actix_rt::spawn(async move {
        stop.notified().await;
        let over = parts.settings.load().drain;
        drain(handle, parts.engine, over).await;
    });
    let ended = server.await;
    engine.client_faults.finish();
    drop(files);
    ended
}

/// Takes over a replaced certificate. Open connections keep the previous one.
async fn keep_current(identity: Arc<Identity>) {
    let mut watch = Watch::new(identity.clone());
    loop {
        actix_rt::time::sleep(IDENTITY_TICK).await;
        // A disk may hang, and the runtime has signals to obey.
        let look = actix_rt::task::spawn_blocking(move || {
            let looked = watch.look();
            (watch, looked)
        });
        let Ok((back, looked)) = look.await else {
            tracing::error!(
                "reading the certificate again has failed, and is not tried any more: please report this as a fault of the server"
            );
            return;
        };
        watch = back;
        let file = identity.files().certificate;
        let file = file.display();
        match looked {
            None => {}
            Some(Ok(())) => tracing::info!(tls.file = %file, "new certificate in use"),
            Some(Err(reason)) => {
                tracing::error!(tls.file = %file, error = %reason, "new certificate refused, the old one stays in use");
            }
        }
    }
}
