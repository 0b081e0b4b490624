//! The server's own auth endpoints for clients (protocol.md 10).

mod grants;

use std::{collections::HashMap, rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

use super::{
    auth_audit::{AuthResponse, record_auth},
    auth_body::AuthBody,
    auth_error_response::auth_error_response,
    cors,
    credentials::credentials,
    error::ApiError,
    fields::{Fields, app_key},
    query::Query,
    request_metrics::Routes,
    verify::{read_body, worker},
    worker::Worker,
};
use grants::{ChannelGrant, UserGrant, authorize_channel, authorize_user};

use crate::{
    app::App,
    auth::Credentials,
    domain::{ids::SocketId, refusal::RefusalCode},
    engine::{AppRuntime, counts::ALLOWED},
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

fn with_preflight(resource: actix_web::Resource) -> actix_web::Resource {
    resource
        .route(web::route().guard(actix_web::guard::Options()).to(preflight))
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
    cors::preflight(&request, apps.iter().map(|app| &**app))
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
    auth_error_response(response, engine, None, &HashMap::new(), &error, |_| ())
}

/// Far more than a request needs; strangers may send one.
const BODY_BYTES: usize = 16 * 1024;

/// A request to an auth endpoint, and its app.
struct AuthRequest {
    worker: Rc<Worker>,
    runtime: Arc<AppRuntime>,
    /// A snapshot of its settings for the whole request.
    app: Arc<App>,
    fields: Fields,
    takes_cookies: bool,
    credentials: Credentials,
    /// The result of the address's rate limit, if it was checked before the body was read.
    address: Option<Result<(), ApiError>>,
}

impl AuthRequest {
    async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, ApiError> {
        let worker = worker(request);
        let query = Query::of(request.uri())?;
        // If the app is known from the head, an address over its limit is refused before its body
        // is read.
        let mut address = None;
        if let Some((runtime, app)) = app_from_head(&worker, request, &query) {
            let entered = check_address_rate(&worker, request, &runtime, &app);
            if entered.is_err() {
                let (fields, credentials) = (Fields::new(), Credentials::default());
                let (takes_cookies, address) = (false, Some(entered));
                return Ok(Self {
                    worker,
                    runtime,
                    app,
                    fields,
                    takes_cookies,
                    credentials,
                    address,
                });
            }
            address = Some(entered);
        }
        let body = read_body(request, payload, BODY_BYTES).await?;
        let AuthBody { mut fields, takes_cookies } = AuthBody::read(request, &body)?;
        let (runtime, app) = resolve_app(&worker, request, app_key(&fields, &query)?)?;
        let mut claimed = |name| fields.remove(name).filter(|value| !value.is_empty());
        let credentials = Credentials {
            claimed_user_id: claimed("user_id"),
            claimed_user_info: claimed("user_info"),
            ..Credentials::default()
        };
        Ok(Self { worker, runtime, app, fields, takes_cookies, credentials, address })
    }

    fn field(&self, name: &str) -> Result<&str, ApiError> {
        let missing =
            || ApiError::new(RefusalCode::MissingParameter, format!("Missing parameter: {name}"));
        self.fields
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .ok_or_else(missing)
    }

    fn socket_id(&self) -> Result<SocketId, ApiError> {
        self.field("socket_id")?.parse().map_err(|e: crate::domain::ids::InvalidSocketId| {
            ApiError::new(RefusalCode::InvalidSocketId, e.to_string())
        })
    }

    fn note_refused(&self) {
        if let (Ok(socket), Ok(channel)) = (self.socket_id(), self.field("channel_name")) {
            self.worker.engine.note_reauth_refused(&self.runtime, socket, channel);
        }
    }

    /// Checks that apply to every request: limits, origin, credentials.
    fn check_client(&mut self, request: &HttpRequest) -> Result<(), ApiError> {
        let (worker, app) = (&self.worker, &self.app);
        let limited = &self.runtime.counts.limited;
        let entered = self.address.take();
        entered.unwrap_or_else(|| check_address_rate(worker, request, &self.runtime, app))?;
        cors::check(request, app)?;
        worker
            .client_rate_limits
            .check_socket(self.socket_id()?, app)
            .inspect_err(|_| limited.add("auth_per_socket"))?;
        let claimed = std::mem::take(&mut self.credentials);
        self.credentials = credentials(request, app, claimed, self.takes_cookies)?;
        Ok(())
    }

    /// The rate limit of the user, once the user is known.
    fn check_user_rate(&self, user: &str) -> Result<(), ApiError> {
        let limited = &self.runtime.counts.limited;
        self.worker
            .client_rate_limits
            .check_user(user, &self.app)
            .inspect_err(|_| limited.add("auth_per_user"))
    }

    fn answer<G: AuthResponse>(
        &self,
        request: &HttpRequest,
        answer: Result<G, ApiError>,
    ) -> HttpResponse {
        let (engine, app) = (&self.worker.engine, &*self.app);
        let status = answer.as_ref().map_or_else(ApiError::status_code, |_| StatusCode::OK);
        let mut response = HttpResponse::build(status);
        cors::allow(&mut response, request, std::iter::once(app));
        let counts = &self.runtime.counts;
        let answers = if G::FOR_CHANNEL { &counts.channel_auth } else { &counts.user_auth };
        answers.add(answer.as_ref().err().map_or(ALLOWED, |error| error.code().name()));
        let note = |refusal| record_auth(engine, app, &self.fields, &answer, refusal);
        match &answer {
            Ok(grant) => {
                note(None);
                // The response contains secrets and must not be cached on its way.
                response.insert_header((header::CACHE_CONTROL, "no-store"));
                // Keeps browsers from running the response as a script.
                response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff")).json(grant)
            }
            Err(error) => {
                auth_error_response(response, engine, Some(app), &self.fields, error, note)
            }
        }
    }
}

/// Counts a request against the limit of the client's address.
fn check_address_rate(
    worker: &Worker,
    request: &HttpRequest,
    runtime: &AppRuntime,
    app: &App,
) -> Result<(), ApiError> {
    let entered = worker.client_rate_limits.check_address(request, &worker.settings(), app);
    entered.inspect_err(|_| runtime.counts.limited.add("auth_per_ip"))
}

/// The app, if path and query determine it and the body cannot say otherwise.
fn app_from_head(
    worker: &Worker,
    request: &HttpRequest,
    query: &Query,
) -> Option<(Arc<AppRuntime>, Arc<App>)> {
    let runtimes = worker.engine.runtimes();
    let runtime = match request.match_info().get("app") {
        Some(id) => runtimes.by_id(id),
        None => query.first("app_key").map_or(runtimes.only(), |key| runtimes.by_key(key)),
    }?;
    let app = runtime.app_snapshot();
    app.enabled.then(|| (runtime.clone(), app))
}

/// The app of the path or of `app_key`, or the only one.
fn resolve_app(
    worker: &Worker,
    request: &HttpRequest,
    key: Option<&str>,
) -> Result<(Arc<AppRuntime>, Arc<App>), ApiError> {
    let runtimes = worker.engine.runtimes();
    let found = match (request.match_info().get("app"), key) {
        (Some(id), _) => runtimes.by_id(id).ok_or_else(|| format!("There is no app {id} here")),
        (None, Some(key)) => {
            runtimes.by_key(key).ok_or_else(|| "There is no app with this app_key here".to_owned())
        }
        (None, None) => runtimes.only().ok_or_else(|| {
            "There are several apps here: add the parameter app_key, or use /apps/{id}/auth/..."
                .to_owned()
        }),
    };
    let runtime = found.map_err(|message| ApiError::new(RefusalCode::UnknownApp, message))?;
    let app = runtime.app_snapshot();
    if !app.enabled {
        return Err(ApiError::new(RefusalCode::AppDisabled, "The app is disabled"));
    }
    Ok((runtime.clone(), app))
}
