//! The signature of API requests (PROTOCOL 7.1), as an extractor: a handler that wants to know
//! the application or the body can only get them verified.

use std::{borrow::Cow, future::Future, pin::Pin, rc::Rc, sync::Arc, time::Instant};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::Method, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;

use super::{
    Settings,
    calls::Learned,
    error::ApiError,
    query::{Query, list_name},
    timestamp::check_timestamp,
    worker::Worker,
};
use crate::{
    app::App,
    crypto::{
        encoding::{from_hex, hex},
        keytable::unix_now,
        signature::{AppSecret, Signature},
    },
    engine::{Engine, Tenant},
    meter::Allowance,
    protocol::json::object,
    refusal::RefusalCode,
};

/// A request that the application's backend signed.
pub struct Signed {
    pub worker: Rc<Worker>,
    pub tenant: Arc<Tenant>,
    /// Its settings, for the whole of this request.
    pub app: Arc<App>,
    pub query: Query,
    pub body: Bytes,
    pub learned: Learned,
}

/// More parameters than any SDK sends.
const MAX_PARAMETERS: usize = 100;

impl Signed {
    pub fn engine(&self) -> &Engine {
        &self.worker.engine
    }
}

impl FromRequest for Signed {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let payload = payload.map_err(unreadable)?;
            let worker = worker(&request);
            let query = Query::parse(request.query_string());
            // Before the body, which only those may send who have signed its digest. Who guesses is
            // not told each time what was wrong.
            let (tenant, app, most) = {
                let settings = worker.settings();
                let (tenant, app) = verify(&worker, &settings, &request, &query).or_else(|e| {
                    worker
                        .entrance
                        .wrong_signature(&request, &settings)
                        .inspect_err(|_| worker.engine.counts.wrong_signatures.add())
                        .and(Err(e))
                })?;
                (tenant, app, settings.http_body_bytes)
            };
            if request.method() == Method::GET {
                take_read(&tenant, app.limits.reads())?;
            }
            let body = read_body(&request, payload, most).await?;
            let learned = Learned::of(&request);
            learned.request(&tenant, body.len());
            check_body(&query, &body)?;
            Ok(Self { worker, tenant, app, query, body, learned })
        })
    }
}

/// After the signature: strangers cannot use up what the backend may ask.
fn take_read(tenant: &Tenant, allowed: Allowance) -> Result<(), ApiError> {
    tenant.reads.take(1, allowed, Instant::now()).map_err(|wait| {
        tenant.counts.limited.add("reads_per_second");
        ApiError::over_rate(
            RefusalCode::TooManyReads,
            "read requests",
            "reads_per_second",
            allowed.per_second,
            wait,
        )
    })
}

pub fn worker(request: &HttpRequest) -> Rc<Worker> {
    request.app_data::<Rc<Worker>>().expect("every route has its worker").clone()
}

/// At most `limit` bytes; a larger body is refused before it is read where its length is announced.
pub async fn read_body(
    request: &HttpRequest,
    mut payload: web::Payload,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let announced = request.headers().get(actix_web::http::header::CONTENT_LENGTH);
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
        // By far the most often that is all, and need not be copied.
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
    let deadline = worker(request).settings().body_timeout;
    actix_rt::time::timeout(deadline, read).await.map_err(|_| ApiError::timeout(deadline))?
}

pub fn unreadable(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        RefusalCode::UnreadableBody,
        format!("The request body could not be read: {error}"),
    )
}

/// The body as a JSON object.
pub fn json<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::new(RefusalCode::InvalidJson, "The body is not UTF-8"))?;
    item(text, "The body")
}

/// A JSON object that `what` is.
pub fn item<'a, T: serde::Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, ApiError> {
    object(text).map_err(|error| {
        ApiError::new(RefusalCode::InvalidJson, format!("{what} is not what was expected: {error}"))
    })
}

fn verify(
    worker: &Worker,
    settings: &Settings,
    request: &HttpRequest,
    query: &Query,
) -> Result<(Arc<Tenant>, Arc<App>), ApiError> {
    let tenants = worker.engine.tenants();
    let id = request.match_info().get("app");
    let by_path = id.map(|id| tenants.by_id(id).ok_or_else(|| ApiError::unknown_app(id)));
    let by_path = by_path.transpose()?;
    if query.len() > MAX_PARAMETERS {
        let message = format!("More than {MAX_PARAMETERS} query parameters");
        return Err(ApiError::new(RefusalCode::TooManyParameters, message));
    }
    refuse_duplicates(query)?;
    let key = query.first("auth_key").ok_or_else(|| missing("auth_key"))?;
    let by_key = tenants
        .by_key(key)
        .ok_or_else(|| ApiError::new(RefusalCode::UnknownAuthKey, "Unknown auth_key"))?;
    let tenant = by_path.unwrap_or(by_key);
    if !Arc::ptr_eq(tenant, by_key) {
        let message = format!("The auth_key is that of another app than {}", tenant.id);
        return Err(ApiError::new(RefusalCode::ForeignAuthKey, message));
    }
    check_version(query)?;
    check_timestamp(query.first("auth_timestamp"), unix_now())?;
    let app = tenant.app_kept();
    check_signature(&app.secret, &settings.path_prefix, request, query)?;
    if !app.enabled {
        return Err(ApiError::new(RefusalCode::AppDisabled, "The app is disabled"));
    }
    Ok((tenant.clone(), app))
}

fn missing(parameter: &str) -> ApiError {
    ApiError::new(RefusalCode::MissingAuthParameter, format!("Missing parameter: {parameter}"))
}

const AUTH_PARAMETERS: [&str; 5] =
    ["auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5"];

/// Which of two would count is a question that must not arise.
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

/// The text that was to be signed depends on what stood between the SDK and this server: the path
/// may have been encoded or given a prefix on its way, and lists are written in two ways. The
/// request is good if any of these texts was signed; the first is shown if none was.
fn check_signature(
    secret: &AppSecret,
    prefix: &str,
    request: &HttpRequest,
    query: &Query,
) -> Result<(), ApiError> {
    let given = query.first("auth_signature").ok_or_else(|| missing("auth_signature"))?;
    let signature = Signature::parse(given);
    let is_signed =
        |text: &str| signature.as_ref().is_some_and(|s| secret.verify(&[text.as_bytes()], s));
    let (method, path) = (request.method().as_str(), request.uri().path());
    let usual = [method, path, &signed_parameters(query, false)].join("\n");
    if is_signed(&usual) || other_texts(method, path, prefix, query).any(|text| is_signed(&text)) {
        return Ok(());
    }
    let shown = usual.replace('\n', "\\n");
    let given: String = given.chars().take(100).collect();
    let message = format!(
        "Invalid signature: you should have sent HmacSHA256Hex(\"{shown}\", your_secret_key), but you sent \"{given}\""
    );
    Err(ApiError::new(RefusalCode::InvalidSignature, message))
}

fn other_texts<'a>(
    method: &'a str,
    path: &'a str,
    prefix: &str,
    query: &Query,
) -> impl Iterator<Item = String> + 'a {
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let bare = |path: &str| path.strip_prefix(prefix).unwrap_or(path).to_owned();
    let paths = [path.to_owned(), bare(path), bare(&decoded), decoded];
    let parameters = [signed_parameters(query, false), signed_parameters(query, true)];
    paths.into_iter().flat_map(move |path| {
        parameters.clone().map(|parameters| format!("{method}\n{path}\n{parameters}"))
    })
}

/// Names in lower case, sorted; values decoded. `joined`: `k[0]=a&k[1]=b` is signed as `k=a,b`.
fn signed_parameters(query: &Query, joined: bool) -> String {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(query.len());
    for (key, value) in query.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("auth_signature"))
    {
        let name = lower_case(if joined { list_name(key) } else { key });
        match pairs.iter_mut().find(|(other, _)| joined && *other == name) {
            Some((_, list)) => {
                let list = list.to_mut();
                list.push(',');
                list.push_str(value);
            }
            None => pairs.push((name, value.into())),
        }
    }
    // Stable: values of one name stay in the order given.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut text = String::with_capacity(pairs.iter().map(|(k, v)| k.len() + v.len() + 2).sum());
    for (index, (key, value)) in pairs.iter().enumerate() {
        let separator = if index > 0 { "&" } else { "" };
        [separator, key, "=", value].iter().for_each(|part| text.push_str(part));
    }
    text
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// After the signature, which covers the digest.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_they_are_signed() {
        for (query, plain, joined) in [
            ("b=2&a=1&auth_signature=x", "a=1&b=2", "a=1&b=2"),
            ("Name=Something%20else&a=+", "a= &name=Something else", "a= &name=Something else"),
            ("k[]=b&k[]=a&j=1", "j=1&k[]=b&k[]=a", "j=1&k=b,a"),
            ("k[0]=b&k[1]=a", "k[0]=b&k[1]=a", "k=b,a"),
        ] {
            let query = Query::parse(query);
            assert_eq!(signed_parameters(&query, false), plain);
            assert_eq!(signed_parameters(&query, true), joined);
        }
    }
}
