//! Checks 7 to 11: one signed request for the caller as the server sees it.

use hyper::header::{HeaderValue, ORIGIN};
use serde::Deserialize;

use super::{
    address::{CallerAddress, judge_address},
    answer::{AnswerAuthor, HttpAnswer, ServerRefusal, redirection},
    clock::{judge_clock, offset_in},
    dial::Dialer,
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
    path::{judge_path, prefix_seen_in},
    signer::RequestSigner,
};
use crate::platform::clock::unix_now;

/// The answer of `GET /apps/ID/caller`.
#[derive(Deserialize)]
pub struct CallerAnswer {
    #[serde(flatten)]
    pub address: CallerAddress,
    pub path: String,
    pub origin: Option<String>,
    pub time: u64,
}

/// The five findings, and whether signed requests are accepted.
pub struct ApiFindings {
    pub findings: Vec<Finding>,
    pub is_accepted: bool,
}

pub struct ApiProbe<'a> {
    pub dialer: &'a Dialer,
    pub proxy: FrontProxy,
}

const SELF: &str = "/caller";

impl ApiProbe<'_> {
    /// Corrects the signer where clock or prefix differ, so that later requests are accepted.
    pub async fn examine(&self, signer: &mut RequestSigner) -> ApiFindings {
        let mut findings = Vec::new();
        let answer = match self.dialer.send(signer.get(SELF)).await {
            Ok(answer) => answer,
            Err(error) => {
                let finding = DoctorCheck::Api.fail(error.to_string(), Vec::new());
                return self.stopped(vec![finding], NO_ANSWER);
            }
        };
        let refusal = match self.judge_route(&answer) {
            Err(finding) => return self.stopped(vec![finding], NOT_ROUTED),
            Ok(refusal) => refusal,
        };
        findings.push(DoctorCheck::Api.ok("/apps reaches Sealcast"));
        let answer = match refusal {
            None => {
                findings.push(DoctorCheck::Signature.ok("the signature is accepted"));
                answer
            }
            Some(refusal) => {
                let cause = self.correct(signer, &refusal);
                findings.push(judge_refusal(&refusal, cause));
                match self.again(signer, cause).await {
                    Some(answer) => answer,
                    None => return self.stopped(findings, NOT_ACCEPTED),
                }
            }
        };
        self.judge_caller(signer, &answer, findings)
    }

    /// The origin that reaches the server, if a signed request with this one is accepted.
    pub async fn origin_seen(
        &self,
        signer: &RequestSigner,
        origin: &HeaderValue,
    ) -> Option<Option<String>> {
        let request = signer.get(SELF).header(ORIGIN, origin.clone());
        let answer = self.dialer.send(request).await.ok()?;
        let caller: CallerAnswer = serde_json::from_slice(&answer.response.body).ok()?;
        Some(caller.origin)
    }

    /// Sealcast's refusal if it is its answer, and no acceptance.
    fn judge_route(&self, answer: &HttpAnswer) -> Result<Option<ServerRefusal>, Finding> {
        let (check, status) = (DoctorCheck::Api, answer.status());
        let proxy = answer.proxy().or(self.proxy);
        if status == 200 && serde_json::from_slice::<CallerAnswer>(&answer.response.body).is_ok() {
            return Ok(None);
        }
        if let Some(place) = redirection(&answer.response) {
            return Err(check.fail(place, vec![Remedy::advice("give backends that address")]));
        }
        match answer.author() {
            AnswerAuthor::Sealcast(refusal) if refusal.code == "no_api_here" => Err(check.warn(
                "the HTTP API is not served at this address (api_listen)",
                vec![Remedy::advice("run it again with --api and the address that backends use")],
            )),
            AnswerAuthor::Sealcast(refusal) if refusal.code == "not_found" => {
                Err(check.fail(refusal.message, vec![Remedy::advice(NOT_FOUND)]))
            }
            AnswerAuthor::Sealcast(refusal) => Ok(Some(refusal)),
            AnswerAuthor::Gateway => {
                let message = format!(
                    "answered {status}: the server behind {} does not answer for /apps",
                    proxy.name()
                );
                Err(check.fail(message, proxy.remedies(ProxyFault::Backend)))
            }
            AnswerAuthor::Stranger => {
                let message = format!(
                    "{status} from {} and not from Sealcast: /apps is not routed to it",
                    proxy.name()
                );
                let path = format!("{}/apps/", self.dialer.to.prefix);
                Err(check.fail(message, proxy.remedies(ProxyFault::Route { path: &path })))
            }
        }
    }

    fn correct(&self, signer: &mut RequestSigner, refusal: &ServerRefusal) -> SignatureCause {
        if let Some(offset) = offset_in(refusal, unix_now()) {
            signer.clock_offset = offset;
            return SignatureCause::Clock;
        }
        match prefix_seen_in(refusal, &signer.app) {
            Some(seen) if seen != signer.signed_prefix => {
                signer.signed_prefix = seen;
                SignatureCause::Path
            }
            _ => SignatureCause::Other,
        }
    }

    /// With what was corrected: an accepted request shows that nothing else was wrong.
    async fn again(&self, signer: &RequestSigner, cause: SignatureCause) -> Option<HttpAnswer> {
        if cause == SignatureCause::Other {
            return None;
        }
        self.dialer.send(signer.get(SELF)).await.ok().filter(|answer| answer.status() == 200)
    }

    fn judge_caller(
        &self,
        signer: &RequestSigner,
        answer: &HttpAnswer,
        mut findings: Vec<Finding>,
    ) -> ApiFindings {
        let Ok(caller) = serde_json::from_slice::<CallerAnswer>(&answer.response.body) else {
            return self.stopped(findings, NOT_ACCEPTED);
        };
        let proxy = answer.proxy().or(self.proxy);
        findings.push(judge_clock(unix_now(), caller.time));
        let sent = format!("{}/apps/{}{SELF}", self.dialer.to.prefix, signer.app);
        findings.push(judge_path(&sent, &caller.path, &self.dialer.to.prefix, proxy));
        findings.push(judge_address(&caller.address, answer.local, proxy));
        ApiFindings { findings, is_accepted: true }
    }

    /// The rest of the five is skipped.
    fn stopped(&self, mut findings: Vec<Finding>, why: &str) -> ApiFindings {
        const FIVE: [DoctorCheck; 5] = [
            DoctorCheck::Api,
            DoctorCheck::Signature,
            DoctorCheck::Clock,
            DoctorCheck::Path,
            DoctorCheck::Address,
        ];
        let rest = FIVE.iter().skip(findings.len()).map(|check| check.skip(why));
        findings.extend(rest.collect::<Vec<_>>());
        ApiFindings { findings, is_accepted: false }
    }
}

/// What a refused signature comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignatureCause {
    Clock,
    Path,
    Other,
}

fn judge_refusal(refusal: &ServerRefusal, cause: SignatureCause) -> Finding {
    let message = format!("refused ({}): {}", refusal.code, refusal.message);
    let remedy = match (cause, &*refusal.code) {
        (SignatureCause::Clock, _) => "see check 9; the checks below use the server's time",
        (SignatureCause::Path, _) => "see check 10; the checks below sign what the server saw",
        (_, "unknown_auth_key" | "foreign_auth_key" | "unknown_app") => {
            "take id, key and secret of one app, from the configuration of this server"
        }
        (_, "invalid_signature") => {
            "compare the secret with the one in the server's configuration: blanks, quotation marks and line breaks count"
        }
        (_, "app_disabled") => "set enabled = true in the app's section",
        _ => "see the code in docs/troubleshooting.md",
    };
    DoctorCheck::Signature.fail(message, vec![Remedy::advice(remedy)])
}

const NO_ANSWER: &str = "the API does not answer";
const NOT_ROUTED: &str = "the API is not reached";
const NOT_ACCEPTED: &str = "no signed request was accepted";
const NOT_FOUND: &str = "give the address with the server's path_prefix at its end; a server older than this program does not know the request either";
