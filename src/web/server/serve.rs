//! Starts the workers, and stops them.

use std::{io, sync::Arc, time::Duration};

use actix_server::Server;
use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{
    drain::{REQUEST_DEADLINE, drain},
    http_connections::HTTP_CONNECTIONS,
    listeners::{ListenerRole, Listeners},
    server_context::ServerContext,
    services::{ListenerMode, listen, listen_admin, listen_operations, listen_tls},
    tls::{self, CertificateWatcher, TlsIdentity},
};
use crate::{
    engine::Engine,
    web::{
        console::{self, Console},
        context::worker::SharedState,
        settings::{Proxied, ReloadableSettings, StartSettings},
    },
};

/// Time between two checks of the certificate files.
const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until `stop` is notified.
pub async fn serve(
    listeners: Listeners,
    engine: Arc<Engine>,
    (start_settings, settings): (StartSettings, Arc<ArcSwap<ReloadableSettings>>),
    identity: Option<Arc<TlsIdentity>>,
    console: Arc<Console>,
    stop: Arc<Notify>,
) -> io::Result<()> {
    let mut builder = Server::build()
        .workers(engine.hub.workers())
        .max_concurrent_connections(HTTP_CONNECTIONS)
        .shutdown_timeout(REQUEST_DEADLINE.as_secs())
        .disable_signals();
    let shared = SharedState::new(engine, start_settings, settings);
    let context = ServerContext::new(shared, console, builder.graceful_shutdown_signal());
    let Listeners { public, api, operations, admin, files, .. } = listeners;
    let Proxied { public: proxied, api: api_proxied } = context.shared.start_settings.proxied;
    let role = if !api.is_empty() { ListenerRole::Clients } else { ListenerRole::Everybody };
    let mode = ListenerMode { role, proxied };
    let config = identity.clone().map(tls::server_config).transpose().map_err(io::Error::other)?;
    if let Some(identity) = identity {
        actix_rt::spawn(watch_certificate(identity));
    }
    for public in public {
        builder = match &config {
            None => listen(builder, "public", public, context.clone(), mode)?,
            Some(config) => listen_tls(builder, public, context.clone(), mode, config.clone())?,
        };
    }
    for api in api {
        let mode = ListenerMode { role: ListenerRole::Backends, proxied: api_proxied };
        builder = listen(builder, "api", api, context.clone(), mode)?;
    }
    for operations in operations {
        builder = listen_operations(builder, operations, context.clone())?;
    }
    if let Some(admin) = admin {
        builder = listen_admin(builder, admin, context.clone())?;
    }
    let server = builder.run();
    let (handle, engine) = (server.handle(), context.shared.engine.clone());
    let sampling =
        actix_rt::spawn(console::sample(context.console.clone(), context.shared.clone()));
    actix_rt::spawn(async move {
        stop.notified().await;
        let over = context.shared.settings.load().drain;
        drain(handle, context.shared.engine, context.console, over).await;
    });
    let ended = server.await;
    sampling.abort();
    engine.client_faults.finish();
    drop(files);
    ended
}

/// Takes over a replaced certificate. Open connections keep the previous one.
async fn watch_certificate(identity: Arc<TlsIdentity>) {
    let mut watch = CertificateWatcher::new(identity.clone());
    loop {
        actix_rt::time::sleep(CERTIFICATE_CHECK_INTERVAL).await;
        // A disk may hang, and the runtime has signals to obey.
        let look = actix_rt::task::spawn_blocking(move || {
            let looked = watch.check();
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
