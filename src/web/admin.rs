//! The admin API for keys and webhooks of a running server: on the Unix socket of the state
//! directory, and with a token on the operations listener. Never on the public listener.

mod door;
mod webhooks;

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

pub use door::{AdminToken, Door};
pub use webhooks::{Deliveries, Discard, TestResults};

use super::{
    error::{ApiError, blocking},
    live,
    methods::{get, post},
    verify::{read_body, unreadable, worker},
    worker::Worker,
};
use crate::{
    audit::Fact,
    crypto::{
        key::{Fingerprint, MasterKey},
        keytable::{KeyState, UnixSeconds},
    },
    engine::{
        Engine, Tenant,
        rotation::{Rotate, RotationError},
    },
    limits::YEAR,
    protocol::json::object,
    refusal::RefusalCode,
};

pub fn routes(config: &mut web::ServiceConfig, door: Door) {
    config
        .app_data(door)
        .configure(live::routes)
        .service(get(web::resource("/admin/apps/{app}/keys"), list))
        .service(post(web::resource("/admin/apps/{app}/keys/rotate"), rotate))
        .service(post(web::resource("/admin/apps/{app}/keys/{id}/revoke"), revoke))
        .service(get(web::resource("/admin/apps/{app}/webhooks"), webhooks::list))
        .service(get(web::resource("/admin/apps/{app}/webhooks/log"), webhooks::log))
        .service(post(web::resource("/admin/apps/{app}/webhooks/replay"), webhooks::replay))
        .service(post(web::resource("/admin/apps/{app}/webhooks/discard"), webhooks::discard))
        .service(post(web::resource("/admin/apps/{app}/webhooks/test"), webhooks::test));
}

/// An authenticated request about an existing app: handlers get at an app in no other way.
struct Admin {
    worker: Rc<Worker>,
    tenant: Arc<Tenant>,
    door: &'static str,
    body: Bytes,
}

/// Room for a key and two numbers.
const BODY_BYTES: usize = 4096;

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let door = request.app_data::<Door>().expect("every route has its door");
            door.admit(&request)?;
            let (door, worker) = (door.name(), worker(&request));
            let id = request.match_info().get("app").unwrap_or_default();
            let tenant = worker.engine.tenants().by_id(id).cloned();
            let tenant = tenant.ok_or_else(|| ApiError::unknown_app(id))?;
            let body = read_body(&request, payload.map_err(unreadable)?, BODY_BYTES).await?;
            Ok(Self { worker, tenant, door, body })
        })
    }
}

impl Admin {
    /// Parses the body as a JSON object; an empty body is an empty object. Errors do not repeat the
    /// content, since a key may be in the wrong place.
    fn asked<T: DeserializeOwned>(&self, expected: &str) -> Result<T, ApiError> {
        let text = if self.body.is_empty() { b"{}".as_slice() } else { &self.body };
        let asked = std::str::from_utf8(text).ok().and_then(|text| object(text).ok());
        asked.ok_or_else(|| {
            ApiError::new(RefusalCode::InvalidJson, format!("The body must be {expected}"))
        })
    }

    fn note(&self, action: &'static str) {
        let (app, by) = (Some(self.tenant.id.clone()), Some(self.door.into()));
        self.worker.engine.audit.note(Fact::AdminAction { action, app, by });
    }

    /// Runs an action that writes files on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Engine, &Tenant) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (engine, tenant) = (self.worker.engine.clone(), self.tenant.clone());
        blocking(move || action(&engine, &tenant)).await
    }
}

async fn list(admin: Admin) -> Result<HttpResponse, ApiError> {
    let report = admin.run(|_, tenant| Ok(tenant.key_report()?)).await?;
    Ok(HttpResponse::Ok().json(report))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    key: Option<Zeroizing<String>>,
    #[serde(default)]
    activate_in_seconds: u64,
    grace_seconds: Option<u64>,
    #[serde(default)]
    force: bool,
}

/// The response to a rotation.
#[derive(Serialize, Deserialize)]
pub struct Rotated {
    pub id: Fingerprint,
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

async fn rotate(admin: Admin) -> Result<HttpResponse, ApiError> {
    let asked: Asked = admin.asked(
        "an object of key (text), activate_in_seconds and grace_seconds (whole numbers) and force (true or false), each of which may be left out",
    )?;
    if asked.activate_in_seconds > YEAR || asked.grace_seconds.is_some_and(|grace| grace > YEAR) {
        let message = format!("activate_in_seconds and grace_seconds are at most {YEAR}, a year");
        return Err(ApiError::new(RefusalCode::InvalidSeconds, message));
    }
    admin.note("keys_rotate");
    let rotated = admin.run(move |engine, tenant| rotated(engine, tenant, &asked)).await?;
    Ok(HttpResponse::Ok().json(rotated))
}

fn rotated(engine: &Engine, tenant: &Tenant, asked: &Asked) -> Result<Rotated, ApiError> {
    let key = asked.key.as_ref().map(|text| MasterKey::parse(text)).transpose();
    let (key, _) = key.map_err(|e| ApiError::new(RefusalCode::InvalidKey, e.to_string()))?.unzip();
    let (activate_in, grace) = (asked.activate_in_seconds, asked.grace_seconds);
    let rotate = Rotate { key, activate_in, grace, force: asked.force };
    let done = engine.rotate(tenant, rotate)?;
    let ring = tenant.keys().ok_or(RotationError::NoKeys)?;
    let key = ring.table().by_id(done.id.as_str()).map(|key| (key.state, key.until));
    let (state, until) = key.unwrap_or((KeyState::Active, None));
    Ok(Rotated { id: done.id, state, until, closed: done.closed })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
pub struct Revoked {
    pub revoked: String,
    pub active: Fingerprint,
}

async fn revoke(admin: Admin, path: web::Path<(String, String)>) -> Result<HttpResponse, ApiError> {
    let Nothing {} = admin.asked("empty, or an empty object")?;
    let (_, id) = path.into_inner();
    admin.note("keys_revoke");
    let revoked = admin.run(move |engine, tenant| {
        let active = engine.revoke_key(tenant, &id)?;
        Ok(Revoked { revoked: id, active })
    });
    Ok(HttpResponse::Ok().json(revoked.await?))
}
