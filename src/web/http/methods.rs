//! Routes by method, with 405 and `Allow` for other methods.

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError as _,
    Route, guard,
    http::header::{ALLOW, HeaderValue},
    web,
};

use super::error::ApiError;

/// HEAD is served as well, as many probes send it: the HTTP library leaves the body out.
pub fn get<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource.route(reads().to(handler)).default_service(others("GET, HEAD"))
}

pub fn get_or_delete<F, A, G, B>(resource: Resource, get: F, delete: G) -> Resource
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
    G: Handler<B>,
    B: FromRequest + 'static,
    G::Output: Responder + 'static,
{
    let resource = resource.route(reads().to(get)).route(web::delete().to(delete));
    resource.default_service(others("GET, HEAD, DELETE"))
}

/// The path of WebSocket connections, whose handshake is a GET request.
pub fn handshake<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = web::to(|request: HttpRequest| async move {
        with_allow(ApiError::handshake_is_a_get(&request), "GET, HEAD")
    });
    resource.route(reads().to(handler)).default_service(other)
}

/// GET and HEAD.
pub fn reads() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

pub fn post<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource.route(web::post().to(handler)).default_service(others("POST"))
}

/// 405 for all other methods.
pub fn others(allowed: &'static str) -> Route {
    web::to(move |request: HttpRequest| async move {
        with_allow(ApiError::method_not_allowed(&request, allowed), allowed)
    })
}

fn with_allow(error: ApiError, allowed: &'static str) -> HttpResponse {
    let mut answer = error.error_response();
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
