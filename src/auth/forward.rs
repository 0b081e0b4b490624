//! The app decides at its own URL. It is asked with the configured headers and cookies of the
//! client and answers who may join; the signature is made here.

mod breaker;
mod cache;

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{Abilities, Ability, Credentials, Denied, Grant, UserIdentity};
use crate::{
    domain::{channel::Channel, ids::SocketId, refusal::RefusalCode, time::UnixSeconds},
    platform::{
        clock::{KnownAsOf, ServerClock},
        http::{EndpointUrl, HttpClient, HttpResponse, RequestError},
        traces::Span,
    },
};
use breaker::Breaker;
use cache::{CacheKey, DecisionCache};

pub struct ForwardAuthorizer {
    client: HttpClient,
    pub settings: ForwardSettings,
    permits: Semaphore,
    breaker: Breaker,
    cache: DecisionCache,
}

pub struct ForwardSettings {
    pub url: EndpointUrl,
    /// Names in lower case.
    pub headers: Vec<String>,
    pub cookies: Vec<String>,
    pub deadline: Duration,
    pub concurrency: usize,
    /// How long a positive decision is cached.
    pub cache: Duration,
    pub max_ttl: Option<u64>,
}

/// The body of a 200 response. An empty body is a yes.
#[derive(Deserialize, Clone, Default, Debug, PartialEq, Eq)]
#[serde(default)]
struct Decision {
    user_id: Option<String>,
    user_info: Option<serde_json::Value>,
    watchlist: Vec<String>,
    /// Seconds.
    ttl: Option<u64>,
    allow: Option<Vec<String>>,
}

/// A decision, new or from the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TimedDecision {
    decision: Decision,
    /// Time of the request, not of the response: the app may have changed its mind since.
    as_of: KnownAsOf,
    /// End of the decision in seconds since 1970, if it has one.
    until: Option<UnixSeconds>,
}

/// Far more than a decision needs.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;

impl ForwardAuthorizer {
    pub fn new(client: HttpClient, settings: ForwardSettings) -> Self {
        Self {
            client,
            permits: Semaphore::new(settings.concurrency),
            breaker: Breaker::default(),
            cache: DecisionCache::new(settings.cache),
            settings,
        }
    }

    pub async fn channel(
        &self,
        credentials: &Credentials,
        socket_id: Option<SocketId>,
        channel: &Channel,
        clock: &ServerClock,
    ) -> Result<Grant, Denied> {
        let decided = self.ask(credentials, socket_id, Some(channel), clock).await?;
        let TimedDecision { decision: Decision { allow, user_id, user_info, .. }, as_of, until } =
            decided;
        let abilities = abilities(allow.as_deref());
        if abilities.is_within(CLIENT_EVENTS) {
            let message =
                format!("the application's \"allow\" does not name \"subscribe\" for {channel}");
            return Err(Denied::new(RefusalCode::ForwardDenies, message));
        }
        let member = |user_id: &String| UserIdentity {
            user_id: user_id.clone(),
            user_info: user_info.clone(),
            watchlist: Vec::new(),
        };
        let member = if channel.kind().has_members() {
            Some(member(user_id.as_ref().ok_or_else(no_user_id)?))
        } else {
            None
        };
        Ok(Grant { member, expires: until, abilities, ..Grant::of_user(user_id, as_of) })
    }

    pub async fn user(
        &self,
        credentials: &Credentials,
        socket_id: SocketId,
        clock: &ServerClock,
    ) -> Result<UserIdentity, Denied> {
        let decided = self.ask(credentials, Some(socket_id), None, clock).await?;
        let Decision { user_id, user_info, watchlist, .. } = decided.decision;
        Ok(UserIdentity { user_id: user_id.ok_or_else(no_user_id)?, user_info, watchlist })
    }

    /// True if the application is shown the client's token.
    pub fn passes_bearer(&self) -> bool {
        self.settings.headers.iter().any(|name| name == "authorization")
    }

    /// Drops cached decisions about this user, and those that name no user.
    pub fn forget(&self, user: &str, revoked_at: UnixSeconds) {
        self.cache.forget(user, revoked_at);
    }

    async fn ask(
        &self,
        credentials: &Credentials,
        socket_id: Option<SocketId>,
        channel: Option<&Channel>,
        clock: &ServerClock,
    ) -> Result<TimedDecision, Denied> {
        let name = channel.map(|channel| &**channel.name());
        let key = CacheKey::of(&credentials.passed, name);
        if let Some(kept) = key.as_ref().and_then(|key| self.cache.get(key)) {
            return Ok(kept);
        }
        let decided = self.fetch(credentials, socket_id, name, clock).await?;
        if let Some(key) = key {
            self.cache.put(key, &decided);
        }
        Ok(decided)
    }

    async fn fetch(
        &self,
        credentials: &Credentials,
        socket_id: Option<SocketId>,
        channel: Option<&str>,
        clock: &ServerClock,
    ) -> Result<TimedDecision, Denied> {
        let attempt = self.breaker.attempt().ok_or_else(|| {
            Denied::new(RefusalCode::ForwardResting,
                "the application has not answered several times and is not asked for a moment; ask again",
            )
        })?;
        let permit = tokio::time::timeout(self.settings.deadline, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            // Our own limit was reached; the app has not failed.
            attempt.forget();
            return Err(Denied::new(
                RefusalCode::ForwardBusy,
                "too many questions to the application are under way; ask again",
            ));
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        socket_id.into_iter().for_each(|id| {
            form.append_pair("socket_id", &id.to_string());
        });
        channel.into_iter().for_each(|name| {
            form.append_pair("channel_name", name);
        });
        let asked = clock.now();
        let post = self.client.post(
            &self.settings.url,
            &credentials.passed,
            form.finish(),
            MAX_RESPONSE_BYTES,
        );
        let answered = Span::forward(self.settings.url.host()).around(post).await;
        match answered.map_err(Failure::from).and_then(|answer| parse_decision(&answer)) {
            Ok(decision) => {
                attempt.succeeded();
                let decision = decision?;
                let ends = [decision.ttl, self.settings.max_ttl].into_iter().flatten();
                let until = ends.min().map(|ttl| asked.wall.saturating_add(ttl));
                Ok(TimedDecision { decision, as_of: KnownAsOf::now(asked), until })
            }
            Err(failure) => {
                attempt.failed();
                tracing::warn!(refusal.code = failure.code().name(), error = %failure, "the application gave no decision");
                Err(failure.into())
            }
        }
    }
}

/// Useful with `subscribe` alone.
const CLIENT_EVENTS: Abilities = Abilities::of(Ability::ClientEvents);

/// An unknown name allows nothing: the application may be newer than this server.
fn abilities(allow: Option<&[String]>) -> Abilities {
    let known = |names: &[String]| names.iter().filter_map(|name| Ability::of_name(name)).collect();
    allow.map_or(Abilities::LEGACY, known)
}

fn no_user_id() -> Denied {
    let message = "the application's answer has no \"user_id\", which presence and sign-in need";
    Denied::new(RefusalCode::NoUserId, message)
}

/// The reason for a missing decision. The client learns the code and that it may retry; the log has
/// the details.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    RequestError(#[from] RequestError),
    #[error("status {0}: redirects are not followed, name the URL that decides")]
    Redirect(u16),
    #[error("status {0} instead of 200, 401 or 403")]
    Status(u16),
    #[error("the answer is no JSON object (a page, perhaps of a login?)")]
    NotJson,
    #[error("the answer is not what was expected: {0}")]
    Shape(String),
}

impl Failure {
    fn code(&self) -> RefusalCode {
        match self {
            Self::RequestError(RequestError::Deadline(_)) => RefusalCode::ForwardTimeout,
            Self::RequestError(RequestError::TooLarge(_)) => RefusalCode::ForwardTooLarge,
            Self::RequestError(RequestError::Broken(_)) => RefusalCode::ForwardUnreachable,
            Self::Redirect(_) => RefusalCode::ForwardRedirect,
            Self::Status(_) => RefusalCode::ForwardStatus,
            Self::NotJson | Self::Shape(_) => RefusalCode::ForwardBadAnswer,
        }
    }
}

impl From<Failure> for Denied {
    fn from(failure: Failure) -> Self {
        let message = match &failure {
            Failure::RequestError(RequestError::Broken(_)) => {
                "the application could not be reached".to_owned()
            }
            other => format!("the application did not decide: {other}"),
        };
        Self::new(failure.code(), message)
    }
}

/// Parses the response: a decision, a refusal, or a failure.
fn parse_decision(answer: &HttpResponse) -> Result<Result<Decision, Denied>, Failure> {
    match answer.status {
        200 => decision(answer).map(Ok),
        401 => Ok(Err(Denied::new(
            RefusalCode::ForwardUnauthenticated,
            "the application does not know who asks (401)",
        ))),
        403 => Ok(Err(Denied::new(RefusalCode::ForwardDenies, "the application denied it (403)"))),
        status @ 300..=399 => Err(Failure::Redirect(status)),
        status => Err(Failure::Status(status)),
    }
}

fn decision(answer: &HttpResponse) -> Result<Decision, Failure> {
    if answer.body.trim_ascii().is_empty() {
        return Ok(Decision::default());
    }
    let kind = answer.headers.get(hyper::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || kind.ends_with("+json")
    });
    let text = std::str::from_utf8(&answer.body).ok().filter(|_| is_json);
    let text = text.ok_or(Failure::NotJson)?;
    let decision: Decision =
        crate::protocol::json::object(text).map_err(|e| Failure::Shape(e.to_string()))?;
    // An empty id is a mistake in the app, and would be shared by all users.
    match &decision.user_id {
        Some(id) if id.is_empty() => Err(Failure::Shape("\"user_id\" is empty".to_owned())),
        _ => Ok(decision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    fn answer(status: u16, kind: &'static str, body: &'static str) -> HttpResponse {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        HttpResponse { status, headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn only_a_well_formed_200_allows() {
        let judged = |status, kind, body| parse_decision(&answer(status, kind, body));
        for (kind, body) in [
            ("text/html", ""),
            ("application/json", "{}"),
            ("application/json; charset=utf-8", r#"{"user_id":"u","ttl":5,"more":[]}"#),
            ("application/problem+json", r#"{"allow":[]}"#),
        ] {
            assert!(matches!(judged(200, kind, body), Ok(Ok(_))), "{kind} {body}");
        }
        for (status, kind, body) in [
            (200, "text/html", "<html>"),
            (200, "text/html", "{}"),
            (200, "application/json", "null"),
            (200, "application/json", "true"),
            (200, "application/json", "[]"),
            (200, "application/json", "{\"user_id\":5}"),
            (200, "application/json", "{\"user_id\":\"\"}"),
            (200, "application/json", "{\"ttl\":-1}"),
            (200, "application/json", "{\"allow\":\"all\"}"),
            (200, "application/json", "{"),
            (204, "application/json", ""),
            (201, "application/json", "{}"),
            (302, "application/json", "{}"),
            (404, "application/json", "{}"),
            (500, "application/json", "{}"),
        ] {
            assert!(judged(status, kind, body).is_err(), "{status} {kind} {body}");
        }
        for status in [401, 403] {
            assert!(matches!(judged(status, "application/json", "{}"), Ok(Err(_))), "{status}");
        }
    }
}
