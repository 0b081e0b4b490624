//! An HTTP answer, and what it tells of its author: the server, or a proxy in front of it.

use std::net::IpAddr;

use serde_json::Value;

use super::front_proxy::FrontProxy;
use crate::cli::client::http::ClientResponse;

#[derive(Debug)]
pub struct HttpAnswer {
    pub response: ClientResponse,
    /// This machine's end of the connection.
    pub local: IpAddr,
}

/// An error in the form of Sealcast's HTTP API.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerRefusal {
    pub code: String,
    pub message: String,
    /// The limit that was exceeded.
    pub limit: Option<usize>,
}

/// The author of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerAuthor {
    Sealcast(ServerRefusal),
    /// A proxy, in place of a server that does not answer it.
    Gateway,
    /// A proxy, or another server.
    Stranger,
}

impl ServerRefusal {
    pub fn of(response: &ClientResponse) -> Option<Self> {
        let value: Value = serde_json::from_slice(&response.body).ok()?;
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let limit = value.get("limit").and_then(Value::as_u64);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Some(Self { code: text("code")?, message: text("error")?, limit })
    }
}

impl AnswerAuthor {
    /// Of an answer other than the wanted one.
    pub fn of(response: &ClientResponse) -> Self {
        match (ServerRefusal::of(response), response.status) {
            (Some(refusal), _) => Self::Sealcast(refusal),
            (None, 502..=504) => Self::Gateway,
            (None, _) => Self::Stranger,
        }
    }
}

impl HttpAnswer {
    pub fn status(&self) -> u16 {
        self.response.status
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.response.body).ok()
    }

    pub fn author(&self) -> AnswerAuthor {
        AnswerAuthor::of(&self.response)
    }

    pub fn proxy(&self) -> FrontProxy {
        proxy_of(&self.response)
    }
}

pub fn proxy_of(response: &ClientResponse) -> FrontProxy {
    FrontProxy::of(&response.headers, &response.body)
}

/// The place of a redirection, as the end of a sentence.
pub fn redirection(response: &ClientResponse) -> Option<String> {
    let place = response.header("location").filter(|_| (300..400).contains(&response.status))?;
    Some(format!("answers {} and leads to {place}", response.status))
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn response(status: u16, body: &'static str) -> ClientResponse {
        ClientResponse { status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn the_author_of_an_answer_is_known() {
        let json = r#"{"error":"No.","code":"unknown_app"}"#;
        let refusal =
            ServerRefusal { code: "unknown_app".into(), message: "No.".into(), limit: None };
        for (status, body, author) in [
            (404, json, AnswerAuthor::Sealcast(refusal)),
            (502, "<html>", AnswerAuthor::Gateway),
            (404, "<html>", AnswerAuthor::Stranger),
            (200, "{}", AnswerAuthor::Stranger),
            (404, r#"{"code":404,"error":"No."}"#, AnswerAuthor::Stranger),
        ] {
            assert_eq!(AnswerAuthor::of(&response(status, body)), author, "{status} {body}");
        }
    }
}
