//! Checks 14 and 16: an event that a backend publishes comes back to a client, in clear, encrypted,
//! and large.

use std::time::{Duration, Instant};

use hyper::header::{AUTHORIZATION, HeaderValue};
use serde_json::json;

use super::{
    answer::{AnswerAuthor, HttpAnswer, ServerRefusal},
    auth::{AuthProbe, EndpointFault},
    dial::Dialer,
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
    signer::RequestSigner,
    socket::{ProbeSocket, SocketEnd},
};
use crate::{
    cli::client::ClientError,
    crypto::{client_secret::ClientSecret, encoding::hex},
    domain::channel::Channel,
    observe::explain::EndpointAnswer,
};

/// No client of an application joins them.
pub const PLAIN_CHANNEL: &str = "sealcast-doctor";
pub const ENCRYPTED_CHANNEL: &str = "private-encrypted-sealcast-doctor";
const EVENT: &str = "sealcast-doctor";

const USER: &str = "sealcast-doctor";
const SMALL_BYTES: usize = 32;

/// The codes of a server without the channel's key.
const PLAINTEXT: &str = "plaintext_on_encrypted_channel";
const BLIND: &str = "blind_channel";

/// The default of `limits.event_bytes`.
pub const LARGE_BYTES: usize = 10 * 1024;

/// A backend and a client.
pub struct EventProbe<'a> {
    pub api: &'a Dialer,
    pub signer: &'a RequestSigner,
    pub socket: &'a mut ProbeSocket,
    pub proxy: FrontProxy,
}

/// The reason for which an event did not come back.
#[derive(Debug)]
pub enum EventFault {
    Unreachable(ClientError),
    Refused(ServerRefusal),
    Intercepted {
        status: u16,
        by: FrontProxy,
    },
    Subscription(String),
    /// The auth endpoint's answer has none.
    NoSecret,
    NotReceived(SocketEnd),
    /// It came, and is another one.
    Changed,
}

impl EventProbe<'_> {
    /// Two events in clear, there and back: the time of the slower one.
    pub async fn plain(&mut self) -> Result<Duration, EventFault> {
        self.socket.subscribe(PLAIN_CHANNEL, None).await.map_err(EventFault::Subscription)?;
        // A balancer sends one of two requests to the other server, if there is one.
        let first = self.round_trip(SMALL_BYTES).await?;
        Ok(first.max(self.round_trip(SMALL_BYTES).await?))
    }

    /// Where the server has no key, it is sealed here, as a backend's SDK does.
    async fn encrypted(&mut self, answer: &EndpointAnswer) -> Result<Duration, EventFault> {
        let secret = answer.shared_secret.as_ref().and_then(|text| ClientSecret::parse(text));
        let secret = secret.ok_or(EventFault::NoSecret)?;
        let auth = Some((answer.auth.as_str(), answer.channel_data.as_deref()));
        let subscribed = self.socket.subscribe(ENCRYPTED_CHANNEL, auth).await;
        subscribed.map_err(EventFault::Subscription)?;
        let (data, start) = (unique_text(SMALL_BYTES), Instant::now());
        match self.publish(ENCRYPTED_CHANNEL, &data).await {
            Err(EventFault::Refused(refusal)) if refusal.code == PLAINTEXT => {
                let channel = Channel::parse(ENCRYPTED_CHANNEL, ENCRYPTED_CHANNEL.len()).ok();
                let sealed = channel.and_then(|channel| secret.seal(&channel, data.as_bytes()));
                let envelope = sealed.ok_or(EventFault::Refused(refusal))?;
                self.publish(ENCRYPTED_CHANNEL, &envelope).await?;
            }
            published => published?,
        }
        let envelope = self.socket.event(ENCRYPTED_CHANNEL, EVENT).await;
        let envelope = envelope.map_err(EventFault::NotReceived)?;
        match secret.open(&envelope).is_some_and(|opened| opened.starts_with(data.as_bytes())) {
            true => Ok(start.elapsed()),
            false => Err(EventFault::Changed),
        }
    }

    /// Of check 14, after an event in clear. `answer`: why there is none, as the end of a sentence.
    pub async fn judge_encrypted(
        &mut self,
        plain: Duration,
        answer: Result<EndpointAnswer, String>,
    ) -> Finding {
        let check = DoctorCheck::Events;
        let plain = format!("an event came back after {} ms", plain.as_millis());
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => return check.ok(format!("{plain}; none was encrypted: {reason}")),
        };
        match self.encrypted(&answer).await {
            Ok(time) => {
                check.ok(format!("{plain}, an encrypted one after {} ms", time.as_millis()))
            }
            Err(fault) => fault.judge(check, "an encrypted event"),
        }
    }

    /// Check 16, on a connection that offered to compress.
    pub async fn large(&mut self) -> Finding {
        let check = DoctorCheck::Frame;
        if self.socket.is_compressed {
            return check.warn(COMPRESSED, vec![Remedy::advice(NO_COMPRESSION)]);
        }
        let subscribed = self.socket.subscribe(PLAIN_CHANNEL, None).await;
        let outcome = match subscribed.map_err(EventFault::Subscription) {
            Ok(()) => self.round_trip(LARGE_BYTES).await.map(|_| LARGE_BYTES),
            Err(fault) => Err(fault),
        };
        let outcome = match outcome {
            // The app allows less.
            Err(EventFault::Refused(ServerRefusal { limit: Some(limit), .. })) => {
                self.round_trip(limit).await.map(|_| limit)
            }
            outcome => outcome,
        };
        match outcome {
            Ok(bytes) => check.ok(format!("{bytes} bytes came back, uncompressed")),
            Err(fault) => fault.judge(check, "a large event"),
        }
    }

    /// With data of so many bytes, on the plain channel, which is joined.
    async fn round_trip(&mut self, bytes: usize) -> Result<Duration, EventFault> {
        let (data, start) = (unique_text(bytes), Instant::now());
        self.publish(PLAIN_CHANNEL, &data).await?;
        let received = self.socket.event(PLAIN_CHANNEL, EVENT).await;
        match received.map_err(EventFault::NotReceived)? == data {
            true => Ok(start.elapsed()),
            false => Err(EventFault::Changed),
        }
    }

    async fn publish(&self, channel: &str, data: &str) -> Result<(), EventFault> {
        let body = json!({"name": EVENT, "channel": channel, "data": data});
        let answer = self.api.send(self.signer.post("/events", &body)).await;
        let answer: HttpAnswer = answer.map_err(EventFault::Unreachable)?;
        match (answer.status(), answer.author()) {
            (200, _) => Ok(()),
            (_, AnswerAuthor::Sealcast(refusal)) => Err(EventFault::Refused(refusal)),
            (status, _) => {
                let by = answer.proxy().or(self.proxy);
                Err(EventFault::Intercepted { status, by })
            }
        }
    }
}

/// Asks the server's own auth endpoint, with a token that the backend gets for a made-up user. The
/// reason is the end of a sentence.
pub async fn authorize_by_server(
    api: &Dialer,
    clients: &Dialer,
    signer: &RequestSigner,
    socket_id: &str,
) -> Result<EndpointAnswer, String> {
    let wanted = json!({"user_id": USER, "channels": [ENCRYPTED_CHANNEL], "ttl": 60});
    let answer = api.send(signer.post("/tokens", &wanted)).await.map_err(|e| e.to_string())?;
    let token = answer.json().and_then(|answer| Some(answer["token"].as_str()?.to_owned()));
    let token = token.ok_or("the server gave no access token for it")?;
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|e| e.to_string())?;
    bearer.set_sensitive(true);
    let (headers, dialer) = (vec![(AUTHORIZATION, bearer)], clients.clone());
    let path = format!("/apps/{}/auth/channel", signer.app);
    let probe = AuthProbe { dialer, path, headers, origin: None };
    match probe.ask(socket_id, ENCRYPTED_CHANNEL).await {
        Ok((_, answer)) => Ok(answer),
        Err((_, EndpointFault::Refused { refusal: Some(refusal), .. }))
            if refusal.code == BLIND =>
        {
            Err("this server has no key for it, and no --auth is given".to_owned())
        }
        Err((_, EndpointFault::Refused { refusal: Some(refusal), .. })) => Err(refusal.message),
        Err(_) => Err("the server's own auth endpoint is not reached".to_owned()),
    }
}

/// As long as asked for, and never the same: other runs use the same channels.
fn unique_text(bytes: usize) -> String {
    let mut id = [0; 8];
    // Without random bytes two runs at once could take each other's events.
    let _ = getrandom::fill(&mut id);
    let id = hex(&id);
    format!("{id:x<bytes$}")
}

impl EventFault {
    pub fn judge(&self, check: DoctorCheck, what: &str) -> Finding {
        let (message, remedies) = match self {
            Self::Unreachable(error) => (format!("{what} was not published: {error}"), Vec::new()),
            Self::Refused(refusal) => (
                format!("{what} was refused ({}): {}", refusal.code, refusal.message),
                vec![Remedy::advice("see the code in docs/troubleshooting.md")],
            ),
            // A small event has passed: Caddy answers 502 where the others answer 413.
            Self::Intercepted { status, by } if check == DoctorCheck::Frame => (
                format!("{} refuses a request of {LARGE_BYTES} bytes ({status})", by.name()),
                by.remedies(ProxyFault::BodySize { bytes: LARGE_BYTES }),
            ),
            Self::Intercepted { status, by } => (
                format!("{what} was answered {status} by {} and not by Sealcast", by.name()),
                by.remedies(ProxyFault::Route { path: "/apps/" }),
            ),
            Self::Subscription(reason) => {
                (format!("the subscription was refused: {reason}"), Vec::new())
            }
            Self::NoSecret => (
                "the answer for an encrypted channel has no shared_secret".to_owned(),
                vec![Remedy::advice("see check 13")],
            ),
            Self::NotReceived(SocketEnd::Silent) => (
                format!("{what} was published, and not received within 5 s"),
                vec![Remedy::advice(SEVERAL_SERVERS)],
            ),
            Self::NotReceived(end) if check == DoctorCheck::Frame => {
                (format!("the proxy cut a frame of 10 KiB: {end}"), vec![Remedy::advice(CUT)])
            }
            Self::NotReceived(end) => (format!("{what} was not received: {end}"), Vec::new()),
            Self::Changed => {
                (format!("{what} came back as another one"), vec![Remedy::advice(CHANGED)])
            }
        };
        check.fail(message, remedies)
    }
}

const COMPRESSED: &str = "something on the way agreed to compress frames, and Sealcast never does: large frames are not checked";
const NO_COMPRESSION: &str =
    "turn off the compression of WebSockets in the proxy: it holds memory for every connection";
const SEVERAL_SERVERS: &str = "if there are several servers behind the address, make them a cluster: [cluster] in each configuration";
const CUT: &str = "look for a limit on frames or on bytes of a connection in the proxy, or in a firewall that reads WebSockets";
const CHANGED: &str =
    "look for a proxy that rewrites bodies, and compare the master keys of server and backend";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_differ() {
        assert_eq!(unique_text(LARGE_BYTES).len(), LARGE_BYTES);
        assert_ne!(unique_text(32), unique_text(32));
    }

    #[test]
    fn faults_name_the_part_that_failed() {
        let judged = |fault: EventFault, check| fault.judge(check, "an event");
        let finding = judged(EventFault::NotReceived(SocketEnd::Silent), DoctorCheck::Events);
        assert_eq!(finding.message, "an event was published, and not received within 5 s");
        let finding = judged(EventFault::NotReceived(SocketEnd::Lost), DoctorCheck::Frame);
        assert!(finding.message.starts_with("the proxy cut a frame of 10 KiB"), "{finding:?}");
        let finding = judged(
            EventFault::Intercepted { status: 413, by: FrontProxy::Nginx },
            DoctorCheck::Frame,
        );
        assert_eq!(finding.message, "nginx refuses a request of 10240 bytes (413)");
        assert_eq!(finding.remedies[0].lines, ["client_max_body_size 20k;"]);
    }
}
