//! The responses of event streams: their head, and the forms of a refusal.
//!
//! After any status but 200 a browser's `EventSource` never returns, 429 and 503 included. So a
//! status is for what stays refused. What passes is a 200 with the reason as its only event: the
//! browser comes back after its wait.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
};
use bytes::{Bytes, BytesMut};

use crate::{
    domain::refusal::RefusalCode,
    protocol::{code::Close, form::Form, message::Message},
    web::{client::ClientHeaders, http::error::ApiError},
};

/// The reason for which no stream is opened.
pub enum StreamRefusal {
    /// It stays refused: a status.
    Lasting(ApiError),
    /// It passes: the code and the message of `sealcast:end`.
    Passing(u16, String),
}

impl StreamRefusal {
    /// The code and the message of a refusal that passes, told by its status alone.
    pub fn of_status(status: StatusCode) -> Option<(u16, &'static str)> {
        let text = match status.as_u16() {
            429 => RefusalCode::RateLimited.text(),
            408 | 500.. => RefusalCode::Overloaded.text(),
            _ => return None,
        };
        Some((BACK_OFF, text))
    }

    pub fn for_now(message: &str) -> Self {
        Self::Passing(BACK_OFF, message.to_owned())
    }
}

impl From<ApiError> for StreamRefusal {
    fn from(error: ApiError) -> Self {
        match (error.code(), error.code().status()) {
            // Members leave again.
            (RefusalCode::ChannelFull, _) | (_, 408 | 429 | 500..) => {
                Self::Passing(BACK_OFF, error.to_string())
            }
            _ => Self::Lasting(error),
        }
    }
}

/// The code of closes after which clients back off and reconnect.
const BACK_OFF: u16 = 4100;

impl From<Close> for StreamRefusal {
    fn from(close: Close) -> Self {
        Self::Passing(close.error_code().unwrap_or(BACK_OFF), close.message())
    }
}

/// The status and the headers of every stream, to be completed.
pub fn head(headers: &ClientHeaders) -> HttpResponseBuilder {
    let mut head = HttpResponse::Ok();
    for header in headers.iter() {
        head.append_header(header);
    }
    head.insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        .insert_header(("X-Accel-Buffering", "no"));
    head
}

/// The head of a stream over HTTP/1.1: its end is the end of the connection.
pub fn head_bytes(headers: &HeaderMap) -> Bytes {
    let mut bytes = BytesMut::from(&b"HTTP/1.1 200 OK\r\n"[..]);
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    bytes.freeze()
}

pub fn passing(
    mut head: HttpResponseBuilder,
    code: u16,
    message: &str,
    retry: Duration,
) -> HttpResponse {
    let retry = Form::Stream.retry(retry).unwrap_or_default();
    let end = Form::Stream.encode(&Message::stream_end(Some(code), message));
    head.body([retry, end].concat())
}

/// Resets the stream of an HTTP/2 request.
pub struct CutBody;

#[derive(Debug, thiserror::Error)]
#[error("refused too often to be answered")]
pub struct Cut;

impl MessageBody for CutBody {
    type Error = Cut;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        Poll::Ready(Some(Err(Cut)))
    }
}
