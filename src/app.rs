//! The settings of one app, resolved and validated.

pub mod auth_report;
#[cfg(test)]
mod for_tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    auth::{
        Authorizer, Credentials, Denied, Grant, SignIn,
        access::{AccessTokens, MintError, Minted, TokenRequest},
    },
    channels::members::MemberLimits,
    crypto::{
        keyring::KeyRing,
        keytable::Version,
        sealer::{Payload, SealError, Sealed, Sealing},
        signature::AppSecret,
    },
    domain::{
        channel::{Channel, InvalidChannel, InvalidName},
        channel_settings::{ChannelSettings, ChannelSettingsList},
        ids::SocketId,
        limits::{Limits, Rotation},
        origins::Origins,
        pattern::Pattern,
        sealing_alias::SealingAlias,
        time::UnixSeconds,
    },
    history::position::PositionKey,
    observe::{explain::SimilarSecrets, webhook},
    platform::clock::{ClockReading, KnownAsOf, ServerClock, micros_after},
    protocol::{
        dialect::Dialect,
        signed::{AuthError, verify_auth},
    },
};

pub struct App {
    pub id: Arc<str>,
    pub key: Arc<str>,
    pub secret: AppSecret,
    pub near_secrets: SimilarSecrets,
    pub enabled: bool,
    pub dialect: Dialect,
    pub sealing: Sealing,
    /// True if another app with the same flag may have the same key.
    pub shares_master_key: bool,
    pub rotation: Rotation,
    /// Rules for encrypted channels in blind mode, although the app has a master key. Fixed while
    /// the app is served, unlike the settings of channels.
    pub channel_rules: Arc<[ChannelRule]>,
    pub channel_settings: ChannelSettingsList,
    pub sealing_alias: SealingAlias,
    /// True if every event may name encrypted and other channels together, without a flag of its
    /// own.
    pub allow_mixed: bool,
    pub client_events: bool,
    pub subscription_count: bool,
    pub watchlist: bool,
    pub origins: Origins,
    /// Pages of these origins may read the answers of the signed API.
    pub api_cors: bool,
    /// The time within which a connection must sign in or join an authorized channel.
    pub authorization_timeout: Option<Duration>,
    pub authorizer: Arc<Authorizer>,
    /// Taken by the server when it starts.
    pub webhooks: Vec<webhook::EndpointSettings>,
    /// Refusals explain their cause to the client: for development.
    pub explains: bool,
    /// Access tokens issued by this server, accepted in addition to the authorizer.
    pub access: AccessTokens,
    pub limits: Limits,
    /// Encodes the positions of its readers.
    pub positions: PositionKey,
}

/// The first rule with a matching pattern decides.
pub struct ChannelRule {
    pub pattern: Pattern,
    pub blind: bool,
}

impl App {
    /// The auth string `key:signature` over the text.
    pub fn auth(&self, signed: &str) -> String {
        format!("{}:{}", self.key, self.secret.sign(&[signed.as_bytes()]).to_hex())
    }

    /// Parses the name of a channel to join, authorize or query. Sealing aliases are refused.
    pub fn channel(&self, name: &str) -> Result<Channel, InvalidChannel> {
        let channel = Channel::parse(name, self.limits.channel_name_bytes)?;
        self.refuse_alias(name)?;
        Ok(channel)
    }

    pub fn refuse_alias(&self, name: &str) -> Result<(), InvalidChannel> {
        match self.sealing_alias.encrypted_name(name) {
            Some(encrypted) => Err(InvalidChannel::Alias { alias: name.to_owned(), encrypted }),
            None => Ok(()),
        }
    }

    /// Parses the name of a channel to publish on, which may be a sealing alias.
    pub fn published_channel(&self, name: &str) -> Result<Channel, InvalidChannel> {
        let limit = self.limits.channel_name_bytes;
        let channel = Channel::parse(name, limit)?;
        if let Some(correct) = self.sealing_alias.misspelt(name) {
            return Err(InvalidChannel::AliasLookAlike { correct });
        }
        let Some(encrypted) = self.sealing_alias.encrypted_name(name) else { return Ok(channel) };
        let channel = Channel::parse(&encrypted, limit).map_err(|error| match error {
            InvalidChannel::Name(InvalidName::TooLong { length, limit }) => {
                InvalidChannel::AliasTooLong { length, limit }
            }
            error => error,
        })?;
        match self.ring(&channel) {
            Some(_) => Ok(channel),
            None => Err(InvalidChannel::AliasWithoutKey { alias: name.to_owned(), encrypted }),
        }
    }

    /// Issues an access token. Aliases are refused: such a token would never admit a client.
    pub fn mint(&self, wanted: &TokenRequest, now: ClockReading) -> Result<Minted, MintError> {
        for pattern in &wanted.channels {
            if let Some(encrypted) = self.sealing_alias.encrypted_name(pattern) {
                return Err(MintError::Alias { pattern: pattern.clone(), encrypted });
            }
        }
        self.access.mint(wanted, now)
    }

    /// When the user's tokens were last revoked, or the user was last taken off a channel.
    pub fn last_revocation_of(&self, user: &str) -> Option<UnixSeconds> {
        let members = self.sealing.keys().and_then(|ring| ring.table().last_revocation_of(user));
        members.max(self.access.revoked.last_of_user(user))
    }

    /// The key and secret that sign its webhooks.
    pub fn signer(&self) -> webhook::WebhookSigner {
        webhook::WebhookSigner { key: self.key.clone(), secret: self.secret.clone() }
    }

    /// Decides on a client's request for a channel: by its access token, or else by the authorizer.
    /// The caller asks the grant for the ability that the request needs. `socket_id` is `None` for
    /// requests without a connection.
    pub async fn decide_channel(
        &self,
        credentials: &Credentials,
        socket_id: Option<SocketId>,
        channel: &Channel,
        clock: &ServerClock,
    ) -> Result<Grant, Denied> {
        match self.access.find_in(credentials) {
            Some(token) => self.access.channel(token, credentials, channel, clock.now()),
            None => self.authorizer.channel(credentials, socket_id, channel, clock).await,
        }
    }

    pub async fn decide_user(
        &self,
        credentials: &Credentials,
        socket_id: SocketId,
        clock: &ServerClock,
    ) -> Result<SignIn, Denied> {
        match self.access.find_in(credentials) {
            Some(token) => self.access.user(token, credentials, clock.now()),
            None => Ok(self.authorizer.user(credentials, socket_id, clock).await?.into()),
        }
    }

    /// True if the user was revoked and the authorization is not newer than that.
    pub fn is_revoked(&self, channel: &Channel, user: &str, as_of: KnownAsOf) -> bool {
        let Some(table) = self.ring(channel).map(|ring| ring.table()) else { return false };
        // Most channels never had a revocation, and no list is searched for them.
        if !table.epochs().contains_key(channel.name()) {
            return false;
        }
        table.is_revoked(channel.name(), user).is_some_and(|at| !as_of.is_after(at))
    }

    /// The first microsecond since 1970 whose events a reader may see; 0 for most. Who was barred
    /// gets nothing from before the authorization that let him in again. Without a known user it
    /// may be anybody who was taken off the channel.
    pub fn readable_from<'a>(
        &self,
        channel: &Channel,
        users: impl Iterator<Item = &'a str>,
        as_of: KnownAsOf,
    ) -> u64 {
        let mut users = users.peekable();
        if users.peek().is_none() {
            let revoked = self.last_revocation_on(channel);
            return revoked.map_or(0, micros_after);
        }
        let was_barred = users.any(|user| self.was_barred(channel, user));
        if was_barred { as_of.micros_after() } else { 0 }
    }

    /// When a member was last taken off the channel.
    fn last_revocation_on(&self, channel: &Channel) -> Option<UnixSeconds> {
        let table = self.ring(channel)?.table();
        let revocations = table.revocations().iter();
        let on_channel = revocations.filter(|revoked| *revoked.channel == **channel.name());
        on_channel.map(|revoked| revoked.at).max()
    }

    /// True if a revocation of the user is on record, for this channel or for all access tokens.
    fn was_barred(&self, channel: &Channel, user: &str) -> bool {
        let table = self.ring(channel).map(|ring| ring.table());
        let taken_off = table.is_some_and(|table| table.is_revoked(channel.name(), user).is_some());
        taken_off || self.access.revoked.last_of_user(user).is_some()
    }

    /// Verifies that `auth` is this app's signature over the text.
    pub fn verify_auth(&self, auth: &str, signed: &str) -> Result<(), AuthError> {
        verify_auth(&self.key, &self.secret, auth, signed)
    }

    /// Decides whether the payload may be sent on the encrypted channel.
    pub fn admit<'a>(&self, channel: &Channel, data: &'a str) -> Result<Payload<'a>, SealError> {
        self.sealing.admit(channel, data, self.is_blind(channel))
    }

    /// The same for an envelope that another node has sealed with this version.
    pub fn admit_as<'a>(
        &self,
        channel: &Channel,
        data: &str,
        version: Version,
    ) -> Result<Payload<'a>, SealError> {
        match self.ring(channel) {
            Some(_) => self.sealing.admit_as(channel, data, version),
            None => Err(SealError::DoesNotOpen),
        }
    }

    pub fn seal(
        &self,
        channel: &Channel,
        payload: &Payload<'_>,
        version: Version,
    ) -> Result<Sealed, SealError> {
        self.sealing.seal(channel, payload, version)
    }

    /// The keys that seal for the channel. `None` if it is not encrypted, or is in blind mode.
    pub fn ring(&self, channel: &Channel) -> Option<&Arc<KeyRing>> {
        let encrypted = channel.kind().is_encrypted();
        self.sealing.keys().filter(|_| encrypted && !self.is_blind(channel))
    }

    fn is_blind(&self, channel: &Channel) -> bool {
        let rule = self.channel_rules.iter().find(|rule| rule.pattern.matches(channel.name()));
        rule.is_some_and(|rule| rule.blind)
    }

    /// The settings of the channel. A blindly relayed channel has a log only if its settings say
    /// so: checked here as well, since a reload brings new settings and keeps the mode.
    pub fn channel_settings(&self, channel: &Channel) -> ChannelSettings {
        let mut settings = self.channel_settings.of(channel);
        let is_relayed = || channel.kind().is_encrypted() && self.ring(channel).is_none();
        settings.history = settings.history.filter(|history| history.blind || !is_relayed());
        settings
    }

    /// The life of the channel's remembered event.
    pub fn cache_ttl(&self, channel: &Channel) -> Duration {
        let own = self.channel_settings.of(channel).cache_ttl;
        own.unwrap_or_else(|| self.limits.cache_ttl())
    }

    pub fn member_limits(&self) -> MemberLimits {
        MemberLimits {
            bytes: self.limits.presence_member_bytes,
            user_id_chars: self.limits.user_id_chars,
        }
    }
}

/// All apps, by id for the API and by key for connections.
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

    /// The app, if there is only one.
    pub fn only(&self) -> Option<&Arc<T>> {
        self.by_id.values().next().filter(|_| self.by_id.len() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::secret::Derivation,
        domain::channel_settings::{ChannelEntry, HistoryChoice, HistorySettings},
    };

    fn logging(pattern: &str, blind: bool) -> ChannelSettingsList {
        let history = HistorySettings { blind, ..HistorySettings::default() };
        ChannelSettingsList::new([ChannelEntry {
            pattern: Pattern::new(pattern),
            history: HistoryChoice::On(Arc::new(history)),
            cache_ttl: Some(Duration::from_secs(7)),
            payload: None,
        }])
    }

    #[test]
    fn blindly_relayed_channel_has_a_log_only_if_its_settings_say_so() {
        for (seals, name, logged) in [
            (true, "private-encrypted-a", true),
            (true, "private-encrypted-b", false),
            (true, "private-b", true),
            (false, "private-encrypted-a", false),
            (false, "presence-a", true),
        ] {
            let channel = Channel::parse(name, 200).unwrap();
            for blind in [false, true] {
                let app = App::for_tests("a");
                let app = if seals { app.sealed(Derivation::Pusher) } else { app };
                let rule = ChannelRule { pattern: Pattern::new("*-b"), blind: true };
                let app = App {
                    channel_rules: Arc::new([rule]),
                    channel_settings: logging("*", blind),
                    ..app
                };
                let settings = app.channel_settings(&channel);
                assert_eq!(settings.history.is_some(), logged || blind, "{name} {blind}");
                assert_eq!(app.cache_ttl(&channel), Duration::from_secs(7));
            }
        }
    }
}
