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
    let reads = guard::Any(guard::Get()).or(guard::Head());
    resource.route(web::route().guard(reads).to(handler)).default_service(others("GET, HEAD"))
}

pub fn post<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource.route(web::post().to(handler)).default_service(others("POST"))
}

fn others(allowed: &'static str) -> Route {
    web::to(move |request: HttpRequest| async move { not_allowed(&request, allowed) })
}

fn not_allowed(request: &HttpRequest, allowed: &'static str) -> HttpResponse {
    let mut answer = ApiError::method_not_allowed(request, allowed).error_response();
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
