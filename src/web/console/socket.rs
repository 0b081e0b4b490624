//! `GET /console/socket`: what is live in the console. Lists and actions are requests to the admin
//! API.

mod connection;
mod feed;
mod frames;
mod request;
mod reveal;
#[cfg(test)]
mod tests;
mod watches;

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::{Console, access, name, session::SocketPermit};
use crate::{
    domain::refusal::RefusalCode,
    web::{
        context::worker::worker,
        http::{
            error::{ApiError, upgrade_required},
            methods,
        },
        ops::live::socket_handle,
    },
};
use connection::PageConnection;

/// Of one message from a browser.
const MESSAGE_BYTES: usize = 64 * 1024;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(methods::get(web::resource("/socket"), open));
}

async fn open(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    let console = Console::of(&request);
    let session = access::session(&request, console)?;
    if !request.headers().contains_key(header::UPGRADE) {
        return Ok(upgrade_required(
            "This is the WebSocket of the console's pages, and this request has no header Upgrade: a proxy in front has to pass it on",
        ));
    }
    let worker = worker(&request);
    if worker.engine.hub.is_draining() {
        return Err(ApiError::new(RefusalCode::ShuttingDown, "The server is shutting down"));
    }
    let permit = SocketPermit::of(&session).ok_or_else(|| {
        let message = "This session has eight open pages, which is the limit: close one of them";
        ApiError::new(RefusalCode::TooManyWatchers, message)
    })?;
    let (mut answer, out, messages) = actix_ws::handle(&request, payload).map_err(|error| {
        let message = format!("This is no valid WebSocket handshake: {error}");
        ApiError::new(RefusalCode::BadHandshake, message)
    })?;
    // A browser that offers protocols wants one of them.
    if request.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        let protocol = header::HeaderValue::from_static(access::PROTOCOL);
        answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let messages = messages
        .max_frame_size(MESSAGE_BYTES)
        .aggregate_continuations()
        .max_continuation_size(MESSAGE_BYTES);
    let by = name(session.number);
    let connection = PageConnection::new(console.clone(), worker, session, by, out);
    let handle = socket_handle::of(&request);
    actix_rt::spawn(async move {
        connection.run(messages).await;
        // Also ends the connection of a browser that reads nothing.
        handle.inspect(socket_handle::SocketHandle::shut_down);
        drop(permit);
    });
    Ok(answer)
}
