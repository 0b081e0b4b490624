//! One HTTP/1.1 request on a connection of its own, with bounds on time and size.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
        USER_AGENT,
    },
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::{
    connect::{BoxedStream, Destination},
    error::ClientError,
};
use crate::platform::http::USER_AGENT_NAME;

/// Changing keys waits for a disk, and a test of webhooks for the endpoints.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// More than any answer has that is read whole.
pub const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// A path below the destination's prefix, headers and a body.
pub struct ClientRequest {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Debug)]
pub struct ClientResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer whose body is read piece by piece, without a bound on its size.
pub struct StreamedResponse(Response<Incoming>);

impl ClientRequest {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// The text is wiped when it has been sent.
    pub fn json(self, body: Zeroizing<String>) -> Self {
        let request = self.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { body: Bytes::from_owner(WipedText(body)), ..request }
    }

    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// `None` if the token cannot stand in a header.
    pub fn bearer(self, token: &str) -> Option<Self> {
        let text = Zeroizing::new(format!("Bearer {token}"));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(self.header(AUTHORIZATION, value))
    }

    fn for_destination(self, to: &Destination) -> Result<Request<Full<Bytes>>, ClientError> {
        let Self { method, path, headers, body } = self;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", to.prefix))
            .body(Full::new(body))
            .map_err(|error| ClientError::Lost(format!("no valid request: {error}")))?;
        let host = HeaderValue::from_str(&to.authority())
            .map_err(|error| ClientError::Lost(format!("no valid host: {error}")))?;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.entry(HOST).or_insert(host);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT_NAME));
        headers.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
        Ok(request)
    }
}

struct WipedText(Zeroizing<String>);

impl AsRef<[u8]> for WipedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl ClientResponse {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends the request and reads the whole answer.
pub async fn send_on(
    stream: BoxedStream,
    to: &Destination,
    request: ClientRequest,
    deadline: Duration,
) -> Result<ClientResponse, ClientError> {
    let end = Instant::now() + deadline;
    let whole = async { open_on(stream, to, request).await?.whole(MAX_RESPONSE_BYTES).await };
    timeout_at(end, whole).await.map_err(|_| ClientError::Deadline(deadline))?
}

/// Sends the request and reads the head of the answer. Without a deadline of its own.
pub async fn open_on(
    stream: BoxedStream,
    to: &Destination,
    request: ClientRequest,
) -> Result<StreamedResponse, ClientError> {
    let request = request.for_destination(to)?;
    let lost = |error| ClientError::of_hyper(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // Reads and writes for both halves; ends with the connection.
    tokio::spawn(connection.with_upgrades());
    Ok(StreamedResponse(sender.send_request(request).await.map_err(lost)?))
}

impl StreamedResponse {
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.0.body_mut().frame().await {
            let frame = frame.map_err(|error| ClientError::of_hyper(&error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    pub async fn whole(mut self, max_bytes: usize) -> Result<ClientResponse, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > max_bytes {
                return Err(ClientError::TooLarge(max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        let (head, _) = self.0.into_parts();
        Ok(ClientResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.into(),
        })
    }

    /// The stream of an answer with the status 101.
    pub(super) async fn upgraded(self) -> Result<Upgraded, ClientError> {
        hyper::upgrade::on(self.0).await.map_err(|error| ClientError::of_hyper(&error))
    }
}
