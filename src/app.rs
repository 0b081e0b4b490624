//! One application, as the server uses it: everything resolved and validated.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    auth::{Authorizer, Credentials, Denied, Grant, Identity, access::AccessTokens},
    channel::{Access, Channel},
    crypto::{
        keyring::KeyRing,
        keytable::Version,
        sealer::{Payload, SealError, Sealed, Sealing},
        signature::AppSecret,
    },
    explain::NearSecrets,
    ids::SocketId,
    limits::{Limits, Rotation},
    origins::Origins,
    pattern::Pattern,
    presence::MemberLimits,
    protocol::{
        dialect::Dialect,
        signed::{AuthError, verify_auth},
    },
    webhook,
};

pub struct App {
    pub id: Arc<str>,
    pub key: Arc<str>,
    pub secret: AppSecret,
    pub near_secrets: NearSecrets,
    pub enabled: bool,
    pub dialect: Dialect,
    pub sealing: Sealing,
    /// Whether another application may have the same key, if that says so, too.
    pub shares_master_key: bool,
    pub rotation: Rotation,
    /// Which encrypted channels are relayed blindly although the application has a master key.
    pub channel_rules: Arc<[ChannelRule]>,
    pub client_events: bool,
    pub subscription_count: bool,
    pub watchlist: bool,
    pub origins: Origins,
    /// How long a connection may stay without having signed in or joined an authorized channel.
    pub authorization_timeout: Option<Duration>,
    pub authorizer: Arc<Authorizer>,
    /// The server takes them when it starts.
    pub webhooks: Vec<webhook::Settings>,
    /// Whoever is refused is told why: for development.
    pub explains: bool,
    /// Tokens of our own making, which are accepted beside.
    pub access: AccessTokens,
    pub limits: Limits,
}

/// The first rule whose pattern matches decides.
pub struct ChannelRule {
    pub pattern: Pattern,
    pub blind: bool,
}

impl App {
    /// `key:signature` over the text.
    pub fn auth(&self, signed: &str) -> String {
        format!("{}:{}", self.key, self.secret.sign(&[signed.as_bytes()]).to_hex())
    }

    /// With what its webhooks are signed.
    pub fn signer(&self) -> webhook::Signer {
        webhook::Signer { key: self.key.clone(), secret: self.secret.clone() }
    }

    /// Whether a client may join, by its access token, or else by the authorizer's word.
    pub async fn decide_channel(
        &self,
        credentials: &Credentials,
        socket_id: SocketId,
        channel: &Channel,
    ) -> Result<Grant, Denied> {
        match self.access.presented(credentials) {
            Some(token) => self.access.channel(token, credentials, channel),
            None => self.authorizer.channel(credentials, socket_id, channel).await,
        }
    }

    pub async fn decide_user(
        &self,
        credentials: &Credentials,
        socket_id: SocketId,
    ) -> Result<Identity, Denied> {
        match self.access.presented(credentials) {
            Some(token) => self.access.user(token, credentials),
            None => self.authorizer.user(credentials, socket_id).await,
        }
    }

    /// Whether `auth` is this application's signature over the text.
    pub fn verify_auth(&self, auth: &str, signed: &str) -> Result<(), AuthError> {
        verify_auth(&self.key, &self.secret, auth, signed)
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
    pub fn ring(&self, channel: &Channel) -> Option<&Arc<KeyRing>> {
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
