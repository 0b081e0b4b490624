//! The server's own auth endpoints for clients (protocol.md 10).

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, Resource, guard, http::header, web};

use super::{
    audit::AuthResponse,
    grants::{ChannelGrant, UserGrant, authorize_channel, authorize_user},
    request::AuthRequest,
};
use crate::{
    domain::refusal::RefusalCode,
    web::{
        browser::{
            cors::{self, AllowedHeaders, CorsRoute},
            refusal::{RefusedSubject, client_error_response},
        },
        context::{request_metrics::Routes, worker::worker},
        http::error::ApiError,
    },
};

pub fn routes(routes: &mut Routes<'_>) {
    for path in
        ["/apps/{app}/auth/channel", "/pusher/auth", "/jetsocket/auth", "/broadcasting/auth"]
    {
        routes.resource_or_slash(path, |resource| {
            with_preflight(resource).route(web::post().to(channel))
        });
    }
    for path in [
        "/apps/{app}/auth/user",
        "/pusher/user-auth",
        "/jetsocket/user-auth",
        "/broadcasting/user-auth",
    ] {
        routes.resource_or_slash(path, |resource| {
            with_preflight(resource).route(web::post().to(user))
        });
    }
}

fn with_preflight(resource: Resource) -> Resource {
    resource
        .route(web::route().guard(guard::Options()).to(preflight))
        .default_service(web::to(method_not_allowed))
}

async fn method_not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "POST")).json(HashMap::from([
        (
            "error",
            "Send authorization requests with POST (transport \"ajax\"); JSONP is not supported",
        ),
        ("code", RefusalCode::MethodNotAllowed.name()),
    ]))
}

async fn preflight(request: HttpRequest) -> HttpResponse {
    let worker = worker(&request);
    let named = request.match_info().get("app");
    let runtimes = worker.engine.runtimes();
    let candidates =
        runtimes.iter().filter(|runtime| named.is_none_or(|named| *runtime.id == *named));
    let apps: Vec<_> = candidates.map(|runtime| runtime.app_snapshot()).collect();
    let route = CorsRoute { methods: "POST", headers: AllowedHeaders::AsRequested };
    cors::preflight(&request, apps.iter().map(|app| &**app), route)
}

async fn channel(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match AuthRequest::read(&request, payload).await {
        Ok(mut auth_request) => {
            let answer = match auth_request.check_client(&request) {
                Ok(()) => authorize_channel(&auth_request).await,
                Err(error) => Err(error),
            };
            if answer.is_err() {
                auth_request.note_refused();
            }
            auth_request.answer(&request, answer)
        }
        Err(error) => unparsed_request_response::<ChannelGrant>(&request, error),
    }
}

async fn user(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match AuthRequest::read(&request, payload).await {
        Ok(mut auth_request) => {
            let answer = match auth_request.check_client(&request) {
                Ok(()) => authorize_user(&auth_request).await,
                Err(error) => Err(error),
            };
            auth_request.answer(&request, answer)
        }
        Err(error) => unparsed_request_response::<UserGrant>(&request, error),
    }
}

/// Responds to a request that cannot be parsed; even its app may be unknown.
fn unparsed_request_response<G: AuthResponse>(
    request: &HttpRequest,
    error: ApiError,
) -> HttpResponse {
    let engine = &worker(request).engine;
    let counts = &engine.counts;
    let answers = if G::FOR_CHANNEL { &counts.channel_auth } else { &counts.user_auth };
    answers.add(error.code().name());
    let mut response = HttpResponse::build(error.status_code());
    let apps: Vec<_> = engine.runtimes().iter().map(|runtime| runtime.app_snapshot()).collect();
    cors::allow(&mut response, request, apps.iter().map(|app| &**app));
    client_error_response(response, engine, None, RefusedSubject::default(), &error, |_| ())
}
