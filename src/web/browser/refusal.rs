//! Refusals of clients: the cause stays in the log, unless the app explains.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};

use crate::{
    app::App,
    domain::ids::SocketId,
    engine::{
        Engine,
        refusal_message::{RefusalCause, RefusedRequest},
    },
    observe::explain::RefusalId,
    web::http::error::ApiError,
};

/// What the client named.
#[derive(Clone, Copy, Default)]
pub struct RefusedSubject<'a> {
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
}

/// `note`: receives the id for the audit log.
pub fn client_error_response(
    mut response: HttpResponseBuilder,
    engine: &Engine,
    app: Option<&App>,
    subject: RefusedSubject<'_>,
    error: &ApiError,
    note: impl FnOnce(Option<RefusalId>),
) -> HttpResponse {
    let RefusedSubject { channel, socket } = subject;
    let refused = RefusedRequest { code: error.code(), channel, socket };
    let explained = engine.refuse(app, &refused, || RefusalCause::of(error));
    note(explained.id);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(seconds) = error.retry_after() {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    let mut body = error.body();
    (body.error, body.code) = (&explained.message, explained.code);
    (body.fix, body.id) = (explained.fix, explained.id);
    response.json(body)
}
