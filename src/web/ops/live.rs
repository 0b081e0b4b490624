//! `GET /ops/live`: the live feed as a WebSocket, one JSON object in each message.

mod guard;
mod pump;
pub mod socket_handle;

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse, http::header, web};

pub use socket_handle::share;

use super::admin::auth::AdminAuth;
use crate::{
    domain::refusal::RefusalCode,
    engine::facts::Fact,
    observe::{
        audit::{AuditFact, WatchOrigin},
        live::{LiveFilter, WatchGuard},
    },
    web::{
        context::worker::{Worker, worker},
        http::{
            error::{ApiError, upgrade_required},
            headers::single,
            methods,
            remote::{Remote, remote},
        },
    },
};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(methods::get(web::resource("/ops/live"), watch));
}

async fn watch(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    let (worker, watcher) = admit(&request)?;
    if !request.headers().contains_key(header::UPGRADE) {
        return Ok(upgrade_required(
            "The live feed is a WebSocket, and this request has no header Upgrade: use `sealcast tail`",
        ));
    }
    let filter = LiveFilter::parse(request.query_string())
        .map_err(|error| ApiError::new(RefusalCode::UnknownFilter, error.to_string()))?;
    let (answer, session, messages) =
        actix_ws::handle(&request, payload).map_err(|error| invalid_handshake(&error))?;
    let watching = begin(&worker, filter)?;
    worker.engine.note(Fact::Audited(AuditFact::WatchBegun { watcher: watcher.clone() }));
    let handle = socket_handle::of(&request);
    actix_rt::spawn(async move {
        let reason = pump::run(watching, session, messages).await;
        // Also ends the connection of a peer that reads nothing.
        handle.inspect(socket_handle::SocketHandle::shut_down);
        worker.engine.note(Fact::Audited(AuditFact::WatchEnded { watcher, reason }));
    });
    Ok(answer)
}

fn admit(request: &HttpRequest) -> Result<(Rc<Worker>, WatchOrigin), ApiError> {
    let auth = request.app_data::<AdminAuth>().expect("each route has its admin auth");
    auth.admit(request)?;
    let worker = worker(request);
    let from = remote(request);
    guard::check_remote(worker.settings().live_feed, auth, from)?;
    let text = |name| single(request.headers(), name);
    guard::check_origin(text(header::ORIGIN)?, text(header::HOST)?)?;
    // A peer on a Unix socket has no address.
    let peer = match from {
        Some(Remote::Address(peer)) => Some(peer),
        _ => None,
    };
    Ok((worker, WatchOrigin { by: auth.name(), peer }))
}

fn begin(worker: &Worker, filter: LiveFilter) -> Result<WatchGuard, ApiError> {
    if worker.engine.hub.is_draining() {
        return Err(ApiError::new(RefusalCode::ShuttingDown, "The server is shutting down"));
    }
    let feed = worker.engine.live();
    feed.watch(filter)
        .map_err(|error| ApiError::new(RefusalCode::TooManyWatchers, error.to_string()))
}

fn invalid_handshake(error: &actix_web::Error) -> ApiError {
    let message = format!(
        "The live feed is a WebSocket, and this is no valid handshake ({error}): use `sealcast tail`"
    );
    ApiError::new(RefusalCode::BadHandshake, message)
}
