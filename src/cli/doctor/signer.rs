//! Requests signed as a backend's SDK signs them (protocol.md 7.1).

use form_urlencoded::Serializer;
use hyper::Method;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::{
    cli::client::http::ClientRequest,
    crypto::{encoding::hex, signature::AppSecret},
    observe::explain::SimilarSecrets,
    platform::clock::unix_now,
};

/// One app's backend.
pub struct RequestSigner {
    pub app: String,
    pub key: String,
    pub secret: AppSecret,
    pub similar: SimilarSecrets,
    /// In front of the path in the signed text.
    pub signed_prefix: String,
    /// Added to this machine's clock: the server's is another.
    pub clock_offset: i64,
}

impl RequestSigner {
    pub fn new(app: &str, key: &str, secret: &str, prefix: &str) -> Self {
        Self {
            app: app.to_owned(),
            key: key.to_owned(),
            secret: AppSecret::new(secret.as_bytes()),
            similar: SimilarSecrets::of(secret),
            signed_prefix: prefix.to_owned(),
            clock_offset: 0,
        }
    }

    /// `path`: below the app, such as `/events`.
    pub fn get(&self, path: &str) -> ClientRequest {
        ClientRequest::get(self.signed(&Method::GET, path, b""))
    }

    pub fn post(&self, path: &str, body: &serde_json::Value) -> ClientRequest {
        let body = Zeroizing::new(body.to_string());
        let target = self.signed(&Method::POST, path, body.as_bytes());
        ClientRequest::new(Method::POST, target).json(body)
    }

    /// The path below the prefix, with its query.
    fn signed(&self, method: &Method, path: &str, body: &[u8]) -> String {
        let path = format!("/apps/{}{path}", self.app);
        let time = unix_now().saturating_add_signed(self.clock_offset).to_string();
        let digest = (!body.is_empty()).then(|| hex(&Md5::digest(body)));
        // In the order in which they are signed.
        let mut parameters =
            vec![("auth_key", &*self.key), ("auth_timestamp", &time), ("auth_version", "1.0")];
        parameters.extend(digest.as_deref().map(|digest| ("body_md5", digest)));
        let signed = parameters.iter().map(|(name, value)| format!("{name}={value}"));
        let signed = signed.collect::<Vec<_>>().join("&");
        let text = format!("{method}\n{}{path}\n{signed}", self.signed_prefix);
        let signature = self.secret.sign(&[text.as_bytes()]).to_hex();
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&parameters).append_pair("auth_signature", &signature);
        format!("{path}?{}", query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_signed_as_the_protocol_says() {
        let signer = RequestSigner::new("3", "278d425bdf160c739803", "7ad3773142a6692b25b8", "/ws");
        let target = signer.signed(&Method::POST, "/events", b"{}");
        let (path, query) = target.split_once('?').expect("a query");
        assert_eq!(path, "/apps/3/events");
        let (parameters, signature) = query.split_once("&auth_signature=").expect("a signature");
        let text = format!("POST\n/ws/apps/3/events\n{parameters}");
        assert_eq!(signature, signer.secret.sign(&[text.as_bytes()]).to_hex());
        assert!(parameters.ends_with("&body_md5=99914b932bd37a50b983c5e7c90ae93b"), "{parameters}");
    }

    #[test]
    fn the_time_is_the_servers() {
        let mut signer = RequestSigner::new("3", "k", "s", "");
        signer.clock_offset = -742;
        let target = signer.signed(&Method::GET, "/caller", b"");
        let time = target.split("auth_timestamp=").nth(1).and_then(|rest| rest.split('&').next());
        let time: u64 = time.and_then(|time| time.parse().ok()).expect("a time");
        assert!(unix_now().abs_diff(time).abs_diff(742) < 5, "{time}");
    }
}
