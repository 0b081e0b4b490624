//! CORS for the auth endpoints, for the origins in the app's list.
//!
//! Not a middleware: the allowed origins depend on the app, and the app on the body.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderName},
};

use crate::{
    app::App,
    domain::{
        origins::{Origins, advice},
        refusal::RefusalCode,
    },
    web::http::{
        error::ApiError,
        headers::{DuplicateHeader, single},
    },
};

/// An unreadable value counts as an origin that is on no list.
fn origin(request: &HttpRequest) -> Result<Option<&str>, DuplicateHeader> {
    single(request.headers(), header::ORIGIN)
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origin rule of connections applies here as well. Hiding the response is not enough: a site
/// whose name points at this server has the same origin to the browser.
pub fn check(request: &HttpRequest, app: &App) -> Result<(), ApiError> {
    let from = origin(request)?;
    if app.origins.admits(from) {
        return Ok(());
    }
    let from = from.unwrap_or_default();
    Err(ApiError::new(
        RefusalCode::OriginNotAllowed,
        format!(
            "The page's origin is not among the app's origins (apps.ID.origins): {}",
            advice(from, &app.id)
        ),
    ))
}

/// Browsers add cookies to every request, even to one caused by a foreign page. So cookies count
/// only if the request names a page of this site that the app lists exactly.
pub fn trusts_cookies(request: &HttpRequest, origins: &Origins) -> Result<(), ApiError> {
    let refused = |message: &str| Err(ApiError::new(RefusalCode::CookieNotAccepted, message));
    if !origin(request)?.is_some_and(|origin| origins.lists_exactly(origin)) {
        return refused(
            "a cookie counts only from a page whose origin is listed exactly, without *",
        );
    }
    // Browsers omit the header on connections without TLS; the origin has to do then.
    match single(request.headers(), SEC_FETCH_SITE)? {
        None | Some("same-origin" | "same-site") => Ok(()),
        Some(_) => refused("a cookie does not count from a page of another site"),
    }
}

/// Lets a page of a listed origin read the response, and send its cookies if the app reads them.
/// Returns true if an app lists the origin.
pub fn allow<'a>(
    response: &mut HttpResponseBuilder,
    request: &HttpRequest,
    candidates: impl Iterator<Item = &'a App>,
) -> bool {
    response.append_header((header::VARY, "Origin"));
    let Ok(Some(origin)) = origin(request) else { return false };
    let listing: Vec<&App> = candidates.filter(|app| app.origins.lists(origin)).collect();
    if listing.is_empty() {
        return false;
    }
    response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
    let cookies =
        |app: &&App| app.authorizer.reads().any_cookie() && app.origins.lists_exactly(origin);
    if listing.iter().any(cookies) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"));
    }
    true
}

/// Seconds for which a browser may cache the preflight.
const PREFLIGHT_AGE: &str = "600";

/// The preflight has no body, so it is answered for all apps that the call may be for; the call
/// itself is judged by its own app.
pub fn preflight<'a>(
    request: &HttpRequest,
    candidates: impl Iterator<Item = &'a App>,
) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    if allow(&mut response, request, candidates) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST"));
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE));
        if let Some(requested) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone()));
        }
    }
    response.finish()
}
