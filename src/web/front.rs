//! Answers for those who come without a client: a browser that is pointed at the server, a probe, or
//! a proxy that has made an ordinary request of a WebSocket handshake.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{self, ContentType, HeaderValue},
};

use super::{error::ApiError, socket_path, verify::worker};

/// `GET /` where clients connect.
pub async fn of_clients(request: HttpRequest) -> HttpResponse {
    let prefix = &worker(&request).settings().path_prefix;
    line(format!("This is Sealcast. WebSocket connections go to {prefix}/app/KEY."))
}

/// `GET /` where backends ask.
pub async fn of_backends(request: HttpRequest) -> HttpResponse {
    let prefix = &worker(&request).settings().path_prefix;
    line(format!("This is Sealcast. The HTTP API is at {prefix}/apps/ID/."))
}

/// `GET /` for operators.
pub async fn of_operations() -> HttpResponse {
    line("This is Sealcast, for operators: /metrics, /stats, /health, /ready and /capacity.".into())
}

fn line(text: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(text + "\n")
}

const LOST: &str = "The header Upgrade of this WebSocket handshake is missing: a proxy on the way has removed it. Let the proxy pass on Upgrade and Connection (docs/proxies.md)";
const PLAIN: &str = "WebSocket connections go here: connect with a client. If a client sent this, a proxy on the way has removed the header Upgrade (docs/proxies.md)";

/// A request for a WebSocket's path that is no handshake.
pub async fn no_upgrade(request: HttpRequest) -> HttpResponse {
    upgrade_required(if was_handshake(&request) { LOST } else { PLAIN })
}

/// With the header that says what to upgrade to. Over HTTP/2, which has none, the HTTP library
/// leaves it out.
pub fn upgrade_required(message: &str) -> HttpResponse {
    let mut answer = ApiError::upgrade_required(message).error_response();
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer
}

/// Proxies that do not know WebSockets remove the header of this hop and pass on the others.
fn was_handshake(request: &HttpRequest) -> bool {
    let headers = request.headers();
    [header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Any other path where clients connect.
pub async fn nothing(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = request.path();
    if path.contains("/app/") || path.ends_with("/app") {
        let mistake =
            socket_path::mistake(path, &worker(&request).settings().path_prefix, |_, _| false);
        return Err(ApiError::no_such_path(&request, &mistake));
    }
    nothing_of_backends(request).await
}

/// Any other path where backends alone ask.
pub async fn nothing_of_backends(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let prefix = &worker(&request).settings().path_prefix;
    if request.path().starts_with(prefix.as_str()) {
        return Err(ApiError::nothing_here(&request));
    }
    let mistake = format!("every path begins with path_prefix, which is \"{prefix}\"");
    Err(ApiError::no_such_path(&request, &mistake))
}
