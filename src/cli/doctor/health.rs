//! Check 4: the server answers through the proxy.

use super::{
    answer::{AnswerAuthor, HttpAnswer, redirection},
    dial::Dialer,
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
};
use crate::cli::client::{ClientError, http::ClientRequest};

const CHECK: DoctorCheck = DoctorCheck::Health;

/// Whether the checks behind this one can tell anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    Answers,
    Absent,
}

pub async fn ask_health(dialer: &Dialer) -> (Finding, ServerState, FrontProxy) {
    match dialer.send(ClientRequest::get("/health")).await {
        Err(error) => (no_answer(&error), ServerState::Absent, FrontProxy::Unknown),
        Ok(answer) => {
            let proxy = answer.proxy();
            let (finding, state) = judge(&answer, proxy);
            (finding, state, proxy)
        }
    }
}

fn judge(answer: &HttpAnswer, proxy: FrontProxy) -> (Finding, ServerState) {
    let status = answer.status();
    let is_health = answer.json().is_some_and(|value| value["status"] == "ok");
    if status == 200 && is_health {
        let through =
            if proxy.is_known() { format!(", through {}", proxy.name()) } else { String::new() };
        return (CHECK.ok(format!("Sealcast answers{through}")), ServerState::Answers);
    }
    if let Some(place) = redirection(&answer.response) {
        let remedy = Remedy::advice(
            "give clients and backends that address: WebSockets follow no redirection",
        );
        return (CHECK.fail(place, vec![remedy]), ServerState::Absent);
    }
    match answer.author() {
        AnswerAuthor::Sealcast(refusal) => {
            let message = format!("Sealcast answers {status}: {}", refusal.message);
            (CHECK.fail(message, vec![Remedy::advice(PREFIX)]), ServerState::Answers)
        }
        AnswerAuthor::Gateway => {
            let message =
                format!("answers {status}: {} is there, the server behind it is not", proxy.name());
            let mut remedies = vec![Remedy::advice(START)];
            remedies.extend(proxy.remedies(ProxyFault::Backend));
            (CHECK.fail(message, remedies), ServerState::Absent)
        }
        // Some route only the paths of clients and backends.
        AnswerAuthor::Stranger if matches!(status, 403 | 404) => {
            let message = format!(
                "{status} from {} and not from Sealcast: /health is not routed to it",
                proxy.name()
            );
            (CHECK.warn(message, vec![Remedy::advice(OWN_HEALTH)]), ServerState::Answers)
        }
        AnswerAuthor::Stranger => {
            let message = format!("{} answers {status}, and not Sealcast", proxy.name());
            let fault = ProxyFault::Route { path: "/" };
            (CHECK.warn(message, proxy.remedies(fault)), ServerState::Answers)
        }
    }
}

fn no_answer(error: &ClientError) -> Finding {
    let remedy = match error {
        ClientError::NotHttp => "use https:// if TLS is spoken there",
        ClientError::Lost(_) => {
            "if the listener has proxy_protocol = true, connect through the proxy that sends its header"
        }
        _ => "look at the log of the program that listens there",
    };
    CHECK.fail(error.to_string(), vec![Remedy::advice(remedy)])
}

const START: &str =
    "start Sealcast, or compare its listen with the address in the proxy's configuration";
const PREFIX: &str = "give the address with the path_prefix of the server at its end, and let the proxy pass it on unchanged";
const OWN_HEALTH: &str = "clients do not need it; a load balancer's own checks do";

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hyper::{
        HeaderMap,
        header::{HeaderValue, LOCATION, SERVER},
    };

    use super::*;
    use crate::cli::{client::http::ClientResponse, doctor::finding::Judgement};

    fn judged(
        status: u16,
        body: &'static str,
        location: Option<&'static str>,
    ) -> (Finding, ServerState) {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("nginx/1.22.1"));
        location.map(|place| headers.insert(LOCATION, HeaderValue::from_static(place)));
        let response = ClientResponse { status, headers, body: body.into() };
        judge(&HttpAnswer { response, local: Ipv4Addr::LOCALHOST.into() }, FrontProxy::Nginx)
    }

    #[test]
    fn answers_are_told_apart_by_their_authors() {
        let elsewhere = Some("https://ws.example.com/health");
        for (status, body, location, judgement, state, says) in [
            (
                200,
                r#"{"status":"ok"}"#,
                None,
                Judgement::Ok,
                ServerState::Answers,
                "Sealcast answers, through nginx",
            ),
            (
                502,
                "<html>",
                None,
                Judgement::Fail,
                ServerState::Absent,
                "nginx is there, the server behind it is not",
            ),
            (
                301,
                "",
                elsewhere,
                Judgement::Fail,
                ServerState::Absent,
                "leads to https://ws.example.com/health",
            ),
            (
                404,
                "<html>",
                None,
                Judgement::Warn,
                ServerState::Answers,
                "404 from nginx and not from Sealcast",
            ),
            (200, "<html>", None, Judgement::Warn, ServerState::Answers, "and not Sealcast"),
            (
                404,
                r#"{"error":"There is nothing","code":"not_found"}"#,
                None,
                Judgement::Fail,
                ServerState::Answers,
                "Sealcast answers 404: There is nothing",
            ),
        ] {
            let (finding, found) = judged(status, body, location);
            assert_eq!((finding.judgement, found), (judgement, state), "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
            assert_eq!(finding.remedies.is_empty(), judgement == Judgement::Ok, "{finding:?}");
        }
    }
}
