//! HTTP client for other servers: bounded in time and size, over TLS, without redirects.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Request, Uri,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::platform::{text_file, traces::traceparent};

/// Shared by all workers, with a pool of idle connections.
pub struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deadline: Duration,
}

pub struct HttpResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    #[error("there was no whole answer within {0:?}")]
    Deadline(Duration),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The reason, for the log.
    #[error("there was no answer: {0}")]
    Broken(String),
}

/// The `User-Agent` of every request.
pub const USER_AGENT_NAME: &str = concat!("sealcast/", env!("CARGO_PKG_VERSION"));

/// Header with the version of a server, in the answers of its listeners for operators.
pub const SERVER_VERSION: &str = "sealcast-version";

/// Header with the trace a request belongs to.
const TRACEPARENT: &str = "traceparent";

/// Shorter than the idle timeout of most servers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_IDLE_CONNECTIONS: usize = 16;
/// Bounds for a response body that is not used.
const MAX_IGNORED_BYTES: usize = 64 * 1024;
const IGNORED_BODY_TIMEOUT: Duration = Duration::from_millis(200);

impl HttpClient {
    /// With `ca_file`, only its certificates are trusted, otherwise those trusted by browsers: the
    /// container image has none of its own.
    pub fn new(ca_file: Option<&Path>, deadline: Duration) -> Result<Self, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_tls(ca_file)?)
            .https_or_http()
            .enable_http1();
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            // Some webhook receivers compare header names in this spelling.
            .http1_title_case_headers(true)
            .build(connector.build());
        Ok(Self { inner, deadline })
    }

    pub async fn get(
        &self,
        from: &EndpointUrl,
        max_bytes: usize,
    ) -> Result<HttpResponse, RequestError> {
        let request = Request::get(&from.0).header(ACCEPT, "application/json");
        let request =
            request.body(Full::default()).map_err(|e| RequestError::Broken(e.to_string()))?;
        self.send(request, max_bytes).await
    }

    /// Posts a form with these headers.
    pub async fn post(
        &self,
        to: &EndpointUrl,
        headers: &[(String, String)],
        form: String,
        max_bytes: usize,
    ) -> Result<HttpResponse, RequestError> {
        let mut request = Request::post(&to.0)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(trace) = traceparent() {
            request = request.header(TRACEPARENT, trace);
        }
        let request = request.body(Full::from(form));
        self.send(request.map_err(|e| RequestError::Broken(e.to_string()))?, max_bytes).await
    }

    /// Posts a body with these headers. Returns only the status.
    pub async fn post_body(
        &self,
        to: &EndpointUrl,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<u16, RequestError> {
        let mut request = Request::post(&to.0)
            .body(Full::from(body))
            .map_err(|e| RequestError::Broken(e.to_string()))?;
        *request.headers_mut() = headers;
        if let Some(trace) = traceparent().and_then(|trace| trace.parse().ok()) {
            request.headers_mut().insert(TRACEPARENT, trace);
        }
        let request = with_user_agent(request);
        let answer = tokio::time::timeout(self.deadline, self.inner.request(request)).await;
        let answer = answer.map_err(|_| RequestError::Deadline(self.deadline))?;
        let (head, body) = answer.map_err(|e| innermost_error(&e))?.into_parts();
        // Drains a short body, so that the connection can be reused.
        let rest = Limited::new(body, MAX_IGNORED_BYTES).collect();
        let _ = tokio::time::timeout(IGNORED_BODY_TIMEOUT, rest).await;
        Ok(head.status.as_u16())
    }

    /// Sends a request built by another library; its `User-Agent` is kept behind ours.
    #[cfg(feature = "otel")]
    pub async fn send_foreign(
        &self,
        mut request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<HttpResponse, RequestError> {
        if let Some(name) = request.headers().get(USER_AGENT).and_then(|name| name.to_str().ok())
            && let Ok(both) = format!("{USER_AGENT_NAME} {name}").parse()
        {
            request.headers_mut().insert(USER_AGENT, both);
        }
        self.send(request, max_bytes).await
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<HttpResponse, RequestError> {
        let request = with_user_agent(request);
        let whole = async {
            let answer = self.inner.request(request).await.map_err(|e| innermost_error(&e))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
                match error.downcast_ref::<LengthLimitError>() {
                    Some(_) => RequestError::TooLarge(max_bytes),
                    None => innermost_error(&*error),
                }
            })?;
            Ok(HttpResponse {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(self.deadline, whole)
            .await
            .map_err(|_| RequestError::Deadline(self.deadline))?
    }
}

/// Adds a `User-Agent` unless there is one: a webhook may configure its own, and that of a client
/// may be forwarded.
fn with_user_agent(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let name = request.headers_mut().entry(USER_AGENT);
    name.or_insert(HeaderValue::from_static(USER_AGENT_NAME));
    request
}

/// The innermost error is the most useful one.
fn innermost_error(error: &dyn std::error::Error) -> RequestError {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    RequestError::Broken(error.to_string())
}

/// TLS of a client, without ALPN. `ca_file`: as for [`HttpClient::new`].
pub fn client_tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots(ca_file)?)
        .with_no_client_auth();
    Ok(tls)
}

/// `ca_file`: as for [`HttpClient::new`].
pub fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let Some(path) = ca_file else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let pem = text_file::read_bytes(path).map_err(|e| failed(&e))?;
    roots_of_pem(&pem).map_err(|e| failed(&e))
}

/// Roots from the content of a file.
pub fn roots_of_pem(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| e.to_string())?;
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate (PEM) in it".to_owned());
    }
    Ok(roots)
}

/// A URL that may receive tokens and cookies.
#[derive(Clone, Debug)]
pub struct EndpointUrl(Uri);

impl EndpointUrl {
    /// `plain`: the operator allows http for any host.
    pub fn parse(text: &str, plain: bool) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|e| format!("is no URL: {e}"))?;
        let Some(authority) = uri.authority() else {
            return Err("is no URL with scheme and host".to_owned());
        };
        if authority.as_str().contains('@') {
            return Err("must not contain a user name or a password".to_owned());
        }
        match uri.scheme_str() {
            Some("https") => Ok(Self(uri)),
            Some("http") if plain || is_loopback(authority.host()) => Ok(Self(uri)),
            Some("http") => Err("must be https: http is allowed on this machine only".to_owned()),
            _ => Err("must begin with https://".to_owned()),
        }
    }

    /// Host, and port if it is not the default.
    pub fn host(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sent_to_safe_urls_only() {
        for good in [
            "https://id.example.com/keys",
            "http://localhost:1/x",
            "http://127.0.0.1:8080/x?y=z",
            "http://127.1.2.3/",
            "http://[::1]:5/",
        ] {
            assert!(EndpointUrl::parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com/keys",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "https://user:password@id.example.com/",
            "ftp://localhost/",
            "/keys",
            "id.example.com",
            "https://",
            "",
        ] {
            assert!(EndpointUrl::parse(bad, false).is_err(), "{bad}");
        }
        assert!(EndpointUrl::parse("http://app:8080/auth", true).is_ok());
        assert!(EndpointUrl::parse("ftp://app:8080/auth", true).is_err());
    }
}
