//! Responses to requests from no Pusher client: a browser on the wrong page, a probe, or a proxy
//! that turned a WebSocket handshake into an ordinary request.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
};

use crate::web::{
    context::worker::worker,
    http::error::{ApiError, upgrade_required},
    ws::socket_path,
};

/// `GET /` on a listener for clients.
pub async fn clients_index(request: HttpRequest) -> HttpResponse {
    let prefix = &worker(&request).start_settings.path_prefix;
    line(format!("This is Sealcast. WebSocket connections go to {prefix}/app/KEY."))
}

/// `GET /` on a listener for backends.
pub async fn backends_index(request: HttpRequest) -> HttpResponse {
    let prefix = &worker(&request).start_settings.path_prefix;
    line(format!("This is Sealcast. The HTTP API is at {prefix}/apps/ID/."))
}

/// `GET /` on the operations listener.
pub async fn operations_index() -> HttpResponse {
    line("This is Sealcast, for operators: /metrics, /stats, /health, /ready, /capacity, and /console if it is on.".into())
}

fn line(text: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(text + "\n")
}

const UPGRADE_REMOVED: &str = "The header Upgrade of this WebSocket handshake is missing: a proxy on the way has removed it. Let the proxy pass on Upgrade and Connection (docs/proxies.md)";
const UPGRADE_MISSING: &str = "WebSocket connections go here: connect with a client. If a client sent this, a proxy on the way has removed the header Upgrade (docs/proxies.md)";

/// An ordinary request for the path of WebSocket connections.
pub async fn no_upgrade(request: HttpRequest) -> HttpResponse {
    upgrade_required(if was_handshake(&request) { UPGRADE_REMOVED } else { UPGRADE_MISSING })
}

/// Proxies without WebSocket support remove the hop-by-hop header and pass on the others.
fn was_handshake(request: &HttpRequest) -> bool {
    let headers = request.headers();
    [header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// An unknown path on a listener for clients.
pub async fn clients_not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = request.path();
    if path.contains("/app/") || path.ends_with("/app") {
        let mistake =
            socket_path::path_hint(path, &worker(&request).start_settings.path_prefix, |_, _| {
                false
            });
        return Err(ApiError::path_not_found_because(&request, &mistake));
    }
    backends_not_found(request).await
}

/// An unknown path on a listener for backends.
pub async fn backends_not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let prefix = &worker(&request).start_settings.path_prefix;
    if request.path().starts_with(prefix.as_str()) {
        return Err(ApiError::path_not_found(&request));
    }
    let mistake = format!("every path begins with path_prefix, which is \"{prefix}\"");
    Err(ApiError::path_not_found_because(&request, &mistake))
}
