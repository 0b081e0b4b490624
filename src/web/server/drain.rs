//! Shutdown: connections are closed over the drain time while the HTTP API goes on; then the
//! listeners close.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_server::ServerHandle;

use crate::{
    engine::{Engine, facts::Fact},
    observe::live::WatchEnd,
    web::console::Console,
};

/// Time for the last sockets to read their close frame and to answer it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time after that for requests under way.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(1);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// `over`: the time over which connections are closed.
pub async fn drain(
    server: ServerHandle,
    engine: Arc<Engine>,
    console: Arc<Console>,
    over: Duration,
) {
    let sockets = engine.hub.sockets();
    tracing::info!(sockets, drain.seconds = over.as_secs(), "shutting down");
    engine.note(Fact::Draining);
    engine.drain(over);
    let deadline = Instant::now() + over + CLOSE_TIMEOUT;
    while engine.hub.sockets() > 0 && Instant::now() < deadline {
        actix_rt::time::sleep(POLL_INTERVAL).await;
    }
    match engine.hub.sockets() {
        0 => {}
        left => tracing::info!(sockets = left, "some sockets have not answered their close frame"),
    }
    // Watchers of the live feed see all connections close first.
    engine.live().end(WatchEnd::Server);
    console.end();
    server.stop(true).await;
}
