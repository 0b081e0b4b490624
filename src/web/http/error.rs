//! Errors of the HTTP API: `{"error": sentence, "code": stable_name}`.

use std::{fmt, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web,
};

use crate::{
    auth::Denied,
    cluster::node::{asking::Unacknowledged, queries::QueryError},
    domain::{
        channel::{Channel, InvalidChannel},
        refusal::RefusalCode,
    },
    engine::{
        event::PrepareError,
        grants::GrantError,
        history::outcome::NotPublished,
        keys::rotation::{RevokeError, RotationError},
    },
    observe::explain::RefusalId,
};

#[derive(Debug)]
pub struct ApiError {
    code: RefusalCode,
    message: String,
    /// The size of the refused input, and the limit of size or rate.
    size: Option<usize>,
    limit: Option<usize>,
    /// Position of the refused event in its batch.
    index: Option<usize>,
    /// Seconds to wait before the next attempt.
    retry_after: Option<u64>,
    /// Boxed, since most errors have none.
    subject: Option<Box<ErrorSubject>>,
}

/// What the error is about.
#[derive(Debug, Default)]
struct ErrorSubject {
    /// The refused one of several channels, as the client named it.
    channel: Option<String>,
    /// The position of a channel's newest event.
    position: Option<String>,
}

#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct ErrorBody<'a> {
    pub error: &'a str,
    #[schema(value_type = String)]
    pub code: RefusalCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'a str>,
    /// The id of the refusal in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub id: Option<RefusalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<&'a str>,
}

impl ApiError {
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let (size, limit, index, retry_after) = (None, None, None, None);
        Self { code, message, size, limit, index, retry_after, subject: None }
    }

    pub fn on_channel(mut self, channel: &str) -> Self {
        self.subject.get_or_insert_default().channel = Some(clipped(channel).to_owned());
        self
    }

    pub fn with_position(mut self, position: String) -> Self {
        self.subject.get_or_insert_default().position = Some(position);
        self
    }

    pub fn retry_in(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs() + 1);
        self
    }

    /// Names the event of a batch that caused the error.
    pub fn in_batch(self, index: usize) -> Self {
        let message = format!("batch[{index}]: {}", self.message);
        Self { message, index: Some(index), ..self }
    }

    pub fn code(&self) -> RefusalCode {
        self.code
    }

    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).expect("a test goes through the table")
    }

    /// Seconds until a retry may succeed, if known.
    pub fn retry_after(&self) -> Option<u64> {
        match self.code.status() {
            // The revocation is done, and a retry would repeat it.
            503 if self.code == RefusalCode::RevokedUntilRestart => None,
            503 => Some(1),
            _ => self.retry_after,
        }
    }

    pub fn body(&self) -> ErrorBody<'_> {
        ErrorBody {
            error: &self.message,
            code: self.code,
            fix: None,
            id: None,
            size: self.size,
            limit: self.limit,
            index: self.index,
            channel: self.subject.as_ref().and_then(|subject| subject.channel.as_deref()),
            position: self.subject.as_ref().and_then(|subject| subject.position.as_deref()),
        }
    }

    pub fn path_not_found(request: &HttpRequest) -> Self {
        let message =
            format!("There is nothing at {} {}", request.method(), clipped(request.path()));
        Self::new(RefusalCode::NotFound, message)
    }

    /// `mistake`: the correction of the path.
    pub fn path_not_found_because(request: &HttpRequest, mistake: &str) -> Self {
        let path = clipped(request.path());
        let message = format!("There is nothing at {} {path}: {mistake}", request.method());
        Self::new(RefusalCode::NotFound, message)
    }

    pub fn method_not_allowed(request: &HttpRequest, allowed: &str) -> Self {
        let path = clipped(request.path());
        let message = format!("{path} answers {allowed}, not {}", request.method());
        Self::new(RefusalCode::MethodNotAllowed, message)
    }

    /// A request to a WebSocket's path with any method but GET and HEAD.
    pub fn handshake_is_a_get(request: &HttpRequest) -> Self {
        let message = format!(
            "{} opens WebSocket connections with a GET request: {} is not answered here",
            clipped(request.path()),
            request.method()
        );
        Self::new(RefusalCode::MethodNotAllowed, message)
    }

    pub fn upgrade_required(message: &str) -> Self {
        Self::new(RefusalCode::UpgradeRequired, message)
    }

    pub fn encoded(encoding: &str) -> Self {
        let encoding: String = encoding.chars().take(40).collect();
        let message = format!(
            "The body has the Content-Encoding {encoding:?}, which is not supported: send the body unencoded"
        );
        Self::new(RefusalCode::UnsupportedEncoding, message)
    }

    pub fn misdirected(host: &str) -> Self {
        let host: String = host.chars().take(100).collect();
        let message = format!(
            "The operations listener does not answer for the host {host:?}: ask for it by its address, or list the name in ops_hosts"
        );
        Self::new(RefusalCode::HostNotAllowed, message)
    }

    pub fn unknown_app(id: &str) -> Self {
        Self::new(RefusalCode::UnknownApp, format!("There is no app {} here", clipped(id)))
    }

    pub fn timeout(deadline: Duration) -> Self {
        let message =
            format!("The request body did not arrive within {} seconds", deadline.as_secs());
        Self::new(RefusalCode::BodyTimeout, message)
    }

    pub fn too_many_requests(limit: usize) -> Self {
        let message = format!("More than {limit} requests are under way on this connection");
        Self::new(RefusalCode::TooManyRequests, message)
    }

    /// `subject`: the subject of the limit.
    pub fn rate_limited(subject: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let message =
            format!("Too many requests from this {subject}: ask again in {seconds} seconds");
        let error = Self::new(RefusalCode::RateLimited, message);
        Self { retry_after: Some(seconds), ..error }
    }

    /// The app's backend has sent more `what` than `setting` allows.
    pub fn over_rate(
        code: RefusalCode,
        what: &str,
        setting: &str,
        per_second: u32,
        wait: Duration,
    ) -> Self {
        let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
        let message = format!(
            "More than {per_second} {what} a second for this app: send it again in {seconds} seconds, or raise limits.{setting}"
        );
        let error = Self::new(code, message);
        Self { limit: Some(per_second as usize), retry_after: Some(seconds), ..error }
    }

    pub fn revoked(user: &str, channel: &Channel) -> Self {
        let message = format!(
            "{user} has been taken off {channel}: only a newer decision admits them again, a token with a later \"iat\" (less the leeway) or a new answer of the application"
        );
        Self::new(RefusalCode::Revoked, message)
    }

    pub fn uri_too_long(limit: usize) -> Self {
        let message =
            format!("The path and the query of the request are longer than {limit} bytes");
        Self::new(RefusalCode::UriTooLong, message)
    }

    pub fn head_too_large(limit: usize) -> Self {
        let message = format!("The head of the request is larger than {limit} bytes");
        Self::new(RefusalCode::HeadTooLarge, message)
    }

    pub fn too_large(
        code: RefusalCode,
        message: impl Into<String>,
        size: usize,
        limit: usize,
    ) -> Self {
        let error = Self::new(code, message);
        Self { size: Some(size), limit: Some(limit), ..error }
    }
}

/// A path or a name of a request, which may be some kilobytes long.
fn clipped(text: &str) -> &str {
    const SHOWN_CHARS: usize = 200;
    text.char_indices().nth(SHOWN_CHARS).map_or(text, |(end, _)| &text[..end])
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.json(self.body())
    }
}

impl From<InvalidChannel> for ApiError {
    fn from(error: InvalidChannel) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::new(denied.code, denied.message)
    }
}

/// For a single event. In a batch, `index` counts.
impl From<PrepareError> for ApiError {
    fn from(refused: PrepareError) -> Self {
        Self::new(refused.error.code(), refused.error.to_string())
    }
}

impl From<Unacknowledged> for ApiError {
    fn from(error: Unacknowledged) -> Self {
        let message = format!("It holds on this node and on those that have confirmed it: {error}");
        Self::new(RefusalCode::ClusterUnacknowledged, message)
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let code = match error {
            QueryError::Away => RefusalCode::ClusterAway,
            QueryError::TooMany => RefusalCode::TooManyForAnswer,
        };
        Self::new(code, error.to_string())
    }
}

impl From<NotPublished> for ApiError {
    fn from(reason: NotPublished) -> Self {
        Self::new(reason.code(), reason.to_string())
    }
}

impl From<GrantError> for ApiError {
    fn from(error: GrantError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<RotationError> for ApiError {
    fn from(error: RotationError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<RevokeError> for ApiError {
    fn from(error: RevokeError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Adds the header Upgrade, with the protocol to upgrade to. The HTTP library leaves it out over
/// HTTP/2, which has no upgrades.
pub fn upgrade_required(message: &str) -> HttpResponse {
    let mut answer = ApiError::upgrade_required(message).error_response();
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer
}

/// Runs an action that waits for a disk on a blocking thread.
pub async fn blocking<T: Send + 'static>(
    action: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let stopping = |_| {
        let message = "The server is shutting down";
        ApiError::new(RefusalCode::ShuttingDown, message)
    };
    web::block(action).await.map_err(stopping)?
}

pub async fn not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::path_not_found(&request))
}

/// Does not give away the address of the API.
pub async fn api_not_served_here() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(
        RefusalCode::NoApiHere,
        "The HTTP API is not served at this address: ask the operators of the server for the right one",
    ))
}
