//! Stopping: sockets are sent away over the drain time, while the HTTP API goes on, and then the
//! listeners are closed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_server::ServerHandle;

use crate::{
    engine::Engine,
    live::{Entry, Type},
};

/// How long the last sockets have to read their close frame and to answer it.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long requests that are being answered have after that.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(1);

const LOOK: Duration = Duration::from_millis(20);

/// `over`: the time that sockets are sent away in.
pub async fn drain(server: ServerHandle, engine: Arc<Engine>, over: Duration) {
    let sockets = engine.hub.sockets();
    tracing::info!(sockets, drain.seconds = over.as_secs(), "shutting down");
    engine.live.note(|| Entry::new(Type::ServerDraining));
    engine.hub.drain(over);
    let deadline = Instant::now() + over + FAREWELL;
    while engine.hub.sockets() > 0 && Instant::now() < deadline {
        actix_rt::time::sleep(LOOK).await;
    }
    match engine.hub.sockets() {
        0 => {}
        left => tracing::info!(sockets = left, "some have not answered their close frame"),
    }
    // Who watches has seen all others go.
    engine.live.end();
    server.stop(true).await;
}
