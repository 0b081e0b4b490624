//! The bodies of requests, within a size and a time, and their JSON.

use std::{fmt::Display, time::Duration};

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue},
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::{Deserialize, de::DeserializeOwned};

use super::error::ApiError;
use crate::{
    domain::refusal::RefusalCode,
    protocol::{json::object_in, well_formed::WellFormed},
};

/// The limits of one body.
#[derive(Clone, Copy)]
pub struct BodyLimits {
    pub bytes: usize,
    /// For the whole body.
    pub timeout: Duration,
}

/// A larger announced length is refused before the body is read.
pub async fn read_body(
    request: &HttpRequest,
    mut payload: web::Payload,
    BodyLimits { bytes: limit, timeout }: BodyLimits,
) -> Result<Bytes, ApiError> {
    refuse_encoded(request)?;
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|n| n.to_str().ok()?.parse::<usize>().ok());
    let check = |size: usize, more: &str| {
        if size <= limit {
            return Ok(());
        }
        let message = format!("The request body is {more}{size} bytes, the limit is {limit}");
        Err(ApiError::too_large(RefusalCode::BodyTooLarge, message, size, limit))
    };
    check(announced.unwrap_or(0), "")?;
    let read = async {
        let mut chunk = async || payload.next().await.transpose().map_err(unreadable);
        let first = chunk().await?.unwrap_or_default();
        check(first.len(), "at least ")?;
        // The usual case: a single chunk, which need not be copied.
        let Some(mut next) = chunk().await? else { return Ok(first) };
        let mut body = BytesMut::from(first);
        loop {
            check(body.len() + next.len(), "at least ")?;
            body.extend_from_slice(&next);
            match chunk().await? {
                Some(chunk) => next = chunk,
                None => return Ok(body.freeze()),
            }
        }
    };
    actix_rt::time::timeout(timeout, read).await.map_err(|_| ApiError::timeout(timeout))?
}

/// Encoded bodies are refused: signature and limits apply to the bytes as sent.
fn refuse_encoded(request: &HttpRequest) -> Result<(), ApiError> {
    let mut encodings = request.headers().get_all(CONTENT_ENCODING);
    let is_identity = |encoding: &HeaderValue| {
        encoding.is_empty() || encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    };
    match encodings.find(|encoding| !is_identity(encoding)) {
        None => Ok(()),
        Some(encoding) => Err(ApiError::encoded(encoding.to_str().unwrap_or("?"))),
    }
}

pub fn unreadable(error: impl Display) -> ApiError {
    ApiError::new(
        RefusalCode::UnreadableBody,
        format!("The request body could not be read: {error}"),
    )
}

/// The body as a JSON object.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    item(json_text(body)?.as_str(), "The body")
}

/// The body as JSON text, for deserialization that borrows from it.
pub fn json_text(body: &[u8]) -> Result<WellFormed<'_>, ApiError> {
    std::str::from_utf8(body)
        .map(WellFormed::new)
        .map_err(|_| ApiError::new(RefusalCode::InvalidJson, "The body is not UTF-8"))
}

/// Parses a JSON object; `what` names it in errors.
pub fn item<'a, T: Deserialize<'a>>(well_formed: &'a str, what: &str) -> Result<T, ApiError> {
    object_in(well_formed).map_err(|error| {
        ApiError::new(RefusalCode::InvalidJson, format!("{what} is not what was expected: {error}"))
    })
}
