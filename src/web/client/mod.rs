//! A request of the client API, `/app/{key}/...`: to clients what a `SignedRequest` is to backends.
//! Handlers get the app only with the page, the address and the credentials looked at.

mod channels;
mod headers;
mod public_channels;
mod rates;
mod request;
mod tickets;

pub use headers::ClientHeaders;
pub use request::Client;
pub use tickets::last_event_id;

use actix_web::{
    HttpRequest, HttpResponse, Resource, ResponseError as _, Route, guard, http::header, web,
};
use percent_encoding::percent_decode_str;

use super::{
    browser::cors::{self, AllowedHeaders, CorsRoute},
    context::worker::worker,
    http::error::ApiError,
};

/// The headers that pages may send.
const HEADERS: &str = "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID";

/// GET, and HEAD: the HTTP library leaves the body out.
pub fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A resource of the client API: preflights for its methods, and 405 for others.
pub fn resource(resource: Resource, methods: &'static str) -> Resource {
    let preflight = move |request: HttpRequest| async move { preflight(&request, methods) };
    let other = move |request: HttpRequest| async move {
        let mut refused = ApiError::method_not_allowed(&request, methods).error_response();
        refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(methods));
        cors::add(refused.headers_mut(), ClientHeaders::of(&request, None).iter());
        refused
    };
    resource
        .route(web::route().guard(guard::Options()).to(preflight))
        .default_service(web::to(other))
}

fn preflight(request: &HttpRequest, methods: &'static str) -> HttpResponse {
    let worker = worker(request);
    let key = app_key(request);
    let app = worker.engine.runtimes().by_key(&key).map(|runtime| runtime.app_snapshot());
    let route = CorsRoute { methods, headers: AllowedHeaders::These(HEADERS) };
    cors::preflight(request, app.iter().map(|app| &**app), route)
}

fn app_key(request: &HttpRequest) -> String {
    path_part(request, "key").unwrap_or_default()
}

/// A part of the path. What is not UTF-8 becomes a character that no name has.
fn path_part(request: &HttpRequest, name: &str) -> Option<String> {
    let part = request.match_info().get(name)?;
    Some(percent_decode_str(part).decode_utf8_lossy().into_owned())
}
