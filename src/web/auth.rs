//! The authorization endpoints that clients call (PROTOCOL 10), served by this server itself.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Serialize;

use super::{
    audited::{Answer, note_answer},
    cors,
    credentials::credentials,
    error::ApiError,
    fields::{Fields, app_key},
    measured::Routes,
    query::Query,
    question::Question,
    refusal::refuse,
    verify::{read_body, worker},
    worker::Worker,
};
use crate::{
    app::App,
    auth::{Credentials, Denied, Grant, Identity},
    channel::{Access, Channel},
    crypto::keytable::UnixSeconds,
    engine::{Tenant, counts::ALLOWED, grants::Told},
    hub::granted::Bounds,
    ids::SocketId,
    presence::Member,
    protocol::signed::{signed_for_channel, signed_for_user},
    refusal::RefusalCode,
    traces::Span,
};

pub fn routes(routes: &mut Routes<'_>) {
    for path in
        ["/apps/{app}/auth/channel", "/pusher/auth", "/jetsocket/auth", "/broadcasting/auth"]
    {
        routes.resource_or_slash(path, |resource| {
            asked_with(resource).route(web::post().to(channel))
        });
    }
    for path in [
        "/apps/{app}/auth/user",
        "/pusher/user-auth",
        "/jetsocket/user-auth",
        "/broadcasting/user-auth",
    ] {
        routes.resource_or_slash(path, |resource| asked_with(resource).route(web::post().to(user)));
    }
}

fn asked_with(resource: actix_web::Resource) -> actix_web::Resource {
    resource
        .route(web::route().guard(actix_web::guard::Options()).to(preflight))
        .default_service(web::to(method_not_allowed))
}

async fn method_not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "POST")).json(HashMap::from([
        ("error", "Authorization is asked for with POST (transport \"ajax\"); JSONP is not served"),
        ("code", RefusalCode::MethodNotAllowed.name()),
    ]))
}

async fn preflight(request: HttpRequest) -> HttpResponse {
    let worker = worker(&request);
    let named = request.match_info().get("app");
    let tenants = worker.engine.tenants();
    let candidates = tenants.iter().filter(|tenant| named.is_none_or(|named| *tenant.id == *named));
    let apps: Vec<_> = candidates.map(|tenant| tenant.app_kept()).collect();
    cors::preflight(&request, apps.iter().map(|app| &**app))
}

async fn channel(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match Asked::read(&request, payload).await {
        Ok(mut asked) => {
            let answer = match asked.enter(&request) {
                Ok(()) => authorize_channel(&asked).await,
                Err(error) => Err(error),
            };
            if answer.is_err() {
                asked.note_refused();
            }
            asked.answer(&request, answer)
        }
        Err(error) => not_asked::<ChannelGrant>(&request, error),
    }
}

async fn user(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match Asked::read(&request, payload).await {
        Ok(mut asked) => {
            let answer = match asked.enter(&request) {
                Ok(()) => authorize_user(&asked).await,
                Err(error) => Err(error),
            };
            asked.answer(&request, answer)
        }
        Err(error) => not_asked::<UserGrant>(&request, error),
    }
}

/// A question that cannot be understood, perhaps not even which application it is for.
fn not_asked<G: Answer>(request: &HttpRequest, error: ApiError) -> HttpResponse {
    let engine = &worker(request).engine;
    let counts = &engine.counts;
    let answers = if G::FOR_CHANNEL { &counts.channel_auth } else { &counts.user_auth };
    answers.add(error.code().name());
    let mut response = HttpResponse::build(error.status_code());
    let apps: Vec<_> = engine.tenants().iter().map(|tenant| tenant.app_kept()).collect();
    cors::allow(&mut response, request, apps.iter().map(|app| &**app));
    refuse(response, engine, None, &HashMap::new(), &error, |_| ())
}

/// Far more than a client's question takes; anybody may ask.
const BODY_BYTES: usize = 16 * 1024;

/// What a client asks, and of which application.
struct Asked {
    worker: Rc<Worker>,
    tenant: Arc<Tenant>,
    /// Its settings, for the whole of this request.
    app: Arc<App>,
    fields: Fields,
    takes_cookies: bool,
    credentials: Credentials,
}

impl Asked {
    async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, ApiError> {
        let worker = worker(request);
        let body = read_body(request, payload, BODY_BYTES).await?;
        let Question { mut fields, takes_cookies } = Question::read(request, &body)?;
        let query = Query::parse(request.query_string());
        let (tenant, app) = chosen_app(&worker, request, app_key(&fields, &query)?)?;
        let mut claimed = |name| fields.remove(name).filter(|value| !value.is_empty());
        let credentials = Credentials {
            claimed_user_id: claimed("user_id"),
            claimed_user_info: claimed("user_info"),
            ..Credentials::default()
        };
        Ok(Self { worker, tenant, app, fields, takes_cookies, credentials })
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
        self.field("socket_id")?.parse().map_err(|e: crate::ids::InvalidSocketId| {
            ApiError::new(RefusalCode::InvalidSocketId, e.to_string())
        })
    }

    fn note_refused(&self) {
        if let (Ok(socket), Ok(channel)) = (self.socket_id(), self.field("channel_name")) {
            self.worker.engine.note_refused_question(&self.tenant, socket, channel);
        }
    }

    /// What is checked of everybody, whatever is asked.
    fn enter(&mut self, request: &HttpRequest) -> Result<(), ApiError> {
        let (worker, app) = (&self.worker, &self.app);
        let limited = &self.tenant.counts.limited;
        worker
            .entrance
            .address(request, &worker.settings(), app)
            .inspect_err(|_| limited.add("auth_per_ip"))?;
        cors::check(request, &app.origins)?;
        worker
            .entrance
            .socket(self.socket_id()?, app)
            .inspect_err(|_| limited.add("auth_per_socket"))?;
        let claimed = std::mem::take(&mut self.credentials);
        self.credentials = credentials(request, app, claimed, self.takes_cookies)?;
        Ok(())
    }

    /// Once it is known who asks.
    fn enter_as(&self, user: &str) -> Result<(), ApiError> {
        let limited = &self.tenant.counts.limited;
        self.worker.entrance.user(user, &self.app).inspect_err(|_| limited.add("auth_per_user"))
    }

    fn answer<G: Answer>(
        &self,
        request: &HttpRequest,
        answer: Result<G, ApiError>,
    ) -> HttpResponse {
        let (engine, app) = (&self.worker.engine, &*self.app);
        let status = answer.as_ref().map_or_else(ApiError::status_code, |_| StatusCode::OK);
        let mut response = HttpResponse::build(status);
        cors::allow(&mut response, request, std::iter::once(app));
        let counts = &self.tenant.counts;
        let answers = if G::FOR_CHANNEL { &counts.channel_auth } else { &counts.user_auth };
        answers.add(answer.as_ref().err().map_or(ALLOWED, |error| error.code().name()));
        let note = |refusal| note_answer(&engine.audit, app, &self.fields, &answer, refusal);
        match &answer {
            Ok(grant) => {
                note(None);
                // Secrets stand in it, so it must not be kept anywhere on its way.
                response.insert_header((header::CACHE_CONTROL, "no-store"));
                // No script, whoever includes it as one.
                response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff")).json(grant)
            }
            Err(error) => refuse(response, engine, Some(app), &self.fields, error, note),
        }
    }
}

/// By the path, by `app_key`, or the only one there is.
fn chosen_app(
    worker: &Worker,
    request: &HttpRequest,
    key: Option<&str>,
) -> Result<(Arc<Tenant>, Arc<App>), ApiError> {
    let tenants = worker.engine.tenants();
    let found = match (request.match_info().get("app"), key) {
        (Some(id), _) => tenants.by_id(id).ok_or_else(|| format!("There is no app {id} here")),
        (None, Some(key)) => {
            tenants.by_key(key).ok_or_else(|| "There is no app with this app_key here".to_owned())
        }
        (None, None) => tenants.only().ok_or_else(|| {
            "There are several apps here: add the parameter app_key, or use /apps/{id}/auth/..."
                .to_owned()
        }),
    };
    let tenant = found.map_err(|message| ApiError::new(RefusalCode::UnknownApp, message))?;
    let app = tenant.app_kept();
    if !app.enabled {
        return Err(ApiError::new(RefusalCode::AppDisabled, "The app is disabled"));
    }
    Ok((tenant.clone(), app))
}

#[derive(Serialize)]
struct ChannelGrant {
    auth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret: Option<String>,
    /// Who the presence channel will know it as.
    #[serde(skip)]
    user: Option<Arc<str>>,
    /// Kept until the answer is written.
    #[serde(skip)]
    _told: Option<Told>,
    #[serde(skip)]
    rule: Option<Arc<str>>,
}

impl Answer for ChannelGrant {
    const FOR_CHANNEL: bool = true;

    fn rule(&self) -> Option<Arc<str>> {
        self.rule.clone()
    }

    fn user(&self) -> Option<Arc<str>> {
        self.user.clone()
    }
}

#[derive(Serialize)]
struct UserGrant {
    auth: String,
    user_data: String,
    #[serde(skip)]
    user: Arc<str>,
}

impl Answer for UserGrant {
    const FOR_CHANNEL: bool = false;

    fn user(&self) -> Option<Arc<str>> {
        Some(self.user.clone())
    }
}

/// The decision first, the secret after it.
async fn authorize_channel(asked: &Asked) -> Result<ChannelGrant, ApiError> {
    let app = &*asked.app;
    let socket_id = asked.socket_id()?;
    let channel = app.channel(asked.field("channel_name")?)?;
    if matches!(channel.access(), Access::Public | Access::User | Access::Watch) {
        let message = format!("{channel} is joined without authorization");
        return Err(ApiError::new(RefusalCode::NoAuthorizationNeeded, message));
    }
    let span = Span::authorize(&app.id, app.authorizer.name());
    let decision = app.decide_channel(&asked.credentials, socket_id, &channel);
    let grant = span.around(decision).await;
    span.outcome(grant.is_ok());
    let grant = grant?;
    if channel.access() == Access::Encrypted && app.ring(&channel).is_none() {
        return Err(ApiError::new(
            RefusalCode::BlindChannel,
            format!(
                "{channel} is relayed blindly and this server has no key for it: its shared_secret comes from the auth endpoint of your own backend"
            ),
        ));
    }
    let Grant { member, user_id, as_of, expires, abilities, token, rule } = grant;
    refuse_revoked(app, &channel, user_id.as_deref(), as_of)?;
    if let Some(user) = &user_id {
        asked.enter_as(user)?;
    }
    let channel_data = member.map(|member| channel_data(app, &member)).transpose()?;
    let user: Option<Arc<str>> = user_id.map(Arc::from);
    let engine = &asked.worker.engine;
    let bounds = Bounds { expires, abilities, token };
    let granted = engine.grant(&asked.tenant, socket_id, &channel, user.clone(), bounds).await?;
    // Once more: if they were taken off meanwhile, the secret may be the one of after.
    refuse_revoked(app, &channel, user.as_deref(), as_of)?;
    let signed = signed_for_channel(socket_id, &channel, channel_data.as_deref());
    let shared_secret = granted.secret.map(|secret| secret.to_base64().to_string());
    let (auth, _told) = (app.auth(&signed), granted.told);
    Ok(ChannelGrant { auth, channel_data, shared_secret, user, rule, _told })
}

/// Who was taken off the channel needs a word of the application that is newer than that.
fn refuse_revoked(
    app: &App,
    channel: &Channel,
    user: Option<&str>,
    as_of: UnixSeconds,
) -> Result<(), ApiError> {
    let (Some(ring), Some(user)) = (app.ring(channel), user) else { return Ok(()) };
    match ring.table().is_revoked(channel.name(), user) {
        Some(at) if as_of <= at => Err(ApiError::new(
            RefusalCode::Revoked,
            format!(
                "{user} has been taken off {channel}: a token that was issued after that (claim \"iat\") lets them in again"
            ),
        )),
        _ => Ok(()),
    }
}

fn channel_data(app: &App, identity: &Identity) -> Result<String, ApiError> {
    #[derive(Serialize)]
    struct ChannelData<'a> {
        user_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_info: &'a Option<serde_json::Value>,
    }
    let data = ChannelData { user_id: &identity.user_id, user_info: &identity.user_info };
    let data = serde_json::to_string(&data).map_err(unwritable)?;
    // Refused here, where the page is told why, and not on the socket.
    Member::parse(&data, app.member_limits())
        .map_err(|e| ApiError::new(RefusalCode::InvalidMember, e.to_string()))?;
    Ok(data)
}

async fn authorize_user(asked: &Asked) -> Result<UserGrant, ApiError> {
    let app = &*asked.app;
    let socket_id = asked.socket_id()?;
    let span = Span::authorize(&app.id, app.authorizer.name());
    let identity = span.around(app.decide_user(&asked.credentials, socket_id)).await;
    span.outcome(identity.is_ok());
    let identity = identity?;
    asked.enter_as(&identity.user_id)?;
    asked.worker.engine.check_connection(&asked.tenant, socket_id).await?;
    crate::engine::users::check_user_id(&identity.user_id, app.limits.user_id_chars).map_err(
        |e| {
            ApiError::new(RefusalCode::InvalidUserId, format!("The user id cannot be used: it {e}"))
        },
    )?;
    #[derive(Serialize)]
    struct UserData<'a> {
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_info: &'a Option<serde_json::Value>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        watchlist: &'a [String],
    }
    let data = UserData {
        id: &identity.user_id,
        user_info: &identity.user_info,
        watchlist: &identity.watchlist,
    };
    let user_data = serde_json::to_string(&data).map_err(unwritable)?;
    let signed = signed_for_user(socket_id, &user_data);
    Ok(UserGrant { auth: app.auth(&signed), user_data, user: identity.user_id.into() })
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::new(RefusalCode::InvalidUserInfo, error.to_string())
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::new(denied.code, denied.message)
    }
}
