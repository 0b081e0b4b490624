//! What the HTTP API answers when it refuses: `{"error": sentence, "code": stable_name}`.

use std::{fmt, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
    web,
};

use crate::{
    channel::InvalidChannel,
    crypto::{keytable::KeyError, sealer::SealError},
    engine::{
        grants::GrantError,
        publish::PublishError,
        rotation::{RevokeError, RotationError},
    },
    explain::RefusalId,
    hub::mailbox::AskError,
};

#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// How large something was, and how large or how often it may be.
    size: Option<usize>,
    limit: Option<usize>,
    /// Seconds after which to ask again.
    retry_after: Option<u64>,
}

#[derive(serde::Serialize)]
pub struct Body<'a> {
    pub error: &'a str,
    pub code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'a str>,
    /// Under which the refusal stands in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RefusalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), size: None, limit: None, retry_after: None }
    }

    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Until when the same would be refused again, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => self.retry_after,
        }
    }

    pub fn body(&self) -> Body<'_> {
        Body {
            error: &self.message,
            code: self.code,
            fix: None,
            id: None,
            size: self.size,
            limit: self.limit,
        }
    }

    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub fn nothing_here(request: &HttpRequest) -> Self {
        let message = format!("There is nothing at {} {}", request.method(), request.path());
        Self::not_found("not_found", message)
    }

    /// `mistake`: what to change about the path.
    pub fn no_such_path(request: &HttpRequest, mistake: &str) -> Self {
        let message =
            format!("There is nothing at {} {}: {mistake}", request.method(), request.path());
        Self::not_found("not_found", message)
    }

    pub fn method_not_allowed(request: &HttpRequest, allowed: &str) -> Self {
        let message = format!("{} answers {allowed}, not {}", request.path(), request.method());
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    pub fn upgrade_required(message: &str) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message)
    }

    pub fn encoded(encoding: &str) -> Self {
        let encoding: String = encoding.chars().take(40).collect();
        let message = format!(
            "The body has the Content-Encoding {encoding:?}, which is not read: send it as it is"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message)
    }

    pub fn misdirected(host: &str) -> Self {
        let host: String = host.chars().take(100).collect();
        let message = format!(
            "The operations listener does not answer for the host {host:?}: ask for it by its address, or list the name in ops_hosts"
        );
        Self::new(StatusCode::MISDIRECTED_REQUEST, "host_not_allowed", message)
    }

    pub fn unknown_app(id: &str) -> Self {
        Self::not_found("unknown_app", format!("There is no app {id} here"))
    }

    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    pub fn bad_gateway(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, code, message)
    }

    pub fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    pub fn timeout(deadline: Duration) -> Self {
        let message =
            format!("The request body did not arrive within {} seconds", deadline.as_secs());
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
    }

    pub fn too_many_requests(limit: usize) -> Self {
        let message = format!("More than {limit} requests are under way on this connection");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_requests", message)
    }

    /// `whose` requests there were too many of.
    pub fn rate_limited(whose: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let message =
            format!("Too many requests from this {whose}: ask again in {seconds} seconds");
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
        Self { retry_after: Some(seconds), ..error }
    }

    /// The application's backend has sent more of `what` than `setting` allows.
    pub fn over_rate(
        code: &'static str,
        what: &str,
        setting: &str,
        per_second: u32,
        wait: Duration,
    ) -> Self {
        let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
        let message = format!(
            "More than {per_second} {what} a second for this app: send it again in {seconds} seconds, or raise limits.{setting}"
        );
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, code, message);
        Self { limit: Some(per_second as usize), retry_after: Some(seconds), ..error }
    }

    pub fn head_too_large(limit: usize) -> Self {
        let message = format!("The head of the request is larger than {limit} bytes");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", message)
    }

    pub fn too_large(
        code: &'static str,
        message: impl Into<String>,
        size: usize,
        limit: usize,
    ) -> Self {
        let error = Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, message);
        Self { size: Some(size), limit: Some(limit), ..error }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.json(self.body())
    }
}

impl From<InvalidChannel> for ApiError {
    fn from(error: InvalidChannel) -> Self {
        Self::bad_request("invalid_channel", error.to_string())
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let message = error.to_string();
        let (status, code) = match error {
            PublishError::Seal { error, .. } => match error {
                SealError::Plaintext => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "plaintext_on_encrypted_channel")
                }
                SealError::DoesNotOpen => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "envelope_does_not_open")
                }
                SealError::NoRandomness => (StatusCode::SERVICE_UNAVAILABLE, "no_randomness"),
                SealError::KeyRetired => (StatusCode::SERVICE_UNAVAILABLE, "key_retired"),
            },
            PublishError::EnvelopeForSeveral => {
                (StatusCode::BAD_REQUEST, "envelope_for_several_channels")
            }
            PublishError::Mixed => (StatusCode::BAD_REQUEST, "mixed_channels"),
            PublishError::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        };
        Self::new(status, code, message)
    }
}

/// The code of a question for a connection that is gone, another application's, or made up.
pub const UNKNOWN_SOCKET: &str = "unknown_socket";

impl From<GrantError> for ApiError {
    fn from(error: GrantError) -> Self {
        let message = error.to_string();
        let (status, code) = match error {
            GrantError::Connection(AskError::UnknownSocket) => {
                (StatusCode::FORBIDDEN, UNKNOWN_SOCKET)
            }
            GrantError::Connection(AskError::TooMany) => {
                (StatusCode::FORBIDDEN, "too_many_authorizations")
            }
            GrantError::Revoked => (StatusCode::UNAUTHORIZED, "token_revoked"),
            GrantError::Replaced => (StatusCode::SERVICE_UNAVAILABLE, "secret_replaced"),
            GrantError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        };
        Self::new(status, code, message)
    }
}

impl From<RotationError> for ApiError {
    fn from(error: RotationError) -> Self {
        let status = match &error {
            RotationError::Key(KeyError::Unknown(_)) => StatusCode::NOT_FOUND,
            RotationError::Key(_)
            | RotationError::NoKeys
            | RotationError::InProgress { .. }
            | RotationError::Shared { .. } => StatusCode::CONFLICT,
            RotationError::NotWritten(_) | RotationError::NoRandomness => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<RevokeError> for ApiError {
    fn from(error: RevokeError) -> Self {
        let status = match error {
            RevokeError::NotEncrypted(_) => StatusCode::BAD_REQUEST,
            RevokeError::Blind(_) | RevokeError::Derivation => StatusCode::CONFLICT,
            RevokeError::Rotation(error) => return error.into(),
        };
        Self::new(status, error.code(), error.to_string())
    }
}

/// Runs what waits for a disk on a thread of its own kind, so that no socket waits with it.
pub async fn blocking<T: Send + 'static>(
    action: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let stopping = |_| {
        let message = "The server is shutting down";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
    };
    web::block(action).await.map_err(stopping)?
}

pub async fn not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::nothing_here(&request))
}

/// Where the API is must not be told to everybody.
pub async fn no_api() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found(
        "no_api_here",
        "The HTTP API is not served at this address: ask those who run the server for the one that is",
    ))
}
