//! One application, as the server uses it: everything resolved and validated.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    auth::Authorizer,
    channel::{Access, Channel},
    crypto::{
        keyring::KeyRing,
        keytable::Version,
        sealer::{Payload, SealError, Sealed, Sealing},
        signature::{AppSecret, Signature},
    },
    ids::SocketId,
    limits::{Limits, Rotation},
    pattern::Pattern,
    presence::MemberLimits,
    protocol::dialect::Dialect,
    webhook,
};

pub struct App {
    pub id: Arc<str>,
    pub key: Arc<str>,
    pub secret: AppSecret,
    pub enabled: bool,
    pub dialect: Dialect,
    pub sealing: Sealing,
    pub rotation: Rotation,
    /// Which encrypted channels are relayed blindly although the application has a master key.
    pub channel_rules: Vec<ChannelRule>,
    pub client_events: bool,
    pub subscription_count: bool,
    pub watchlist: bool,
    pub origins: Origins,
    /// How long a connection may stay without having signed in or joined an authorized channel.
    pub authorization_timeout: Option<Duration>,
    pub authorizer: Authorizer,
    /// The server takes them when it starts.
    pub webhooks: Vec<webhook::Settings>,
    pub limits: Limits,
}

/// The first rule whose pattern matches decides.
pub struct ChannelRule {
    pub pattern: Pattern,
    pub blind: bool,
}

pub enum Origins {
    /// WebSocket connections from anywhere, no page may call the auth endpoints across origins.
    Any,
    /// Exactly these, for both.
    Listed(Vec<String>),
    /// Pages on this machine, whatever their port: for development.
    Loopback,
}

impl Origins {
    /// Whether somebody who says to come from there may connect or ask.
    pub fn admits(&self, origin: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            // Without the header it is no browser, which alone the list protects.
            Self::Listed(_) | Self::Loopback => origin.is_none_or(|o| self.lists(o)),
        }
    }

    /// Whether a page from there may read answers across origins.
    pub fn lists(&self, origin: &str) -> bool {
        match self {
            Self::Any => false,
            Self::Listed(origins) => origins.iter().any(|o| o == origin),
            Self::Loopback => is_loopback(origin),
        }
    }
}

fn is_loopback(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
    else {
        return false;
    };
    ["localhost", "127.0.0.1", "[::1]"].into_iter().any(|name| {
        host.strip_prefix(name).is_some_and(|port| {
            port.is_empty()
                || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
        })
    })
}

impl App {
    /// `key:signature` over the text.
    pub fn auth(&self, signed: &str) -> String {
        format!("{}:{}", self.key, self.secret.sign(&[signed.as_bytes()]).to_hex())
    }

    /// Whether `auth` is this application's signature over the text.
    pub fn verify_auth(&self, auth: &str, signed: &str) -> Result<(), AuthError> {
        let (key, signature) = auth.rsplit_once(':').ok_or(AuthError::Malformed)?;
        // One client lower-cases the whole text; a key is no secret.
        if !key.eq_ignore_ascii_case(&self.key) {
            return Err(AuthError::ForeignKey);
        }
        let signature = Signature::parse(signature).ok_or(AuthError::Malformed)?;
        if self.secret.verify(&[signed.as_bytes()], &signature) {
            Ok(())
        } else {
            Err(AuthError::Signature)
        }
    }

    /// Whether the payload may be sent on the encrypted channel.
    pub fn admit<'a>(&self, channel: &Channel, data: &'a str) -> Result<Payload<'a>, SealError> {
        self.sealing.admit(channel, data, self.is_blind(channel))
    }

    pub fn seal(
        &self,
        channel: &Channel,
        payload: &Payload<'_>,
        version: Version,
    ) -> Result<Sealed, SealError> {
        self.sealing.seal(channel, payload, version)
    }

    /// The keys that seal for the channel. `None` where it is not encrypted, and where this server
    /// only relays.
    pub fn ring(&self, channel: &Channel) -> Option<&KeyRing> {
        let encrypted = channel.access() == Access::Encrypted;
        self.sealing.keys().filter(|_| encrypted && !self.is_blind(channel))
    }

    fn is_blind(&self, channel: &Channel) -> bool {
        let rule = self.channel_rules.iter().find(|rule| rule.pattern.matches(channel.name()));
        rule.is_some_and(|rule| rule.blind)
    }

    pub fn member_limits(&self) -> MemberLimits {
        MemberLimits {
            bytes: self.limits.presence_member_bytes,
            user_id_chars: self.limits.user_id_chars,
        }
    }
}

/// What is signed to let a connection join a channel (PROTOCOL 2.3).
pub fn signed_for_channel(
    socket_id: SocketId,
    channel: &Channel,
    channel_data: Option<&str>,
) -> String {
    match channel_data {
        Some(data) => format!("{socket_id}:{channel}:{data}"),
        None => format!("{socket_id}:{channel}"),
    }
}

/// What is signed to let a connection be a user (PROTOCOL 5.1).
pub fn signed_for_user(socket_id: SocketId, user_data: &str) -> String {
    format!("{socket_id}::user::{user_data}")
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    #[error("Invalid auth: expected app_key:signature with 64 hex digits")]
    Malformed,
    #[error("Invalid key in subscription auth data")]
    ForeignKey,
    #[error("Invalid signature")]
    Signature,
}

/// All applications, by id for the API and by key for sockets.
#[derive(Default)]
pub struct AppRegistry<T> {
    by_id: HashMap<Arc<str>, Arc<T>>,
    by_key: HashMap<Arc<str>, Arc<T>>,
}

impl<T> AppRegistry<T> {
    pub fn new() -> Self {
        Self { by_id: HashMap::new(), by_key: HashMap::new() }
    }

    pub fn insert(&mut self, id: Arc<str>, key: Arc<str>, app: Arc<T>) {
        self.by_id.insert(id, app.clone());
        self.by_key.insert(key, app);
    }

    pub fn by_id(&self, id: &str) -> Option<&Arc<T>> {
        self.by_id.get(id)
    }

    pub fn by_key(&self, key: &str) -> Option<&Arc<T>> {
        self.by_key.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.by_id.values()
    }

    /// The application, if there is one only.
    pub fn only(&self) -> Option<&Arc<T>> {
        self.by_id.values().next().filter(|_| self.by_id.len() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_origins() {
        for origin in
            ["http://localhost", "http://localhost:8080", "https://127.0.0.1:1", "http://[::1]:5"]
        {
            assert!(Origins::Loopback.lists(origin), "{origin}");
        }
        for origin in [
            "http://localhost.evil",
            "http://127.0.0.1.evil:80",
            "null",
            "",
            "http://localhost:80.evil",
            "file://localhost",
        ] {
            assert!(!Origins::Loopback.lists(origin), "{origin}");
        }
    }

    #[test]
    fn listed_origins_are_exact() {
        let origins = Origins::Listed(vec!["https://a.example".into()]);
        assert!(origins.admits(Some("https://a.example")));
        assert!(origins.admits(None));
        for origin in ["http://a.example", "https://a.example:444", "https://b.a.example", "null"] {
            assert!(!origins.admits(Some(origin)), "{origin}");
        }
        assert!(Origins::Any.admits(Some("https://x.example")));
        assert!(!Origins::Any.lists("https://x.example"));
    }
}
