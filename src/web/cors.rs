//! Cross-origin calls of the auth endpoints, from the origins that the application lists.
//!
//! Not a middleware, because which origins are allowed depends on the application, and that stands
//! in the body.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderName},
};

use super::{
    error::ApiError,
    headers::{Twice, single},
};
use crate::{
    app::App,
    origins::{Origins, advice},
    refusal::RefusalCode,
};

/// One that cannot be read is still one, and not on any list.
fn origin(request: &HttpRequest) -> Result<Option<&str>, Twice> {
    single(request.headers(), header::ORIGIN)
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rule of the sockets holds here as well. Not reading the answer is not enough: a site whose
/// name is made to point at this server counts as the same origin to the browser.
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

/// Cookies come with every request that a browser makes, whoever made it make one: they count only
/// if it says that the page is one that the application lists, letter by letter, and of this site.
pub fn trusts_cookies(request: &HttpRequest, origins: &Origins) -> Result<(), ApiError> {
    let refused = |message: &str| Err(ApiError::new(RefusalCode::CookieNotAccepted, message));
    if !origin(request)?.is_some_and(|origin| origins.lists_exactly(origin)) {
        return refused(
            "a cookie is believed only of a page whose origin is listed exactly, without *",
        );
    }
    // Browsers leave it out on connections without TLS; then the origin has to do.
    match single(request.headers(), SEC_FETCH_SITE)? {
        None | Some("same-origin" | "same-site") => Ok(()),
        Some(_) => refused("a cookie is not believed of a page of another site"),
    }
}

/// Lets the page read the answer, if its origin is listed by one of the applications, and send its
/// cookies, if that application reads them; whether it is listed.
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

/// Seconds for which a browser need not ask again.
const PREFLIGHT_AGE: &str = "600";

/// The question before the call has no body, so it is answered for all the applications that the
/// call may turn out to be for; the call itself is then judged by its own.
pub fn preflight<'a>(
    request: &HttpRequest,
    candidates: impl Iterator<Item = &'a App>,
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
