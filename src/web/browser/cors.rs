//! CORS for the origins in the app's list.
//!
//! Not a middleware: the allowed origins depend on the app, and the app on the request.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};

use crate::{app::App, web::http::headers::single};

/// An unreadable value counts as an origin that is on no list.
fn origin(request: &HttpRequest) -> Option<&str> {
    single(request.headers(), header::ORIGIN).ok().flatten()
}

/// The permission to read a response across origins.
#[derive(Clone, Default)]
pub struct CorsPermission {
    /// `None` if no app lists the page's origin.
    origin: Option<HeaderValue>,
    /// The page may send its cookies.
    credentials: bool,
}

impl CorsPermission {
    /// Lets a page of a listed origin read the response, and send its cookies if the app reads
    /// them.
    pub fn of<'a>(request: &HttpRequest, candidates: impl Iterator<Item = &'a App>) -> Self {
        let Some(origin) = origin(request) else { return Self::default() };
        let listing: Vec<&App> = candidates.filter(|app| app.origins.lists(origin)).collect();
        let cookies =
            |app: &&App| app.authorizer.reads().any_cookie() && app.origins.lists_exactly(origin);
        let credentials = listing.iter().any(cookies);
        let origin = HeaderValue::from_str(origin).ok().filter(|_| !listing.is_empty());
        Self { origin, credentials }
    }

    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let vary = (header::VARY, HeaderValue::from_static("Origin"));
        let origin = self.origin.clone().map(|o| (header::ACCESS_CONTROL_ALLOW_ORIGIN, o));
        let credentials = self
            .credentials
            .then(|| (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        [vary].into_iter().chain(origin).chain(credentials)
    }

    pub fn is_given(&self) -> bool {
        self.origin.is_some()
    }
}

/// Adds the permission to a response. `Vary` is appended.
pub fn allow<'a>(
    response: &mut HttpResponseBuilder,
    request: &HttpRequest,
    candidates: impl Iterator<Item = &'a App>,
) -> bool {
    let permission = CorsPermission::of(request, candidates);
    for header in permission.headers() {
        response.append_header(header);
    }
    permission.is_given()
}

/// Adds headers to a finished response.
pub fn add(headers: &mut HeaderMap, more: impl Iterator<Item = (HeaderName, HeaderValue)>) {
    for (name, value) in more {
        headers.append(name, value);
    }
}

/// Seconds for which a browser may cache the preflight.
const PREFLIGHT_AGE: &str = "600";

/// The headers that a page may send.
#[derive(Clone, Copy)]
pub enum AllowedHeaders {
    /// Those it asks for: backends in front of an auth endpoint have headers of their own.
    AsRequested,
    These(&'static str),
}

/// What pages may do on a route.
#[derive(Clone, Copy)]
pub struct CorsRoute<'a> {
    pub methods: &'a str,
    pub headers: AllowedHeaders,
}

/// The preflight has no body, so it is answered for all apps that the call may be for; the call
/// itself is judged by its own app.
pub fn preflight<'a>(
    request: &HttpRequest,
    candidates: impl Iterator<Item = &'a App>,
    route: CorsRoute<'_>,
) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    if allow(&mut response, request, candidates) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, route.methods));
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE));
        let requested = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let allowed = match route.headers {
            AllowedHeaders::AsRequested => requested.cloned(),
            AllowedHeaders::These(names) => Some(HeaderValue::from_static(names)),
        };
        if let Some(allowed) = allowed {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, allowed));
        }
    }
    response.finish()
}
