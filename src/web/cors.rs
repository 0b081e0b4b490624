//! Cross-origin calls of the auth endpoints, from the origins that the application lists.
//!
//! Not a middleware, because which origins are allowed depends on the application, and that stands
//! in the body.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header};

use super::error::ApiError;
use crate::origins::Origins;

fn origin(request: &HttpRequest) -> Option<&str> {
    // One that cannot be read is still one, and not on any list.
    request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default())
}

/// The rule of the sockets holds here as well. Not reading the answer is not enough: a site whose
/// name is made to point at this server counts as the same origin to the browser.
pub fn check(request: &HttpRequest, origins: &Origins) -> Result<(), ApiError> {
    if origins.admits(origin(request)) {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "origin_not_allowed",
        "The page's origin is not among the app's origins (apps.ID.origins)",
    ))
}

/// Lets the page read the answer, if its origin is listed by one of the applications;
/// whether it is.
pub fn allow<'a>(
    response: &mut HttpResponseBuilder,
    request: &HttpRequest,
    mut candidates: impl Iterator<Item = &'a Origins>,
) -> bool {
    response.append_header((header::VARY, "Origin"));
    let listed = origin(request).filter(|origin| candidates.any(|origins| origins.lists(origin)));
    if let Some(origin) = listed {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        response.insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"));
    }
    listed.is_some()
}

/// Seconds for which a browser need not ask again.
const PREFLIGHT_AGE: &str = "600";

/// The question before the call has no body, so it is answered for all the applications that the
/// call may turn out to be for; the call itself is then judged by its own.
pub fn preflight<'a>(
    request: &HttpRequest,
    candidates: impl Iterator<Item = &'a Origins>,
) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    if allow(&mut response, request, candidates) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST"));
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE));
        if let Some(asked) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone()));
        }
    }
    response.finish()
}
