//! Signature verification of API requests (protocol.md 7.1), as an extractor: handlers get the app
//! and the body only verified.

mod texts;

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc, time::Instant};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::Method, web};
use bytes::Bytes;
use md5::{Digest, Md5};

use super::timestamp::check_timestamp;
use texts::texts;

use crate::{
    app::App,
    crypto::{
        encoding::{from_hex, hex},
        signature::{AppSecret, Signature},
    },
    domain::{rate_limit::RateQuota, refusal::RefusalCode},
    engine::{AppRuntime, Engine},
    platform::clock::unix_now,
    web::{
        context::{
            call_recorder::CallRecorder,
            worker::{Worker, worker},
        },
        http::{
            body::{read_body, unreadable},
            error::ApiError,
            query::Query,
        },
    },
};

/// A request signed by the app's backend.
pub struct SignedRequest {
    pub worker: Rc<Worker>,
    pub runtime: Arc<AppRuntime>,
    /// A snapshot of its settings for the whole request.
    pub app: Arc<App>,
    pub query: Query,
    pub body: Bytes,
    pub call_recorder: CallRecorder,
}

impl SignedRequest {
    pub fn engine(&self) -> &Arc<Engine> {
        &self.worker.engine
    }
}

impl FromRequest for SignedRequest {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let payload = payload.map_err(unreadable)?;
            let worker = worker(&request);
            // Before the body, which only the signer of its digest may send. Repeated guesses get
            // no explanation, and cost no formatting.
            let (query, runtime, app, limits) = {
                let settings = worker.settings();
                let refused = |error: UnverifiedRequest| {
                    let often = worker
                        .client_rate_limits
                        .check_wrong_signatures(&request, &settings.proxies);
                    often
                        .inspect_err(|_| worker.engine.counts.wrong_signatures.add())
                        .err()
                        .unwrap_or_else(|| error.into())
                };
                let query =
                    Query::of(request.uri()).map_err(|e| refused(ApiError::from(e).into()))?;
                let (runtime, app) = verify(&worker, &request, &query).map_err(refused)?;
                let limits = worker.body_limits(settings.http_body_bytes);
                (query, runtime, app, limits)
            };
            if matches!(*request.method(), Method::GET | Method::HEAD) {
                take_read(&runtime, app.limits.reads())?;
            }
            let body = read_body(&request, payload, limits).await?;
            let call_recorder = CallRecorder::of(&request);
            call_recorder.request(&runtime, body.len());
            check_body(&query, &body)?;
            Ok(Self { worker, runtime, app, query, body, call_recorder })
        })
    }
}

/// After the signature, so that strangers cannot use up the backend's limit.
fn take_read(runtime: &AppRuntime, allowed: RateQuota) -> Result<(), ApiError> {
    runtime.reads.take(1, allowed, Instant::now()).map_err(|wait| {
        runtime.counts.limited.add("reads_per_second");
        ApiError::over_rate(
            RefusalCode::TooManyReads,
            "read requests",
            "reads_per_second",
            allowed.per_second,
            wait,
        )
    })
}

/// The reason to reject a request as unsigned.
enum UnverifiedRequest {
    Other(ApiError),
    Signature {
        /// The text to sign, and the given signature.
        text: String,
        given: String,
    },
}

impl From<ApiError> for UnverifiedRequest {
    fn from(error: ApiError) -> Self {
        Self::Other(error)
    }
}

impl From<UnverifiedRequest> for ApiError {
    fn from(error: UnverifiedRequest) -> Self {
        let (text, given) = match error {
            UnverifiedRequest::Other(error) => return error,
            UnverifiedRequest::Signature { text, given } => (text.replace('\n', "\\n"), given),
        };
        let message = format!(
            "Invalid signature: you should have sent HmacSHA256Hex(\"{text}\", your_secret_key), but you sent \"{given}\""
        );
        Self::new(RefusalCode::InvalidSignature, message)
    }
}

/// Cheap checks come first: nothing is hashed for a malformed request.
fn verify(
    worker: &Worker,
    request: &HttpRequest,
    query: &Query,
) -> Result<(Arc<AppRuntime>, Arc<App>), UnverifiedRequest> {
    let runtimes = worker.engine.runtimes();
    let id = request.match_info().get("app");
    let by_path = id.map(|id| runtimes.by_id(id).ok_or_else(|| ApiError::unknown_app(id)));
    let by_path = by_path.transpose()?;
    refuse_duplicates(query)?;
    let key = query.first("auth_key").ok_or_else(|| missing("auth_key"))?;
    let by_key = runtimes
        .by_key(key)
        .ok_or_else(|| ApiError::new(RefusalCode::UnknownAuthKey, "Unknown auth_key"))?;
    let runtime = by_path.unwrap_or(by_key);
    if !Arc::ptr_eq(runtime, by_key) {
        let message = format!("The auth_key is that of another app than {}", runtime.id);
        return Err(ApiError::new(RefusalCode::ForeignAuthKey, message).into());
    }
    check_version(query)?;
    check_timestamp(query.first("auth_timestamp"), unix_now())?;
    let app = runtime.app_snapshot();
    check_signature(&app.secret, &worker.start_settings.path_prefix, request, query)?;
    if !app.enabled {
        return Err(ApiError::new(RefusalCode::AppDisabled, "The app is disabled").into());
    }
    Ok((runtime.clone(), app))
}

fn missing(parameter: &str) -> ApiError {
    ApiError::new(RefusalCode::MissingAuthParameter, format!("Missing parameter: {parameter}"))
}

const AUTH_PARAMETERS: [&str; 5] =
    ["auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5"];

/// Duplicates are refused, so that no other reader can choose another one.
fn refuse_duplicates(query: &Query) -> Result<(), ApiError> {
    let mut given = [false; AUTH_PARAMETERS.len()];
    for (key, _) in query.iter() {
        let known = AUTH_PARAMETERS.iter().position(|name| key.eq_ignore_ascii_case(name));
        let twice = known.filter(|index| std::mem::replace(&mut given[*index], true));
        if let Some(index) = twice {
            let message = format!("The parameter {} is given twice", AUTH_PARAMETERS[index]);
            return Err(ApiError::new(RefusalCode::DuplicateParameter, message));
        }
    }
    Ok(())
}

fn check_version(query: &Query) -> Result<(), ApiError> {
    match query.first("auth_version") {
        Some("1.0") => Ok(()),
        Some(_) => Err(ApiError::new(
            RefusalCode::UnsupportedVersion,
            "Version not supported: auth_version must be 1.0",
        )),
        None => {
            Err(ApiError::new(RefusalCode::MissingVersion, "Version required: auth_version=1.0"))
        }
    }
}

/// The request is valid if any of the texts was signed; the error shows the first one.
fn check_signature(
    secret: &AppSecret,
    prefix: &str,
    request: &HttpRequest,
    query: &Query,
) -> Result<(), UnverifiedRequest> {
    let given = query.first("auth_signature").ok_or_else(|| missing("auth_signature"))?;
    let (method, path) = (request.method().as_str(), request.uri().path());
    let is_signed = |signature: &Signature| {
        let mut texts = texts(method, path, prefix, query);
        texts.any(|text| secret.verify(&[text.as_bytes()], signature))
    };
    if Signature::parse(given).is_some_and(|signature| is_signed(&signature)) {
        return Ok(());
    }
    Err(UnverifiedRequest::Signature {
        text: texts(method, path, prefix, query).next().unwrap_or_default(),
        given: given.chars().take(100).collect(),
    })
}

/// Compares the body with its digest, which the signature covers.
fn check_body(query: &Query, body: &[u8]) -> Result<(), ApiError> {
    let given = match query.first("body_md5") {
        None if body.is_empty() => return Ok(()),
        None => return Err(missing("body_md5")),
        Some(given) => given,
    };
    let actual: [u8; 16] = Md5::digest(body).into();
    if from_hex(given) == Some(actual) {
        return Ok(());
    }
    let actual = hex(&actual);
    let message = format!(
        "The body_md5 that was signed does not belong to the body that arrived ({} bytes, md5 {actual}): something on the way has changed it",
        body.len()
    );
    Err(ApiError::new(RefusalCode::BodyMd5Mismatch, message))
}
