//! Error responses of the auth endpoints.

use std::collections::HashMap;

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};

use super::error::ApiError;
use crate::{
    app::App,
    engine::{
        Engine,
        refusing::{Refused, Why},
    },
    explain::RefusalId,
};

/// `fields`: the parameters sent by the client. `note`: receives the id for the audit log.
pub fn refuse(
    mut response: HttpResponseBuilder,
    engine: &Engine,
    app: Option<&App>,
    fields: &HashMap<String, String>,
    error: &ApiError,
    note: impl FnOnce(Option<RefusalId>),
) -> HttpResponse {
    let refused = Refused {
        code: error.code(),
        channel: fields.get("channel_name").map(String::as_str),
        socket: fields.get("socket_id").and_then(|id| id.parse().ok()),
    };
    let told = engine.refuse(app, &refused, || Why::of(error));
    note(told.id);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(seconds) = error.retry_after() {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    let mut body = error.body();
    (body.error, body.code) = (&told.message, told.code);
    (body.fix, body.id) = (told.fix, told.id);
    response.json(body)
}
