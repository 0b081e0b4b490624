//! Bounds on the requests of one connection: with HTTP/2, neither the library nor actix sets them,
//! and a single connection is all that a stranger would need to hold requests without end.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{
    Request, RequestHead,
    body::{BodySize, BoxBody, MessageBody},
};
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use bytes::Bytes;

use super::{http_intake, http_stream::Watched, http_usage::HttpUsage};
use crate::web::http::error::ApiError;

/// More than a backend has under way, and at least the default of other servers.
const MAX_OPEN_REQUESTS: usize = 250;

/// The same limit as for HTTP/1.1.
const MAX_HEAD_BYTES: usize = http_intake::MAX_HEAD_BYTES;

/// Bodies of the size that one may have, beside all that is under way.
const BODIES: usize = 2;

/// One request, until its answer has been sent.
pub struct StreamGuard {
    usage: Option<Rc<HttpUsage>>,
    is_sending: bool,
}

impl StreamGuard {
    /// Requests of connections that are not watched go free.
    pub fn open(request: &Request) -> Self {
        let usage = request.conn_data::<Watched>().map(|watched| watched.0.clone());
        if let Some(usage) = &usage {
            usage.begin(body_bytes(request.head()));
        }
        Self { usage, is_sending: false }
    }

    /// Refusals are answers that have to be sent, too: a connection that leaves them all untaken is
    /// closed.
    pub fn check(&self, head: &RequestHead, most_body: usize) -> Result<(), ApiError> {
        let Some(usage) = self.usage.as_ref().filter(|usage| usage.is_multiplexed) else {
            return Ok(());
        };
        let open = usage.answering();
        if open > 2 * MAX_OPEN_REQUESTS {
            usage.end();
        }
        if open > MAX_OPEN_REQUESTS
            || usage.taken() > BODIES * most_body + MAX_OPEN_REQUESTS * MAX_HEAD_BYTES
        {
            return Err(ApiError::too_many_requests(MAX_OPEN_REQUESTS));
        }
        if head_bytes(head) > MAX_HEAD_BYTES {
            return Err(ApiError::head_too_large(MAX_HEAD_BYTES));
        }
        Ok(())
    }

    /// True if the connection has become an event stream.
    pub fn is_taken_over(&self) -> bool {
        self.usage.as_ref().is_some_and(|usage| !usage.is_multiplexed && usage.has_left())
    }

    /// A body without a size is an event stream's. It counts by itself, and is no request under
    /// way.
    pub fn send(mut self, body: BoxBody) -> Sending {
        let bytes = match body.size() {
            BodySize::Sized(bytes) => bytes,
            BodySize::None => 0,
            BodySize::Stream => return Sending { body, _stream: None },
        };
        if let Some(usage) = &self.usage {
            usage.send(bytes);
        }
        self.is_sending = true;
        Sending { body, _stream: Some(self) }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        if let Some(usage) = &self.usage {
            usage.finish(self.is_sending);
        }
    }
}

fn head_bytes(head: &RequestHead) -> usize {
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    path + headers.sum::<usize>()
}

fn body_bytes(head: &RequestHead) -> u64 {
    if head.headers.contains_key(TRANSFER_ENCODING) {
        return u64::MAX;
    }
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

/// The body of an answer.
pub struct Sending {
    body: BoxBody,
    _stream: Option<StreamGuard>,
}

impl MessageBody for Sending {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
