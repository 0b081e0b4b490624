//! Requests of a backend, signed with the app's secret (protocol.md 7.1).

use form_urlencoded::Serializer;
use hyper::Method;
use md5::{Digest, Md5};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{
    connect::Destination,
    http::{ClientRequest, ClientResponse},
    public::AppCredentials,
};
use crate::{
    cli::exit::{CliResult, CommandError},
    crypto::{encoding::hex, signature::AppSecret},
    platform::clock::unix_now,
};

/// `path`: below the app, such as `/events`. `query`: in the order of its names, which all sort
/// after those of the signature.
pub fn signed_request(
    app: &AppCredentials,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: String,
) -> CliResult<ClientRequest> {
    let secret = AppSecret::new(app.secret()?.expose_secret().as_bytes());
    let id = percent_encoding::utf8_percent_encode(app.id()?, percent_encoding::NON_ALPHANUMERIC);
    let path = format!("/apps/{id}{path}");
    let timestamp = unix_now().to_string();
    let digest = hex(&<[u8; 16]>::from(Md5::digest(&body)));
    let mut parameters = vec![
        ("auth_key", app.key.as_str()),
        ("auth_timestamp", &timestamp),
        ("auth_version", "1.0"),
    ];
    if !body.is_empty() {
        parameters.push(("body_md5", &digest));
    }
    parameters.extend_from_slice(query);
    let signed = parameters.iter().map(|(name, value)| format!("{name}={value}"));
    let signed = signed.collect::<Vec<_>>().join("&");
    let text = format!("{method}\n{path}\n{signed}");
    let signature = secret.sign(&[text.as_bytes()]).to_hex();
    let mut sent = Serializer::new(String::new());
    sent.extend_pairs(&parameters).append_pair("auth_signature", &signature);
    let request = ClientRequest::new(method, format!("{path}?{}", sent.finish()));
    Ok(if body.is_empty() { request } else { request.json(body.into()) })
}

/// The body of a refusal by a Sealcast server.
#[derive(Deserialize)]
pub struct RefusalBody {
    pub error: String,
    pub code: String,
}

/// The reason of an answer other than 200.
pub fn refusal(answer: &ClientResponse, from: &Destination) -> CommandError {
    match serde_json::from_slice::<RefusalBody>(&answer.body) {
        Ok(RefusalBody { error, code }) => CommandError::Refused { message: error, code },
        Err(_) => CommandError::unreachable(format_args!(
            "{from} answers {}, and not as a Sealcast server",
            answer.status
        )),
    }
}
