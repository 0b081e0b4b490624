//! One connection of a listener, from the handshake to its end.

use std::{collections::HashMap, time::Duration};

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    ListenProgress,
    authorizer::{Authorized, ListenAuthorizer},
    frames::{
        CACHE_MISS, ERROR, ESTABLISHED, ErrorNotice, Established, MEMBER_ADDED, MEMBER_REMOVED,
        MemberData, PING, PONG, RefusedSubscription, SUBSCRIBED, SUBSCRIPTION_ERROR, ServerFrame,
    },
    opener::{OpenedData, Opener},
    printer::{ListenPrinter, PrintedContent, PrintedEvent},
};
use crate::{
    cli::{
        amounts::plural,
        client::{
            ClientError,
            http::ClientRequest,
            public::PublicServer,
            signed::signed_request,
            websocket::{WebSocketClient, WebSocketEvent},
        },
        exit::{CliResult, CommandError},
        print_error,
        terminal::harmless,
    },
    crypto::key::Fingerprint,
    domain::{channel::ChannelKind, refusal::RefusalCode},
};

/// How a connection has ended.
pub enum End {
    /// The wanted number of events has come.
    Enough,
    /// It may be opened again.
    Lost(String),
    /// The same, after a question without an answer.
    Silent,
    GivenUp(CommandError),
}

/// The tools of a listener, which outlive its connections.
pub struct Tools<'a> {
    pub authorizer: &'a ListenAuthorizer,
    pub opener: Opener,
    pub printer: ListenPrinter,
    /// The wanted number of events.
    pub count: Option<u64>,
    pub progress: &'a ListenProgress,
}

pub struct Conversation<'a> {
    server: &'a PublicServer,
    socket: WebSocketClient,
    socket_id: String,
    /// The silence after which a ping is sent.
    activity_timeout: Duration,
    /// The keys of sealed channels, as far as the server tells them.
    keys: HashMap<String, Fingerprint>,
    missing: Vec<String>,
}

/// Larger than any event a server lets pass by default, and as an envelope.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
const ACTIVITY_TIMEOUT: Duration = Duration::from_secs(120);
/// Time limit for the first message.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for the answer to a ping.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl<'a> Conversation<'a> {
    pub async fn connect(server: &'a PublicServer) -> Result<Self, ClientError> {
        let key = percent_encoding::utf8_percent_encode(
            &server.app.key,
            percent_encoding::NON_ALPHANUMERIC,
        );
        // Whatever the app's own dialect is.
        let path = format!(
            "/app/{key}?protocol=7&client=sealcast-listen&version={}&dialect=pusher",
            env!("CARGO_PKG_VERSION")
        );
        let socket = server.clients.websocket(ClientRequest::get(path), MESSAGE_BYTES).await?;
        Ok(Self {
            server,
            socket,
            socket_id: String::new(),
            activity_timeout: ACTIVITY_TIMEOUT,
            keys: HashMap::new(),
            missing: Vec::new(),
        })
    }

    pub async fn run(&mut self, channels: &[String], tools: &mut Tools<'_>) -> CliResult<End> {
        self.missing = channels.to_vec();
        // Before a close frame it is part of that: it is printed if another message follows.
        let mut last_error = None::<String>;
        loop {
            let frame = match self.next().await? {
                Ok(frame) => frame,
                Err(end) => return Ok(explained(end, last_error)),
            };
            if let Some(error) = last_error.take() {
                print_error(format_args!("sealcast: {}", harmless(&error)));
            }
            match frame.event.as_str() {
                ESTABLISHED => {
                    if let Err(end) = self.subscribe_all(&frame, channels, tools).await? {
                        return Ok(end);
                    }
                }
                PING => self.send(&json!({ "event": PONG, "data": {} })).await?,
                ERROR => {
                    last_error = frame.data::<ErrorNotice>().map(|error| error.message);
                }
                SUBSCRIPTION_ERROR if has_expired(&frame) => {
                    self.subscribe(&frame.channel, tools).await?;
                }
                SUBSCRIPTION_ERROR => return Ok(End::GivenUp(refused(&frame))),
                SUBSCRIBED => self.joined(&frame, tools),
                CACHE_MISS => {
                    print_error(format_args!("{}: no cached event", harmless(&frame.channel)));
                }
                MEMBER_ADDED | MEMBER_REMOVED => {
                    if let Some(member) = frame.data::<MemberData>() {
                        let joined = frame.event == MEMBER_ADDED;
                        tools.printer.member(&frame.channel, &member, joined)?;
                    }
                }
                // An empty event makes clients ask for the channel's next secret.
                _ if frame.is_own() => drop(self.open(&frame, tools).await),
                _ => {
                    self.show(&frame, tools).await?;
                    let events = tools.progress.events.get() + 1;
                    tools.progress.events.set(events);
                    if tools.count.is_some_and(|count| events >= count) {
                        let _ = self.socket.close(1000, "").await;
                        return Ok(End::Enough);
                    }
                }
            }
        }
    }

    /// The next message. A silent server is asked for a sign of life.
    async fn next(&mut self) -> CliResult<Result<ServerFrame, End>> {
        let mut asked = self.socket_id.is_empty();
        loop {
            let patience = match asked {
                true if self.socket_id.is_empty() => FIRST_TIMEOUT,
                true => ANSWER_TIMEOUT,
                false => self.activity_timeout,
            };
            let event = match timeout(patience, self.socket.next()).await {
                Ok(event) => event?,
                Err(_) if asked => return Ok(Err(End::Silent)),
                Err(_) => {
                    asked = true;
                    self.send(&json!({ "event": PING, "data": {} })).await?;
                    continue;
                }
            };
            match event {
                WebSocketEvent::Text(text) => {
                    if let Some(frame) = ServerFrame::parse(&text) {
                        return Ok(Ok(frame));
                    }
                }
                WebSocketEvent::Closed { code, reason } => return Ok(Err(closed(code, &reason))),
                WebSocketEvent::Lost => {
                    return Ok(Err(End::Lost("the connection is lost".into())));
                }
                WebSocketEvent::Ping | WebSocketEvent::Pong => asked = self.socket_id.is_empty(),
                WebSocketEvent::Binary(_) => {}
            }
        }
    }

    async fn send(&mut self, message: &Value) -> CliResult<()> {
        // A lost connection shows at the next read.
        let _ = self.socket.send_text(message.to_string()).await;
        Ok(())
    }

    async fn subscribe_all(
        &mut self,
        frame: &ServerFrame,
        channels: &[String],
        tools: &mut Tools<'_>,
    ) -> CliResult<Result<(), End>> {
        let Some(Established { socket_id, activity_timeout }) = frame.data() else {
            let message = "the server's first message has no socket_id: is that a Pusher server?";
            return Ok(Err(End::GivenUp(CommandError::unreachable(message))));
        };
        self.socket_id = socket_id;
        let told = activity_timeout.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        self.activity_timeout = told.map_or(ACTIVITY_TIMEOUT, |told| told.min(ACTIVITY_TIMEOUT));
        for channel in channels {
            if let Err(error) = self.subscribe(channel, tools).await {
                return Ok(Err(End::GivenUp(error)));
            }
        }
        Ok(Ok(()))
    }

    async fn subscribe(&mut self, channel: &str, tools: &mut Tools<'_>) -> CliResult<()> {
        let authorized = tools.authorizer.authorize(&self.socket_id, channel).await?;
        let Authorized { auth, channel_data, secret } = authorized;
        tools.opener.set(channel, secret);
        let mut data = json!({ "channel": channel });
        let more = [("auth", auth), ("channel_data", channel_data)];
        more.into_iter().for_each(|(name, value)| {
            value.into_iter().for_each(|value| data[name] = value.into());
        });
        self.send(&json!({ "event": "pusher:subscribe", "data": data })).await?;
        self.look_up_key(channel).await;
        Ok(())
    }

    /// Asks as a backend which key seals the channel. Without an answer the key is not shown.
    async fn look_up_key(&mut self, channel: &str) {
        #[derive(Deserialize)]
        struct KeyOfChannel {
            key: Option<Fingerprint>,
        }
        self.keys.remove(channel);
        let Some(api) = self.server.api.as_ref() else { return };
        if !ChannelKind::of(channel).is_encrypted() {
            return;
        }
        let path = format!("/channels/{channel}");
        let query = [("info", "key")];
        let request = signed_request(&self.server.app, Method::GET, &path, &query, String::new());
        let Ok(request) = request else { return };
        let Ok(answer) = api.send(request).await else { return };
        let answer = serde_json::from_slice::<KeyOfChannel>(&answer.body).ok();
        if let Some(key) = answer.and_then(|answer| answer.key) {
            self.keys.insert(channel.to_owned(), key);
        }
    }

    fn joined(&mut self, frame: &ServerFrame, tools: &Tools<'_>) {
        let channel = harmless(&frame.channel);
        match frame.member_count() {
            Some(count) => {
                let members = plural(count, "member");
                print_error(format_args!("subscribed to {channel}, {members}"));
            }
            None => print_error(format_args!("subscribed to {channel}")),
        }
        self.missing.retain(|name| *name != frame.channel);
        if self.missing.is_empty() {
            tools.progress.joined.set(true);
        }
    }

    /// An event that its secret does not open makes a client ask the auth endpoint again, once.
    async fn open(&mut self, frame: &ServerFrame, tools: &mut Tools<'_>) -> OpenedData {
        let (channel, data) = (frame.channel.as_str(), frame.text());
        let opened = tools.opener.open(channel, &data);
        if opened != OpenedData::WrongSecret {
            return opened;
        }
        match tools.authorizer.authorize(&self.socket_id, channel).await {
            Ok(authorized) => tools.opener.set(channel, authorized.secret),
            Err(error) => print_error(format_args!("sealcast: {error}")),
        }
        self.look_up_key(channel).await;
        tools.opener.open(channel, &data)
    }

    async fn show(&mut self, frame: &ServerFrame, tools: &mut Tools<'_>) -> CliResult<()> {
        let opened = self.open(frame, tools).await;
        let (channel, data) = (frame.channel.as_str(), frame.text());
        let key = self.keys.get(channel);
        let content = match &opened {
            OpenedData::Plaintext(text) => PrintedContent::Opened { data: text, key },
            OpenedData::AsItCame if !ChannelKind::of(channel).is_encrypted() => {
                PrintedContent::Clear(&data)
            }
            OpenedData::AsItCame | OpenedData::WrongSecret => {
                PrintedContent::Envelope { envelope: &data, key }
            }
        };
        tools.printer.event(&PrintedEvent { frame, content })
    }
}

/// A new authorization continues the subscription.
fn has_expired(frame: &ServerFrame) -> bool {
    let error: RefusedSubscription = frame.data().unwrap_or_default();
    error.code.as_deref() == Some(RefusalCode::AuthorizationExpired.name())
}

fn refused(frame: &ServerFrame) -> CommandError {
    let RefusedSubscription { code, error, status } = frame.data().unwrap_or_default();
    let reason = if error.is_empty() { "no reason is given".into() } else { harmless(&error) };
    let status = status.map_or_else(String::new, |status| format!(" ({status})"));
    CommandError::Refused {
        message: format!("{} is refused{status}: {reason}", harmless(&frame.channel)),
        code: code.unwrap_or_else(|| "subscription_error".into()),
    }
}

/// The range of the code tells a client how to go on.
fn closed(code: u16, reason: &str) -> End {
    let reason = match reason {
        "" => String::new(),
        reason => format!(": {}", harmless(reason)),
    };
    let message = format!("the server has closed the connection ({code}){reason}");
    match code {
        4000..4100 => {
            End::GivenUp(CommandError::Refused { message, code: format!("closed_{code}") })
        }
        _ => End::Lost(message),
    }
}

/// Without a reason in the close frame, the error before it is one.
fn explained(end: End, last_error: Option<String>) -> End {
    match (end, last_error) {
        (End::Lost(message), Some(error)) if !message.contains(": ") => {
            End::Lost(format!("{message}: {}", harmless(&error)))
        }
        (end, _) => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_decide_about_the_return() {
        for (code, given_up) in [(4001, true), (4009, true), (4100, false), (4200, false)] {
            let end = closed(code, "why");
            assert_eq!(matches!(end, End::GivenUp(_)), given_up, "{code}");
        }
        let End::GivenUp(error) = closed(4001, "App key x\u{1b} not here") else { panic!() };
        assert_eq!((error.exit(), error.code()), (4, "closed_4001"));
        assert!(!error.to_string().contains('\u{1b}'));
    }
}
