//! The headers of every answer of the client API.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};

use crate::{app::App, web::browser::cors::CorsPermission};

/// The headers of all answers to one request, in a plain form for answers that the HTTP library
/// does not write.
#[derive(Clone, Default)]
pub struct ClientHeaders {
    cors: CorsPermission,
}

/// What a page may read of an answer, besides its body.
const EXPOSED: HeaderValue = HeaderValue::from_static("ETag, Retry-After");

impl ClientHeaders {
    pub fn of(request: &HttpRequest, app: Option<&App>) -> Self {
        Self { cors: CorsPermission::of(request, app.into_iter()) }
    }

    pub fn iter(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let exposed = self.cors.is_given().then_some(EXPOSED);
        let exposed = exposed.map(|names| (header::ACCESS_CONTROL_EXPOSE_HEADERS, names));
        // An answer may hold what only its reader may see, and must never run as a script.
        let always = [
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        self.cors.headers().chain(exposed).chain(always)
    }
}
