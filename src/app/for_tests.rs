//! Apps for unit tests, made without a configuration.

use std::sync::Arc;

use super::App;
use crate::{
    auth::{Authorizer, access::AccessTokens, revoked::RevokedTokens},
    crypto::{
        key::MasterKey, keyring::KeyRing, keytable::KeyTable, padding::Padding, sealer::Sealing,
        secret::Derivation, signature::AppSecret, vectors::example_salt,
    },
    domain::{
        channel_settings::{ChannelEntry, ChannelSettingsList, HistoryChoice, HistorySettings},
        limits::{Limits, Rotation},
        origins::Origins,
        pattern::Pattern,
        sealing_alias::SealingAlias,
    },
    history::position::PositionKey,
    observe::explain::SimilarSecrets,
    protocol::dialect::Dialect,
};

impl App {
    /// An app with the defaults of the configuration, and without a master key. Its key is its id.
    pub fn for_tests(id: &str) -> Self {
        let secret = format!("{id}-secret");
        Self {
            id: id.into(),
            key: id.into(),
            access: AccessTokens::new(id, secret.as_bytes(), RevokedTokens::in_memory().into()),
            secret: AppSecret::new(secret.as_bytes()),
            near_secrets: SimilarSecrets::of(&secret),
            enabled: true,
            dialect: Dialect::default(),
            sealing: Sealing::Blind,
            shares_master_key: false,
            rotation: Rotation::default(),
            channel_rules: Arc::new([]),
            channel_settings: ChannelSettingsList::default(),
            sealing_alias: SealingAlias::parse(SealingAlias::DEFAULT)
                .expect("the default is valid"),
            allow_mixed: false,
            client_events: false,
            subscription_count: false,
            watchlist: false,
            origins: Origins::Any,
            api_cors: false,
            authorization_timeout: None,
            authorizer: Arc::new(Authorizer::Deny),
            webhooks: Vec::new(),
            explains: false,
            limits: Limits::default(),
            positions: PositionKey::derive(secret.as_bytes(), id),
        }
    }

    /// The same with a new master key.
    pub fn sealed(self, derivation: Derivation) -> Self {
        let key = MasterKey::generate().expect("random bytes");
        let table = KeyTable::new(key, 0);
        let ring = KeyRing::new(&self.id, table, derivation, example_salt(), Padding::None);
        Self { sealing: Sealing::Auto(ring.into()), ..self }
    }

    /// The same with a log on every channel.
    pub fn logging(self, settings: HistorySettings) -> Self {
        let entry = ChannelEntry {
            pattern: Pattern::new("*"),
            history: HistoryChoice::On(Arc::new(settings)),
            cache_ttl: None,
            payload: None,
        };
        Self { channel_settings: ChannelSettingsList::new([entry]), ..self }
    }
}
