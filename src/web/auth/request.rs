//! A request to an auth endpoint: its app, its parameters, the checks of its client, its answer.

use std::{rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

use super::{
    audit::{AuthResponse, record_auth},
    body::AuthBody,
    fields::{Fields, app_key},
};
use crate::{
    app::App,
    auth::Credentials,
    domain::{ids::SocketId, refusal::RefusalCode},
    engine::{AppRuntime, counts::ALLOWED},
    web::{
        browser::{
            cors,
            credentials::credentials,
            page::ClientPage,
            refusal::{RefusedSubject, client_error_response},
        },
        context::{
            call_recorder::CallRecorder,
            worker::{Worker, worker},
        },
        http::{body::read_body, error::ApiError, query::Query},
    },
};

/// Far more than a request needs; strangers may send one.
const BODY_BYTES: usize = 16 * 1024;

/// A request to an auth endpoint, and its app.
pub struct AuthRequest {
    pub worker: Rc<Worker>,
    pub runtime: Arc<AppRuntime>,
    /// A snapshot of its settings for the whole request.
    pub app: Arc<App>,
    fields: Fields,
    takes_cookies: bool,
    pub credentials: Credentials,
    /// The result of the address's rate limit, if it was checked before the body was read.
    address: Option<Result<(), ApiError>>,
}

impl AuthRequest {
    pub async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, ApiError> {
        let worker = worker(request);
        let query = Query::of(request.uri())?;
        // If the app is known from the head, an address over its limit is refused before its body
        // is read.
        let mut address = None;
        if let Some((runtime, app)) = app_from_head(&worker, request, &query) {
            CallRecorder::of(request).app(&runtime);
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
        let body = read_body(request, payload, worker.body_limits(BODY_BYTES)).await?;
        let AuthBody { mut fields, takes_cookies } = AuthBody::read(request, &body)?;
        let (runtime, app) = resolve_app(&worker, request, app_key(&fields, &query)?)?;
        CallRecorder::of(request).app(&runtime);
        let mut claimed = |name| fields.remove(name).filter(|value| !value.is_empty());
        let credentials = Credentials {
            claimed_user_id: claimed("user_id"),
            claimed_user_info: claimed("user_info"),
            ..Credentials::default()
        };
        Ok(Self { worker, runtime, app, fields, takes_cookies, credentials, address })
    }

    pub fn field(&self, name: &str) -> Result<&str, ApiError> {
        let missing =
            || ApiError::new(RefusalCode::MissingParameter, format!("Missing parameter: {name}"));
        self.fields
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .ok_or_else(missing)
    }

    pub fn socket_id(&self) -> Result<SocketId, ApiError> {
        self.field("socket_id")?.parse().map_err(|e: crate::domain::ids::InvalidSocketId| {
            ApiError::new(RefusalCode::InvalidSocketId, e.to_string())
        })
    }

    pub fn note_refused(&self) {
        if let (Ok(socket), Ok(channel)) = (self.socket_id(), self.field("channel_name")) {
            self.worker.engine.note_reauth_refused(&self.runtime, socket, channel);
        }
    }

    /// Checks that apply to every request: limits, origin, credentials.
    pub fn check_client(&mut self, request: &HttpRequest) -> Result<(), ApiError> {
        let (worker, app) = (&self.worker, &self.app);
        let limited = &self.runtime.counts.limited;
        let entered = self.address.take();
        entered.unwrap_or_else(|| check_address_rate(worker, request, &self.runtime, app))?;
        let page = ClientPage::named(request)?;
        page.check_named(app)?;
        worker
            .client_rate_limits
            .check_socket(self.socket_id()?, app)
            .inspect_err(|_| limited.add("auth_per_socket"))?;
        let claimed = std::mem::take(&mut self.credentials);
        self.credentials = credentials(request, app, &page, claimed, self.takes_cookies)?;
        Ok(())
    }

    /// The rate limit of the user, once the user is known.
    pub fn check_user_rate(&self, user: &str) -> Result<(), ApiError> {
        let limited = &self.runtime.counts.limited;
        self.worker
            .client_rate_limits
            .check_user(user, &self.app)
            .inspect_err(|_| limited.add("auth_per_user"))
    }

    fn subject(&self) -> RefusedSubject<'_> {
        RefusedSubject {
            channel: self.fields.get("channel_name").map(String::as_str),
            socket: self.fields.get("socket_id").and_then(|id| id.parse().ok()),
        }
    }

    pub fn answer<G: AuthResponse>(
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
                client_error_response(response, engine, Some(app), self.subject(), error, note)
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
    let entered = worker.client_rate_limits.check_address(request, &worker.settings().proxies, app);
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
