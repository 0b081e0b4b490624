//! Check 13: the auth endpoint that clients ask.

mod cors;
mod judge;

use form_urlencoded::Serializer;
use hyper::{
    Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN},
};

pub use self::{cors::CorsQuestion, judge::AuthContext};
use super::{
    answer::{HttpAnswer, ServerRefusal, redirection},
    dial::Dialer,
};
use crate::{
    cli::client::{ClientError, http::ClientRequest},
    observe::explain::EndpointAnswer,
};

/// An endpoint, and what a client sends to it.
pub struct AuthProbe {
    pub dialer: Dialer,
    /// With its query.
    pub path: String,
    /// With cookies, tokens and what else the application asks for.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub origin: Option<HeaderValue>,
}

/// The reason for which there is no such answer.
#[derive(Debug)]
pub enum EndpointFault {
    Unreachable(ClientError),
    /// As the end of a sentence.
    Redirected(String),
    Refused {
        status: u16,
        refusal: Option<ServerRefusal>,
    },
    NoJson {
        status: u16,
    },
    NoAuth,
}

impl AuthProbe {
    /// As a client's library asks: with a form. The answer comes along, for its headers.
    pub async fn ask(
        &self,
        socket_id: &str,
        channel: &str,
    ) -> Result<(HttpAnswer, EndpointAnswer), (Option<HttpAnswer>, EndpointFault)> {
        let form = Serializer::new(String::new())
            .append_pair("socket_id", socket_id)
            .append_pair("channel_name", channel)
            .finish();
        let mut request = ClientRequest::new(Method::POST, &*self.path).body(form);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let own = [(CONTENT_TYPE, kind)].into_iter();
        let origin = self.origin.iter().map(|origin| (ORIGIN, origin.clone()));
        for (name, value) in own.chain(origin).chain(self.headers.iter().cloned()) {
            request = request.header(name, value);
        }
        let answer = self.dialer.send(request).await;
        let answer = answer.map_err(|error| (None, EndpointFault::Unreachable(error)))?;
        match read(&answer) {
            Ok(granted) => Ok((answer, granted)),
            Err(fault) => Err((Some(answer), fault)),
        }
    }

    /// The request that a browser sends before one with headers of its own.
    pub async fn preflight(&self, question: &CorsQuestion<'_>) -> Result<HttpAnswer, ClientError> {
        let mut request = ClientRequest::new(Method::OPTIONS, &*self.path);
        for (name, value) in question.preflight_headers() {
            request = request.header(name, value);
        }
        self.dialer.send(request).await
    }
}

fn read(answer: &HttpAnswer) -> Result<EndpointAnswer, EndpointFault> {
    let status = answer.status();
    if let Some(place) = redirection(&answer.response) {
        return Err(EndpointFault::Redirected(place));
    }
    if !(200..300).contains(&status) {
        return Err(EndpointFault::Refused {
            status,
            refusal: ServerRefusal::of(&answer.response),
        });
    }
    let value = answer.json().ok_or(EndpointFault::NoJson { status })?;
    serde_json::from_value(value).map_err(|_| EndpointFault::NoAuth)
}
