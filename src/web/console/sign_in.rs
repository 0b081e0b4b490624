//! `/console/session`: sign-in, the present session, sign-out.

use std::{net::IpAddr, time::Instant};

use actix_web::{HttpRequest, HttpResponse, Resource, http::header::SET_COOKIE, web};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Console, access, name,
    session::{SessionEnd, SessionView, SignInMeans},
};
use crate::{
    domain::{refusal::RefusalCode, time::UnixSeconds},
    engine::facts::Fact,
    observe::audit::AuditFact,
    platform::clock::unix_now,
    web::{
        context::worker::{Worker, worker},
        http::{
            body::{json, read_body},
            error::ApiError,
            methods,
        },
    },
};

/// Room for the longest token.
const BODY_BYTES: usize = 8 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInRequest {
    code: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
}

/// What a page has to know of its session and its server.
#[derive(Serialize)]
struct SessionBody {
    session: String,
    by: &'static str,
    expires: UnixSeconds,
    version: &'static str,
    node: Option<String>,
    dev: bool,
    reveal: &'static str,
    apps: Vec<String>,
    started: UnixSeconds,
    public_url: String,
    /// At sign-in alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Zeroizing<String>>,
}

pub fn resource() -> Resource {
    web::resource("/session")
        .route(methods::reads().to(show))
        .route(web::post().to(sign_in))
        .route(web::delete().to(sign_out))
        .default_service(methods::others("GET, HEAD, POST, DELETE"))
}

async fn sign_in(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    access::check_page(&request)?;
    let worker = worker(&request);
    let body = read_body(&request, payload, worker.body_limits(BODY_BYTES)).await?;
    let asked: SignInRequest = json(&body)?;
    let console = Console::of(&request);
    let (address, now) = (access::address(&request), Instant::now());
    let generation = console.sessions.lock().generation();
    // A right code is let in beyond the limit, which anybody behind the same address can exhaust.
    if let (Some(code), None) = (&asked.code, &asked.token)
        && console.sessions.lock().use_code(code, now)
    {
        return console.begin(&worker, (SignInMeans::Code, generation), address);
    }
    let attempt = console.attempts.lock().begin(address, now);
    attempt.map_err(|wait| {
        let message = "There were too many wrong codes or tokens from this address: wait a moment";
        ApiError::new(RefusalCode::TooManySignIns, message).retry_in(wait)
    })?;
    let means = check_token(&worker, &asked).inspect_err(|error| {
        let code = error.code().name();
        let fact = AuditFact::ConsoleSignInRefused { code, peer: address };
        worker.engine.note(Fact::Audited(fact));
    })?;
    console.attempts.lock().succeeded(address, now);
    console.begin(&worker, (means, generation), address)
}

async fn show(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let console = Console::of(&request);
    let session = access::session(&request, console)?;
    Ok(HttpResponse::Ok().json(console.body(&worker(&request), &session)))
}

async fn sign_out(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let console = Console::of(&request);
    let session = access::session(&request, console)?;
    let end = SessionEnd::SignedOut;
    if console.sessions.lock().end(session.number, end) {
        console.note_ended(&worker(&request).engine, vec![session.number], end);
    }
    let cookie = format!("{}; Max-Age=0", cookie(&worker(&request), ""));
    Ok(HttpResponse::NoContent().insert_header((SET_COOKIE, cookie)).finish())
}

/// A code at this place is a wrong one.
fn check_token(worker: &Worker, asked: &SignInRequest) -> Result<SignInMeans, ApiError> {
    let refused = |code, message| Err(ApiError::new(code, message));
    match (&asked.code, &asked.token) {
        (Some(_), None) => refused(
            RefusalCode::ConsoleCodeRefused,
            "The code was used, is older than five minutes, or is none of this server: `sealcast console` makes another",
        ),
        (None, Some(token)) => match &worker.settings().admin_token {
            Some(own) if own.matches(token) => Ok(SignInMeans::Token),
            Some(_) => {
                refused(RefusalCode::AdminTokenWrong, "That is not the admin token of this server")
            }
            None => refused(
                RefusalCode::AdminTokenWrong,
                "This server has no admin_token: use the link of `sealcast console`",
            ),
        },
        (Some(_), Some(_)) | (None, None) => refused(
            RefusalCode::InvalidJson,
            "The body must be an object of code or token, both of them text",
        ),
    }
}

impl Console {
    fn begin(
        &self,
        worker: &Worker,
        (means, generation): (SignInMeans, u64),
        peer: Option<IpAddr>,
    ) -> Result<HttpResponse, ApiError> {
        let begun = {
            let mut sessions = self.sessions.lock();
            if sessions.generation() != generation {
                let message = "The settings of the server have changed meanwhile: sign in again";
                return Err(ApiError::new(RefusalCode::ConsoleSignedOut, message));
            }
            sessions.begin(means, Instant::now())
        };
        let begun = begun.map_err(|_| {
            ApiError::new(RefusalCode::NoRandomness, "The operating system gave no random bytes")
        })?;
        let engine = &worker.engine;
        self.note_ended(engine, begun.replaced.into_iter().collect(), SessionEnd::Replaced);
        let (by, means) = (name(begun.view.number), means.name());
        engine.note(Fact::Audited(AuditFact::ConsoleSignedIn { by, means, peer }));
        let cookie = cookie(worker, &begun.cookie);
        let body = SessionBody { key: Some(begun.key), ..self.body(worker, &begun.view) };
        Ok(HttpResponse::Ok().insert_header((SET_COOKIE, cookie)).json(body))
    }

    fn body(&self, worker: &Worker, session: &SessionView) -> SessionBody {
        let runtimes = worker.engine.runtimes_snapshot();
        let mut apps: Vec<_> = runtimes.iter().map(|runtime| runtime.id.to_string()).collect();
        apps.sort();
        let settings = &worker.settings().console;
        SessionBody {
            session: session.number.to_string(),
            by: session.means.name(),
            expires: unix_now() + session.expires_in.as_secs(),
            version: env!("CARGO_PKG_VERSION"),
            node: worker.engine.cluster.node().map(|_| worker.engine.node_name()),
            dev: self.origin.development,
            reveal: settings.reveal.name(),
            apps,
            started: self.started,
            public_url: self.clients(settings),
            key: None,
        }
    }
}

/// Without an age: it is gone with the browser, at the latest.
fn cookie(worker: &Worker, value: &str) -> String {
    let secure = if worker.settings().console.behind_tls { "; Secure" } else { "" };
    format!("{}={value}; HttpOnly; SameSite=Strict; Path=/console{secure}", access::COOKIE)
}
