//! Error responses of the auth endpoints.

use std::collections::HashMap;

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};

use crate::{
    app::App,
    engine::{
        Engine,
        refusal_message::{RefusalCause, RefusedRequest},
    },
    observe::explain::RefusalId,
    web::http::error::ApiError,
};

/// `fields`: the parameters sent by the client. `note`: receives the id for the audit log.
pub fn auth_error_response(
    mut response: HttpResponseBuilder,
    engine: &Engine,
    app: Option<&App>,
    fields: &HashMap<String, String>,
    error: &ApiError,
    note: impl FnOnce(Option<RefusalId>),
) -> HttpResponse {
    let refused = RefusedRequest {
        code: error.code(),
        channel: fields.get("channel_name").map(String::as_str),
        socket: fields.get("socket_id").and_then(|id| id.parse().ok()),
    };
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
