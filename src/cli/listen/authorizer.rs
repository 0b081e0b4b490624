//! How a listener is authorized for channels: with the app's secret, or by an auth endpoint.

use hyper::{
    Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;
use serde_json::json;
use zeroize::Zeroizing;

use super::ListenArgs;
use crate::{
    auth::{
        access::{AccessTokens, MAX_TTL, TokenRequest},
        revoked::RevokedTokens,
    },
    cli::{
        client::{
            connect::{Connector, Destination},
            http::{ClientRequest, ClientResponse},
            listener::ListenerClient,
            public::PublicServer,
            signed::RefusalBody,
        },
        exit::{CliResult, CommandError},
    },
    crypto::{secret::SharedSecret, signature::AppSecret},
    domain::{
        channel::{Channel, ChannelKind},
        ids::SocketId,
    },
    observe::explain::EndpointAnswer,
    platform::clock::{ClockReading, ServerClock},
    protocol::signed::signed_for_channel,
};

/// What a client sends with its subscription, and the channel's secret.
#[derive(Default)]
pub struct Authorized {
    pub auth: Option<String>,
    pub channel_data: Option<String>,
    pub secret: Option<SharedSecret>,
}

pub struct ListenAuthorizer {
    /// Signs itself; `None` without the app's secret.
    signer: Option<Signer>,
    /// `None`: the listener only signs.
    endpoint: Option<AskedEndpoint>,
    decrypts: bool,
}

struct Signer {
    key: String,
    secret: AppSecret,
    user: String,
}

struct AskedEndpoint {
    client: ListenerClient,
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    tokens: Option<TokenSource>,
    /// True if it decides about all channels: `--auth`.
    for_all: bool,
}

/// Makes the access tokens for the server's own endpoint.
struct TokenSource {
    tokens: AccessTokens,
    user: String,
}

/// Allowed clock difference between this machine and the server, in seconds.
const CLOCK_SKEW: u64 = 10;

impl ListenAuthorizer {
    pub fn of(command: &ListenArgs, server: &PublicServer) -> CliResult<Self> {
        let decrypts = command.decrypt;
        if let Some(url) = &command.auth {
            let endpoint = Some(AskedEndpoint::named(url, command, &server.clients.connector)?);
            return Ok(Self { signer: None, endpoint, decrypts });
        }
        let needs_secret = |name: &String| !ChannelKind::of(name).is_public();
        if !command.channels.iter().any(needs_secret) {
            return Ok(Self { signer: None, endpoint: None, decrypts });
        }
        let secret = server.app.secret()?.expose_secret().as_bytes();
        let (key, user) = (server.app.key.clone(), command.user.clone());
        let signer = Some(Signer { key, secret: AppSecret::new(secret), user: user.clone() });
        let endpoint = decrypts.then(|| {
            let id = server.app.id()?;
            let tokens = AccessTokens::new(id, secret, RevokedTokens::in_memory().into());
            CliResult::Ok(AskedEndpoint {
                client: server.clients.clone(),
                path: format!("/apps/{id}/auth/channel"),
                headers: Vec::new(),
                tokens: Some(TokenSource { tokens, user }),
                for_all: false,
            })
        });
        Ok(Self { signer, endpoint: endpoint.transpose()?, decrypts })
    }

    pub async fn authorize(&self, socket_id: &str, channel: &str) -> CliResult<Authorized> {
        let kind = ChannelKind::of(channel);
        if kind.is_public() {
            return Ok(Authorized::default());
        }
        match (&self.endpoint, &self.signer) {
            (Some(endpoint), _) if endpoint.for_all || self.decrypts && kind.is_encrypted() => {
                endpoint.ask(socket_id, channel).await
            }
            (_, Some(signer)) => signer.sign(socket_id, channel),
            (_, None) => Err(CommandError::usage("the app's secret is missing")),
        }
    }
}

impl Signer {
    fn sign(&self, socket_id: &str, name: &str) -> CliResult<Authorized> {
        let channel = Channel::parse(name, name.len()).map_err(CommandError::usage)?;
        let socket: SocketId = socket_id.parse()?;
        let channel_data =
            channel.kind().has_members().then(|| json!({ "user_id": self.user }).to_string());
        let text = signed_for_channel(socket, &channel, channel_data.as_deref());
        let signature = self.secret.sign(&[text.as_bytes()]).to_hex();
        let auth = Some(format!("{}:{signature}", self.key));
        Ok(Authorized { auth, channel_data, secret: None })
    }
}

impl AskedEndpoint {
    fn named(url: &str, command: &ListenArgs, connector: &Connector) -> CliResult<Self> {
        let (place, query) = match url.split_once('?') {
            Some((place, query)) => (place, format!("?{query}")),
            None => (url, String::new()),
        };
        let destination = Destination::parse(place)?;
        let path = if destination.prefix.is_empty() { format!("/{query}") } else { query };
        // The endpoint is another server, whose proxies send no PROXY header.
        let connector = connector.clone().with_proxy_header(false);
        let headers = command.headers.headers()?;
        let client = ListenerClient::new(connector, destination);
        Ok(Self { client, path, headers, tokens: None, for_all: true })
    }

    async fn ask(&self, socket_id: &str, channel: &str) -> CliResult<Authorized> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("socket_id", socket_id).append_pair("channel_name", channel);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut request = ClientRequest::new(Method::POST, &*self.path)
            .header(CONTENT_TYPE, kind)
            .body(form.finish());
        for (name, value) in &self.headers {
            request = request.header(name.clone(), value.clone());
        }
        if let Some(source) = &self.tokens {
            let token = source.token(channel)?;
            request = request.bearer(&token).ok_or_else(|| CommandError::failed("no token"))?;
        }
        let sent = self.client.send(request).await;
        let answer = sent.map_err(|error| self.client.unreachable(&error))?;
        if answer.status != 200 {
            return Err(self.refusal(channel, &answer));
        }
        let body = Zeroizing::new(answer.body.to_vec());
        let EndpointAnswer { auth, channel_data, shared_secret } = serde_json::from_slice(&body)
            .map_err(|error| {
                CommandError::failed(format_args!(
                    "the auth endpoint answers 200, and no JSON with auth ({error})"
                ))
            })?;
        let secret = shared_secret.map(|text| {
            SharedSecret::from_base64(&text).ok_or_else(|| {
                CommandError::failed("the auth endpoint's shared_secret is not 32 bytes in base64")
            })
        });
        Ok(Authorized { auth: Some(auth), channel_data, secret: secret.transpose()? })
    }

    /// The endpoint may be a backend with answers of its own.
    fn refusal(&self, channel: &str, answer: &ClientResponse) -> CommandError {
        let refused = |why: String, code| CommandError::Refused {
            message: format!("the auth endpoint refuses {channel}: {why}"),
            code,
        };
        match (serde_json::from_slice::<RefusalBody>(&answer.body), answer.status) {
            // The token is our own, made of the app's secret.
            (Ok(RefusalBody { code, .. }), 401) if self.tokens.is_some() => refused(
                "the token is none of this app: is the secret that of the app on this server?"
                    .into(),
                code,
            ),
            (Ok(RefusalBody { error, code }), _) => refused(error, code),
            (Err(_), status @ 400..500) => refused(format!("status {status}"), "http_error".into()),
            (Err(_), status) => CommandError::unreachable(format_args!(
                "the auth endpoint {} answers {status}",
                self.client.destination
            )),
        }
    }
}

impl TokenSource {
    fn token(&self, channel: &str) -> CliResult<Zeroizing<String>> {
        let wanted = TokenRequest {
            user_id: self.user.clone(),
            user_info: None,
            channels: vec![channel.to_owned()],
            ttl: MAX_TTL,
            origin: None,
            allow: None,
        };
        let now = ServerClock::default().now();
        // Backdated for servers with a slow clock.
        let now = ClockReading { latest: now.latest.saturating_sub(CLOCK_SKEW), ..now };
        Ok(Zeroizing::new(self.tokens.mint(&wanted, now)?.token))
    }
}
