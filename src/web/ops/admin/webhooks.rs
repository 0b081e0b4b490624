//! The state of webhooks, undelivered ones, and test deliveries.

use std::{io, sync::Arc, time::Instant};

use actix_web::{HttpRequest, HttpResponse};
use form_urlencoded::parse;
use humantime::parse_rfc3339_weak;
use serde::{Deserialize, Serialize};

use super::AdminRequest;
use crate::{
    domain::refusal::RefusalCode,
    engine::channel_snapshot::PresentChannels,
    observe::webhook::{
        DeliveryRecord, EndpointTestResult, Letter, LetterId, LetterSelector, Webhooks,
    },
    web::http::error::{ApiError, blocking},
};

/// Entries in one response.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

impl AdminRequest {
    fn webhooks(&self) -> Result<Arc<Webhooks>, ApiError> {
        self.runtime.webhooks().ok_or_else(|| {
            let message = format!(
                "The app {} has no webhooks: add [[apps.{0}.webhooks]] with a url to its configuration",
                self.runtime.id
            );
            ApiError::new(RefusalCode::NoWebhooks, message)
        })
    }
}

pub async fn list(admin: AdminRequest, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let webhooks = admin.webhooks()?;
    let limit = limit(&request)?;
    let mut report = blocking(move || webhooks.report(limit).map_err(unreadable)).await?;
    if !admin.shows_payloads {
        report.letters.iter_mut().for_each(Letter::leave_payload_out);
    }
    Ok(HttpResponse::Ok().json(report))
}

fn limit(request: &HttpRequest) -> Result<usize, ApiError> {
    let limit = parse(request.query_string().as_bytes()).find(|(name, _)| name == "limit");
    let limit = limit
        .map_or(Some(DEFAULT_LIMIT), |(_, value)| value.parse().ok().filter(|n| *n <= MAX_LIMIT));
    limit.ok_or_else(|| {
        let message = format!("limit must be a whole number of at most {MAX_LIMIT}");
        ApiError::new(RefusalCode::InvalidLimit, message)
    })
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct Deliveries {
    /// Newest last.
    pub deliveries: Vec<DeliveryRecord>,
}

pub async fn log(admin: AdminRequest, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let webhooks = admin.webhooks()?;
    let limit = limit(&request)?;
    let endpoint = parse(request.query_string().as_bytes()).find(|(name, _)| name == "endpoint");
    let mut deliveries = webhooks.log(endpoint.as_ref().map(|(_, value)| &**value));
    deliveries.drain(..deliveries.len().saturating_sub(limit));
    Ok(HttpResponse::Ok().json(Deliveries { deliveries }))
}

pub async fn replay(admin: AdminRequest) -> Result<HttpResponse, ApiError> {
    let which: LetterSelector = admin.parse_body(
        "an object of id (a whole number) and endpoint (text), each of which may be left out",
    )?;
    let webhooks = admin.webhooks()?;
    admin.note("webhooks_replay");
    let engine = admin.worker.engine.clone();
    let channels = PresentChannels { engine, runtime: admin.runtime.clone() };
    let replay = move || webhooks.replay(&which, &channels, Instant::now()).map_err(unreadable);
    Ok(HttpResponse::Ok().json(blocking(replay).await?))
}

/// `all`, or a condition: an empty body must not discard everything.
#[derive(Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Discard {
    pub all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub id: Option<LetterId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// RFC 3339; selects letters given up before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

const DISCARD: &str = "an object of all (true), or of id (a whole number), endpoint (text) and before (a time as 2026-01-31T12:00:00Z), of which some may be left out";

pub async fn discard(admin: AdminRequest) -> Result<HttpResponse, ApiError> {
    let Discard { all, id, endpoint, before } = admin.parse_body(DISCARD)?;
    let wrong = || ApiError::new(RefusalCode::InvalidJson, format!("The body must be {DISCARD}"));
    let before = before.map(|time| parse_rfc3339_weak(&time)).transpose().map_err(|_| wrong())?;
    let names_some = id.is_some() || endpoint.is_some() || before.is_some();
    if all == names_some {
        return Err(wrong());
    }
    let webhooks = admin.webhooks()?;
    admin.note("webhooks_discard");
    let which = LetterSelector { id, endpoint };
    let discard = move || webhooks.discard(&which, before).map_err(unreadable);
    Ok(HttpResponse::Ok().json(blocking(discard).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookTestRequest {
    endpoint: Option<String>,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct TestResults {
    pub results: Vec<EndpointTestResult>,
}

pub async fn test(admin: AdminRequest) -> Result<HttpResponse, ApiError> {
    let request: WebhookTestRequest =
        admin.parse_body("an object of endpoint (text), which may be left out")?;
    let webhooks = admin.webhooks()?;
    admin.note("webhooks_test");
    let results = webhooks.test(request.endpoint.as_deref()).await;
    match request.endpoint {
        Some(endpoint) if results.is_empty() => {
            let message = format!(
                "The app has no webhook to {endpoint:?}: name its URL without the part after ?"
            );
            Err(ApiError::new(RefusalCode::UnknownEndpoint, message))
        }
        _ => Ok(HttpResponse::Ok().json(TestResults { results })),
    }
}

fn unreadable(error: io::Error) -> ApiError {
    ApiError::new(RefusalCode::DeadLetters, format!("The dead letters cannot be read: {error}"))
}
