//! Checks 5 and 6: a WebSocket opens, and begins as the protocol says.

use super::{
    answer::{AnswerAuthor, proxy_of, redirection},
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
    socket::{ProbeSocket, SocketEnd, SocketOpening},
};
use crate::cli::client::http::ClientResponse;

/// Both findings, and the socket if there is one.
pub struct HandshakeFindings {
    pub upgrade: Finding,
    pub handshake: Finding,
    pub socket: Option<Box<ProbeSocket>>,
}

/// The part in front of `/app/KEY`, the key, and the proxy as far as it is known.
pub struct HandshakeContext<'a> {
    pub prefix: &'a str,
    pub key: &'a str,
    pub proxy: FrontProxy,
}

impl HandshakeContext<'_> {
    pub fn judge(&self, opening: SocketOpening) -> HandshakeFindings {
        let upgraded = || DoctorCheck::Upgrade.ok("answered 101");
        let check = DoctorCheck::Handshake;
        let (upgrade, handshake, socket) = match opening {
            SocketOpening::Open(socket) => {
                let message = format!(
                    "pusher:connection_established; the server pings after {} s of silence",
                    socket.activity_timeout
                );
                (upgraded(), check.ok(message), Some(socket))
            }
            SocketOpening::NoUpgrade(answer) => {
                (self.no_upgrade(&answer), check.skip(NO_SOCKET), None)
            }
            SocketOpening::Failed(error) => {
                let finding = DoctorCheck::Upgrade.fail(error.to_string(), Vec::new());
                (finding, check.skip(NO_SOCKET), None)
            }
            SocketOpening::Refused { code, message } => {
                (upgraded(), self.refused(code, &message), None)
            }
            SocketOpening::Ended(end) => (upgraded(), ended(&end), None),
        };
        HandshakeFindings { upgrade, handshake, socket }
    }

    fn no_upgrade(&self, answer: &ClientResponse) -> Finding {
        let (check, status) = (DoctorCheck::Upgrade, answer.status);
        let proxy = proxy_of(answer).or(self.proxy);
        if let Some(place) = redirection(answer) {
            return check.fail(place, vec![Remedy::advice("give clients that address")]);
        }
        match AnswerAuthor::of(answer) {
            AnswerAuthor::Sealcast(refusal) if UPGRADE_LOST.contains(&&*refusal.code) => {
                self.dropped(status, proxy)
            }
            // HAProxy answers so itself if its rules have removed the headers.
            AnswerAuthor::Stranger if status == 400 => self.dropped(status, proxy),
            AnswerAuthor::Sealcast(refusal) => {
                let message = format!("Sealcast answers {status} and not 101: {}", refusal.message);
                check.fail(message, vec![Remedy::advice(PATH)])
            }
            AnswerAuthor::Gateway => {
                let message = format!(
                    "answered {status} and not 101: the server behind {} does not answer for /app",
                    proxy.name()
                );
                check.fail(message, proxy.remedies(ProxyFault::Backend))
            }
            AnswerAuthor::Stranger => {
                let message = format!(
                    "{status} from {} and not from Sealcast: /app is not routed to it",
                    proxy.name()
                );
                let path = format!("{}/app/", self.prefix);
                check.fail(message, proxy.remedies(ProxyFault::Route { path: &path }))
            }
        }
    }

    fn dropped(&self, status: u16, proxy: FrontProxy) -> Finding {
        let message = format!("answered {status} and not 101: the proxy drops Upgrade");
        DoctorCheck::Upgrade.fail(message, proxy.remedies(ProxyFault::Upgrade))
    }

    fn refused(&self, code: Option<u64>, message: &str) -> Finding {
        let check = DoctorCheck::Handshake;
        let key = self.key;
        let (message, remedy) = match code {
            Some(4001) => (
                format!("closed with 4001: no app has the key {key:?} here"),
                Remedy::sealcast(["[apps.ID]".to_owned(), format!("key = {key:?}")]),
            ),
            Some(4003) => (
                "closed with 4003: the app is disabled".to_owned(),
                Remedy::sealcast(["enabled = true   # in [apps.ID]"]),
            ),
            Some(4004) => (
                format!("closed with 4004: {message}"),
                Remedy::sealcast(["limits.connections = 10000   # in [apps.ID]: more than now"]),
            ),
            Some(code @ 4100..4200) => (
                format!("closed with {code}: {message}"),
                Remedy::advice(
                    "wait, and look at /ready of the operations listener for the reason",
                ),
            ),
            Some(code) => (format!("closed with {code}: {message}"), Remedy::advice(PATH)),
            None => {
                (format!("no handshake of the Pusher protocol: {message}"), Remedy::advice(PATH))
            }
        };
        check.fail(message, vec![remedy])
    }
}

fn ended(end: &SocketEnd) -> Finding {
    let message = format!("no pusher:connection_established: {end}");
    DoctorCheck::Handshake.fail(message, vec![Remedy::advice(BUFFERS)])
}

/// The server has got an ordinary request.
const UPGRADE_LOST: [&str; 3] = ["upgrade_required", "bad_handshake", "method_not_allowed"];
const NO_SOCKET: &str = "no WebSocket";
const PATH: &str = "correct the address as the sentence says";
const BUFFERS: &str =
    "something behind the proxy opens WebSockets and is no Sealcast, or keeps their frames back";

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;
    use crate::cli::doctor::finding::Judgement;

    const CONTEXT: HandshakeContext<'static> =
        HandshakeContext { prefix: "/ws", key: "k", proxy: FrontProxy::Nginx };

    fn no_upgrade(status: u16, body: &'static str) -> Finding {
        CONTEXT.no_upgrade(&ClientResponse { status, headers: HeaderMap::new(), body: body.into() })
    }

    #[test]
    fn lost_upgrade_is_told_from_a_lost_route() {
        let lost = no_upgrade(426, r#"{"error":"x","code":"upgrade_required"}"#);
        assert_eq!(lost.message, "answered 426 and not 101: the proxy drops Upgrade");
        assert_eq!(lost.remedies[1].lines[0], "proxy_http_version 1.1;");
        assert_eq!(no_upgrade(400, "<html>").remedies, lost.remedies);
        let elsewhere = no_upgrade(404, "<html>");
        assert_eq!(
            elsewhere.message,
            "404 from nginx and not from Sealcast: /app is not routed to it"
        );
        assert_eq!(
            elsewhere.remedies[0].lines,
            ["location /ws/app/ { proxy_pass http://sealcast; }"]
        );
        assert!(no_upgrade(504, "<html>").message.contains("does not answer for /app"));
    }

    #[test]
    fn refusals_name_code_and_remedy() {
        for (code, says) in [
            (Some(4001), "closed with 4001: no app has the key \"k\" here"),
            (Some(4003), "the app is disabled"),
            (Some(4005), "closed with 4005: m"),
            (Some(4100), "closed with 4100: m"),
            (None, "no handshake of the Pusher protocol: m"),
        ] {
            let finding = CONTEXT.refused(code, "m");
            assert_eq!((finding.judgement, finding.remedies.len()), (Judgement::Fail, 1));
            assert!(finding.message.contains(says), "{finding:?}");
        }
    }
}
