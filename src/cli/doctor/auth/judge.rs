//! The finding about an auth endpoint.

use super::EndpointFault;
use crate::{
    cli::doctor::{
        finding::{DoctorCheck, Finding, Remedy},
        signer::RequestSigner,
    },
    domain::{channel::ChannelKind, ids::SocketId},
    observe::explain::{
        AppKnowledge, EndpointAnswer, Explanation, Subject, Verdict, explain, judge_secret,
    },
};

/// What was asked.
pub struct AuthContext<'a> {
    pub channel: &'a str,
    pub socket_id: &'a str,
    /// `None` without the app's secret: then the signature is not looked at.
    pub signer: Option<&'a RequestSigner>,
}

const CHECK: DoctorCheck = DoctorCheck::Auth;

impl AuthContext<'_> {
    pub fn judge_fault(&self, fault: &EndpointFault) -> Finding {
        let channel = self.channel;
        let (message, remedy) = match fault {
            EndpointFault::Unreachable(error) => (
                format!("the auth endpoint is not reached: {error}"),
                "correct the address, or start the application".to_owned(),
            ),
            EndpointFault::Redirected(place) => (
                format!("the auth endpoint {place}"),
                "it wants a session: give its cookie or token with --header".to_owned(),
            ),
            EndpointFault::Refused { status, refusal } => {
                let why = refusal.as_ref().map_or(String::new(), |refusal| {
                    format!(" ({}): {}", refusal.code, refusal.message)
                });
                (format!("the auth endpoint answers {status} for {channel}{why}"), refused(*status))
            }
            EndpointFault::NoJson { status } => (
                format!("the auth endpoint answers {status} with something else than JSON"),
                "look for a page of the framework at that address: a sign-in, or the start page"
                    .to_owned(),
            ),
            EndpointFault::NoAuth => (
                "the auth endpoint's answer has no text in the field auth".to_owned(),
                "answer with the JSON that the server SDK makes, unchanged".to_owned(),
            ),
        };
        CHECK.fail(message, vec![Remedy::advice(remedy)])
    }

    /// `missing`: a line that the endpoint must send.
    pub fn judge_permission(&self, missing: &str) -> Finding {
        let message = "a browser hides the auth endpoint's answer from the page: a permission is missing (CORS)";
        CHECK.fail(
            message,
            vec![Remedy::lines("the auth endpoint's answers, also to OPTIONS", [missing])],
        )
    }

    /// Of an answer that a browser shows to its page.
    pub fn judge_answer(&self, answer: &EndpointAnswer) -> Finding {
        if let Some(finding) = self.judge_signature(answer) {
            return finding;
        }
        if let Err(fault) = judge_secret(answer, self.channel) {
            return CHECK.fail(fault.cause(), vec![Remedy::advice(fault.fix())]);
        }
        let secret = match ChannelKind::of(self.channel).is_encrypted() {
            true => ", with its secret",
            false => "",
        };
        CHECK.ok(format!("authorizes {}{secret}", self.channel))
    }

    /// `Some` if the server would refuse the answer.
    fn judge_signature(&self, answer: &EndpointAnswer) -> Option<Finding> {
        let signer = self.signer?;
        let Ok(socket) = self.socket_id.parse::<SocketId>() else { return None };
        let known = AppKnowledge {
            key: &signer.key,
            secret: &signer.secret,
            near: &signer.similar,
            is_other_app: &|_| false,
        };
        let subject = Subject::Channel { name: self.channel, data: answer.channel_data.as_deref() };
        let verdict = explain(&known, &answer.auth, socket, &subject, &[]);
        if verdict == Verdict::Correct {
            return None;
        }
        let told = Explanation::new(&verdict, socket, &subject, None);
        let remedies = told.fix.iter().map(|fix| Remedy::advice(*fix)).collect();
        Some(CHECK.fail(format!("{}: {}", told.code, told.cause), remedies))
    }
}

/// The remedy for a status.
fn refused(status: u16) -> String {
    match status {
        401 => "it does not know the user: give a cookie or a token with --header",
        403 => "it gives this user no right to the channel: name one of the user's with --channel",
        404 => "correct the path: pusher-js asks /pusher/auth, Laravel /broadcasting/auth",
        405 => "let the route take POST",
        419 => "the framework wants its CSRF token: leave the route out of the check, or send X-CSRF-TOKEN",
        500..600 => "look at the log of the application",
        _ => "look at what the application says",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::doctor::finding::Judgement, crypto::encoding::base64};

    const CHANNEL: &str = "private-encrypted-a";

    fn context(signer: &RequestSigner) -> AuthContext<'_> {
        AuthContext { channel: CHANNEL, socket_id: "1.2", signer: Some(signer) }
    }

    fn answer(
        signer: &RequestSigner,
        signed: &str,
        shared_secret: Option<String>,
    ) -> EndpointAnswer {
        let auth = format!("{}:{}", signer.key, signer.secret.sign(&[signed.as_bytes()]).to_hex());
        let shared_secret = shared_secret.map(Into::into);
        EndpointAnswer { auth, channel_data: None, shared_secret }
    }

    #[test]
    fn answers_are_explained_as_the_server_would() {
        let signer = RequestSigner::new("1", "k", "s", "");
        let other = RequestSigner::new("1", "k", "s\n", "");
        let secret = Some(base64(&[1; 32]));
        let text = format!("1.2:{CHANNEL}");
        for (answer, judgement, says) in [
            (answer(&signer, &text, secret.clone()), Judgement::Ok, "with its secret"),
            (answer(&signer, &text, None), Judgement::Fail, "has no shared_secret"),
            (answer(&signer, &text, Some("x".into())), Judgement::Fail, "not 32 bytes"),
            (answer(&other, &text, secret.clone()), Judgement::Fail, "secret_with_line_break: "),
            (answer(&signer, "1.2:private-a", secret), Judgement::Fail, ": "),
        ] {
            let finding = context(&signer).judge_answer(&answer);
            assert_eq!(finding.judgement, judgement, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn refusals_have_a_way_out() {
        let signer = RequestSigner::new("1", "k", "s", "");
        for status in [401, 403, 404, 405, 419, 500, 418] {
            let fault = EndpointFault::Refused { status, refusal: None };
            let finding = context(&signer).judge_fault(&fault);
            assert_eq!((finding.judgement, finding.remedies.len()), (Judgement::Fail, 1));
            assert!(finding.message.contains(&status.to_string()), "{finding:?}");
        }
    }
}
