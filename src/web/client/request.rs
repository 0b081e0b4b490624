//! The extractor.

use std::{cell::Cell, future::Future, net::IpAddr, pin::Pin, rc::Rc, sync::Arc};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    error::InternalError,
    http::{Method, header},
    web,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{app_key, headers::ClientHeaders, path_part, public_channels};
use crate::{
    app::App,
    auth::{Ability, Authorizer, Credentials, Denied, Grant, jwt::InvalidToken},
    crypto::encoding::hex,
    domain::{channel::Channel, refusal::RefusalCode},
    engine::{AppRuntime, Engine},
    platform::traces::Span,
    web::{
        browser::{
            credentials::credentials,
            page::ClientPage,
            refusal::{RefusedSubject, client_error_response},
        },
        context::worker::{Worker, worker},
        http::{
            body::{read_body, unreadable},
            error::ApiError,
            headers::single,
            query::Query,
        },
    },
};

/// A request of a client, and its app.
pub struct Client {
    pub worker: Rc<Worker>,
    pub runtime: Arc<AppRuntime>,
    /// A snapshot of its settings for the whole request.
    pub app: Arc<App>,
    pub query: Query,
    /// The channel in the path, as it was sent.
    path_channel: Option<String>,
    /// Empty for GET, HEAD and DELETE.
    pub body: Bytes,
    pub credentials: Credentials,
    page: ClientPage,
    /// True if the request's origin is known; otherwise its credentials have to verify.
    is_listed: bool,
    headers: ClientHeaders,
    /// `None` if it is unknown.
    pub(super) address: Option<IpAddr>,
    /// The user's rate counts a request once, however many channels it names.
    user_counted: Cell<bool>,
}

/// A page may name 100 channels, and has some parameters beside them.
const MAX_PARAMETERS: usize = 120;
/// More than any request but an event needs.
const MIN_BODY_BYTES: usize = 32 * 1024;
/// Bytes of JSON that one byte of an event's data may take, escaped.
const ESCAPED_BYTES: usize = 6;

impl Client {
    pub fn engine(&self) -> &Arc<Engine> {
        &self.worker.engine
    }

    /// The page that asks, as far as it is known.
    pub fn page(&self) -> &ClientPage {
        &self.page
    }

    /// For answers that the HTTP library does not write.
    pub fn headers(&self) -> &ClientHeaders {
        &self.headers
    }

    pub fn path_channel(&self) -> Result<Channel, ApiError> {
        self.channel(self.path_channel.as_deref().unwrap_or_default())
    }

    /// Decides whether the client may use the channel in this way.
    pub async fn decide(&self, channel: &Channel, ability: Ability) -> Result<Grant, ApiError> {
        let grant = self.grant(channel).await?;
        if !self.is_listed && !self.has_verified(channel) {
            return Err(self.page.unproven(&self.app));
        }
        self.refuse_revoked(channel, &grant)?;
        let grant = grant.with(ability, channel)?;
        if let Some(user) = &grant.user_id {
            self.check_user_rate(user)?;
        }
        Ok(grant)
    }

    async fn grant(&self, channel: &Channel) -> Result<Grant, Denied> {
        let (app, clock) = (&*self.app, &self.engine().clock);
        if !channel.kind().needs_authorization() {
            return public_channels::decide(app, &self.credentials, channel, clock).await;
        }
        let span = Span::authorize(&app.id, app.authorizer.name());
        let grant = span.around(app.decide_channel(&self.credentials, None, channel, clock)).await;
        span.outcome(grant.is_ok());
        grant
    }

    /// Asked after a grant: true if a token that a page has to know was looked at. A cookie is none,
    /// since a browser adds it.
    pub fn has_verified(&self, channel: &Channel) -> bool {
        if self.credentials.bearer.is_none() {
            return false;
        }
        self.app.access.find_in(&self.credentials).is_some()
            || match &*self.app.authorizer {
                Authorizer::Deny | Authorizer::Open => false,
                Authorizer::Jwt(_) => true,
                Authorizer::Forward(forward) => {
                    forward.passes_bearer() && channel.kind().needs_authorization()
                }
            }
    }

    /// A name for a client without a user. No user id begins with a zero byte.
    pub fn owner_of(&self, bearer: &str) -> String {
        format!("\0{}", hex(&Sha256::digest(bearer)))
    }

    /// To be asked once more after an await, and before the answer.
    pub fn refuse_revoked(&self, channel: &Channel, grant: &Grant) -> Result<(), ApiError> {
        let user = grant.user_id.as_deref();
        if let Some(user) = user.filter(|user| self.app.is_revoked(channel, user, grant.as_of)) {
            return Err(ApiError::revoked(user, channel));
        }
        match &grant.token {
            Some(token) if self.app.access.revoked.contains(token) => {
                Err(Denied::from(InvalidToken::Revoked).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_user_rate(&self, user: &str) -> Result<(), ApiError> {
        if self.user_counted.replace(true) {
            return Ok(());
        }
        let limits = &self.worker.client_rate_limits;
        limits
            .check_user(user, &self.app)
            .inspect_err(|_| self.runtime.counts.limited.add("auth_per_user"))
    }

    /// The answer with the headers of the client API.
    pub fn answer(&self, answer: Result<HttpResponse, ApiError>) -> HttpResponse {
        self.answer_about(self.path_channel.as_deref(), answer)
    }

    /// The same, for a channel that the path does not name.
    pub fn answer_about(
        &self,
        channel: Option<&str>,
        answer: Result<HttpResponse, ApiError>,
    ) -> HttpResponse {
        let mut response = answer.unwrap_or_else(|error| {
            let response = HttpResponse::build(error.status_code());
            let subject = RefusedSubject { channel, socket: None };
            client_error_response(response, self.engine(), Some(&self.app), subject, &error, |_| ())
        });
        finish(&mut response, &self.headers);
        response
    }

    async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, ApiError> {
        let worker = worker(request);
        let (runtime, app) = resolve_app(&worker, request)?;
        let (limits, proxies) = (&worker.client_rate_limits, worker.settings().proxies.clone());
        let entered = limits.check_address(request, &proxies, &app);
        entered.inspect_err(|_| runtime.counts.limited.add("auth_per_ip"))?;
        let query = Query::within(request.uri(), MAX_PARAMETERS)?;
        let page = match *request.method() {
            Method::GET | Method::HEAD => ClientPage::of(request)?,
            _ => ClientPage::named(request)?,
        };
        page.check_named(&app)?;
        let credentials = credentials(request, &app, &page, Credentials::default(), true)?;
        let body = match *request.method() {
            Method::GET | Method::HEAD | Method::DELETE => Bytes::new(),
            _ => read_json(&worker, &app, request, payload).await?,
        };
        let headers = ClientHeaders::of(request, Some(&app));
        let address = limits.network_of(request, &proxies);
        let is_listed = page.is_listed(&app.origins);
        let user_counted = Cell::new(false);
        Ok(Self {
            worker,
            runtime,
            app,
            query,
            path_channel: path_part(request, "channel"),
            body,
            credentials,
            page,
            is_listed,
            headers,
            address,
            user_counted,
        })
    }
}

impl FromRequest for Client {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let read = match payload {
                Ok(payload) => Self::read(&request, payload).await,
                Err(error) => Err(unreadable(error)),
            };
            read.map_err(|error| refused(&request, &error))
        })
    }
}

/// The answer to a request that no handler gets.
fn refused(request: &HttpRequest, error: &ApiError) -> actix_web::Error {
    let engine = &worker(request).engine;
    let runtime = engine.runtimes().by_key(&app_key(request)).cloned();
    let app = runtime.map(|runtime| runtime.app_snapshot());
    let response = HttpResponse::build(error.status_code());
    let subject = RefusedSubject::default();
    let mut response =
        client_error_response(response, engine, app.as_deref(), subject, error, |_| ());
    finish(&mut response, &ClientHeaders::of(request, app.as_deref()));
    InternalError::from_response("refused", response).into()
}

fn finish(response: &mut HttpResponse, headers: &ClientHeaders) {
    for (name, value) in headers.iter() {
        response.headers_mut().insert(name, value);
    }
}

fn resolve_app(
    worker: &Worker,
    request: &HttpRequest,
) -> Result<(Arc<AppRuntime>, Arc<App>), ApiError> {
    let runtimes = worker.engine.runtimes();
    let runtime = runtimes.by_key(&app_key(request)).ok_or_else(|| {
        ApiError::new(RefusalCode::UnknownApp, "There is no app with this key here")
    })?;
    let app = runtime.app_snapshot();
    if !app.enabled {
        return Err(ApiError::new(RefusalCode::AppDisabled, "The app is disabled"));
    }
    Ok((runtime.clone(), app))
}

async fn read_json(
    worker: &Worker,
    app: &App,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Bytes, ApiError> {
    require_json(request)?;
    let escaped = app.limits.client_event_bytes.saturating_mul(ESCAPED_BYTES);
    let limit = MIN_BODY_BYTES.saturating_add(escaped).min(worker.settings().http_body_bytes);
    read_body(request, payload, worker.body_limits(limit)).await
}

/// A type that no form sends: a browser asks with a preflight first.
fn require_json(request: &HttpRequest) -> Result<(), ApiError> {
    let given = single(request.headers(), header::CONTENT_TYPE)?.unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let given: String = given.chars().take(100).collect();
    let message = format!("The Content-Type is {given:?}: send application/json");
    Err(ApiError::new(RefusalCode::UnsupportedMediaType, message))
}
