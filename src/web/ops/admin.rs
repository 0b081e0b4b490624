//! The admin API of a running server: on the Unix socket of the state
//! directory, and with a token on the operations listener. Never on the public listener.

mod audit;
pub mod auth;
mod authorization;
mod channel_actions;
mod channels;
mod config;
mod connections;
mod events;
mod history;
mod nodes;
pub mod openapi;
mod paging;
mod reload;
mod server_request;
mod webhooks;

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

pub use webhooks::{Deliveries, Discard, TestResults};

use super::live;
use crate::{
    crypto::{
        key::{Fingerprint, MasterKey},
        keytable::KeyState,
    },
    domain::{limits::YEAR, refusal::RefusalCode, time::UnixSeconds},
    engine::{
        AppRuntime, Engine,
        facts::Fact,
        keys::rotation::{RotationError, RotationRequest},
    },
    observe::audit::{AdminSubject, AuditFact},
    protocol::json::object,
    web::{
        context::worker::{Worker, worker},
        http::{
            body::{read_body, unreadable},
            error::{ApiError, blocking},
            methods::{get, post},
        },
    },
};
use auth::AdminAuth;

pub fn routes(config: &mut web::ServiceConfig, auth: AdminAuth) {
    config
        .configure(live::routes)
        .service(get(web::resource("/admin/apps/{app}/history"), history::show));
    api_routes(config, auth);
}

/// Requests with one answer each, and without payloads in it.
pub fn api_routes(config: &mut web::ServiceConfig, auth: AdminAuth) {
    config
        .app_data(auth)
        .service(get(web::resource("/admin/apps"), apps))
        .service(get(web::resource("/admin/apps/{app}/keys"), list))
        .service(post(web::resource("/admin/apps/{app}/keys/rotate"), rotate))
        .service(post(web::resource("/admin/apps/{app}/keys/{id}/revoke"), revoke))
        .service(get(web::resource("/admin/config"), config::show))
        .service(post(web::resource("/admin/reload"), reload::reload))
        .service(get(web::resource("/admin/audit"), audit::show))
        .service(get(web::resource("/admin/nodes"), nodes::list))
        .service(post(web::resource("/admin/nodes/{node}/drain"), nodes::drain))
        .service(post(web::resource("/admin/apps/{app}/auth/explain"), authorization::explain))
        .service(post(web::resource("/admin/apps/{app}/auth/test"), authorization::test))
        .service(post(web::resource("/admin/apps/{app}/auth/answer"), authorization::answer))
        .service(get(web::resource("/admin/apps/{app}/top"), channels::top))
        .service(get(web::resource("/admin/apps/{app}/channels"), channels::list))
        .service(get(web::resource("/admin/apps/{app}/channels/{channel}"), channels::show))
        .service(post(
            web::resource("/admin/apps/{app}/channels/{channel}/clear"),
            channel_actions::clear,
        ))
        .service(post(
            web::resource("/admin/apps/{app}/channels/{channel}/revoke"),
            channel_actions::revoke,
        ))
        .service(get(web::resource("/admin/apps/{app}/connections"), connections::list))
        .service(get(web::resource("/admin/apps/{app}/connections/{socket}"), connections::show))
        .service(post(
            web::resource("/admin/apps/{app}/connections/{socket}/disconnect"),
            connections::disconnect,
        ))
        .service(post(web::resource("/admin/apps/{app}/events"), events::publish))
        .service(get(web::resource("/admin/apps/{app}/webhooks"), webhooks::list))
        .service(get(web::resource("/admin/apps/{app}/webhooks/log"), webhooks::log))
        .service(post(web::resource("/admin/apps/{app}/webhooks/replay"), webhooks::replay))
        .service(post(web::resource("/admin/apps/{app}/webhooks/discard"), webhooks::discard))
        .service(post(web::resource("/admin/apps/{app}/webhooks/test"), webhooks::test));
}

/// The apps of the server, by id.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct AppList {
    pub apps: Vec<AppLine>,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct AppLine {
    pub id: String,
}

async fn apps(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let auth = request.app_data::<AdminAuth>().expect("each route has its authorization");
    auth.admit(&request)?;
    let runtimes = worker(&request).engine.runtimes_snapshot();
    let mut apps: Vec<_> =
        runtimes.iter().map(|runtime| AppLine { id: runtime.id.to_string() }).collect();
    apps.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(HttpResponse::Ok().json(AppList { apps }))
}

/// An authenticated request about an existing app: handlers get at an app in no other way.
struct AdminRequest {
    worker: Rc<Worker>,
    runtime: Arc<AppRuntime>,
    auth: Arc<str>,
    shows_payloads: bool,
    body: Bytes,
}

/// Room for a key and two numbers.
const BODY_BYTES: usize = 4096;

impl FromRequest for AdminRequest {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        Box::pin(Self::admit(request, payload, |_| BODY_BYTES))
    }
}

impl AdminRequest {
    /// `bytes`: the limit of the body.
    fn admit<F: FnOnce(&Worker) -> usize>(
        request: &HttpRequest,
        payload: &mut Payload,
        bytes: F,
    ) -> impl Future<Output = Result<Self, ApiError>> + use<F> {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        async move {
            let auth = AdminAuth::of(&request);
            auth.admit(&request)?;
            let shows_payloads = auth.shows_payloads();
            let (auth, worker) = (auth.name_of(&request), worker(&request));
            let id = request.match_info().get("app").unwrap_or_default();
            let runtime = worker.engine.runtimes().by_id(id).cloned();
            let runtime = runtime.ok_or_else(|| ApiError::unknown_app(id))?;
            let limits = worker.body_limits(bytes(&worker));
            let body = read_body(&request, payload.map_err(unreadable)?, limits).await?;
            Ok(Self { worker, runtime, auth, shows_payloads, body })
        }
    }

    /// Parses the body as a JSON object; an empty body is an empty object. Errors do not repeat the
    /// content, since a key may be in the wrong place.
    fn parse_body<T: DeserializeOwned>(&self, expected: &str) -> Result<T, ApiError> {
        parse_body(&self.body, expected)
    }

    fn note(&self, action: &'static str) {
        self.note_about(action, AdminSubject::default());
    }

    fn note_about(&self, action: &'static str, subject: AdminSubject) {
        let (app, by) = (Some(self.runtime.id.clone()), Some(self.auth.clone()));
        self.worker.engine.note(Fact::Audited(AuditFact::AdminAction { action, app, by, subject }));
    }

    /// Runs an action that writes files on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Engine, &AppRuntime) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (engine, runtime) = (self.worker.engine.clone(), self.runtime.clone());
        blocking(move || action(&engine, &runtime)).await
    }
}

fn parse_body<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, ApiError> {
    let text = if body.is_empty() { b"{}".as_slice() } else { body };
    let request = std::str::from_utf8(text).ok().and_then(|text| object(text).ok());
    request.ok_or_else(|| {
        ApiError::new(RefusalCode::InvalidJson, format!("The body must be {expected}"))
    })
}

async fn list(admin: AdminRequest) -> Result<HttpResponse, ApiError> {
    let report = admin.run(|engine, runtime| Ok(engine.key_report(runtime)?)).await?;
    Ok(HttpResponse::Ok().json(report))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateRequest {
    #[schema(value_type = Option<String>)]
    key: Option<Zeroizing<String>>,
    #[serde(default)]
    activate_in_seconds: u64,
    grace_seconds: Option<u64>,
    #[serde(default)]
    force: bool,
}

/// The response to a rotation.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct RotateResponse {
    #[schema(value_type = String)]
    pub id: Fingerprint,
    #[schema(value_type = String)]
    pub state: KeyState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixSeconds>,
    /// Stragglers of the previous rotation that were closed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closed: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

async fn rotate(admin: AdminRequest) -> Result<HttpResponse, ApiError> {
    let request: RotateRequest = admin.parse_body(
        "an object of key (text), activate_in_seconds and grace_seconds (whole numbers) and force (true or false), each of which may be left out",
    )?;
    if request.activate_in_seconds > YEAR || request.grace_seconds.is_some_and(|grace| grace > YEAR)
    {
        let message = format!("activate_in_seconds and grace_seconds are at most {YEAR}, a year");
        return Err(ApiError::new(RefusalCode::InvalidSeconds, message));
    }
    admin.note("keys_rotate");
    let apply_rotation =
        admin.run(move |engine, runtime| apply_rotation(engine, runtime, &request)).await?;
    Ok(HttpResponse::Ok().json(apply_rotation))
}

fn apply_rotation(
    engine: &Engine,
    runtime: &AppRuntime,
    request: &RotateRequest,
) -> Result<RotateResponse, ApiError> {
    let key = request.key.as_ref().map(|text| MasterKey::parse(text)).transpose();
    let (key, _) = key.map_err(|e| ApiError::new(RefusalCode::InvalidKey, e.to_string()))?.unzip();
    let (activate_in, grace) = (request.activate_in_seconds, request.grace_seconds);
    let rotate = RotationRequest { key, activate_in, grace, force: request.force };
    let done = engine.rotate(runtime, rotate)?;
    let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
    let key = ring.table().by_id(done.id.as_str()).map(|key| (key.state, key.until));
    let (state, until) = key.unwrap_or((KeyState::Active, None));
    Ok(RotateResponse { id: done.id, state, until, closed: done.closed })
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct RevokeResponse {
    pub revoked: String,
    #[schema(value_type = String)]
    pub active: Fingerprint,
}

async fn revoke(
    admin: AdminRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let EmptyBody {} = admin.parse_body("empty, or an empty object")?;
    let (_, id) = path.into_inner();
    admin.note("keys_revoke");
    let revoked = admin.run(move |engine, runtime| {
        let active = engine.revoke_key(runtime, &id)?;
        Ok(RevokeResponse { revoked: id, active })
    });
    Ok(HttpResponse::Ok().json(revoked.await?))
}
