//! The written form of an app.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    auth::{RawForward, RawJwt, RawRule},
    channels::RawChannelEntry,
    mode::RawMode,
    text::{KeyText, SecretText},
    webhooks::RawWebhook,
};
use crate::{
    config::takes_effect::TakesEffect::{AfterRestart, AtOnce, ForNewConnections},
    crypto::padding::Padding,
    domain::{
        limits::{Limits, Rotation, YEAR},
        sealing_alias::SealingAlias,
    },
    protocol::dialect::Dialect,
};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawApp {
    /// The public name of the app. Pages and backends send it.
    #[schemars(example = "shop-key", extend("x-effect" = ForNewConnections, "x-default" = "required"))]
    pub key: Option<String>,
    /// Signs API requests and authorizations. Only the server and your backend know it.
    #[serde(skip_serializing)]
    #[schemars(
        with = "Option<SecretText>",
        example = "shop-secret",
        extend("x-effect" = AtOnce, "x-default" = "required, or `secret_file`")
    )]
    pub secret: Option<SecretString>,
    /// File with the secret.
    #[schemars(
        example = "/run/secrets/shop_secret",
        extend("x-effect" = AtOnce, "x-see" = "configuration.md#keep-secrets-in-files")
    )]
    pub secret_file: Option<PathBuf>,
    /// Seals encrypted channels. `sealcast keys generate` makes one. A change begins a rotation.
    #[serde(skip_serializing)]
    #[schemars(
        with = "Option<KeyText>",
        example = "file:/run/secrets/shop_master_key",
        extend("x-effect" = AtOnce, "x-see" = "configuration.md#choose-the-form-of-a-key")
    )]
    pub master_key: Option<SecretString>,
    /// File with the master key.
    #[schemars(example = "/run/secrets/shop_master_key", extend("x-effect" = AtOnce))]
    pub master_key_file: Option<PathBuf>,
    /// Allow this app to share its master key with another app. Both must set it.
    #[schemars(extend("x-effect" = AtOnce))]
    pub allow_shared_master_key: bool,
    /// False: connections get 4003, API requests 403.
    #[schemars(extend("x-effect" = AtOnce))]
    pub enabled: bool,
    /// Spelling of the protocol for connections whose URL does not name one.
    #[schemars(extend("x-effect" = ForNewConnections))]
    pub dialect: Dialect,
    /// The reading of encrypted channels.
    #[schemars(
        example = &"auto",
        extend(
            "x-effect" = AfterRestart,
            "x-default" = "`\"auto\"` with a master key, else `\"blind\"`",
            "x-see" = "security.md"
        )
    )]
    pub mode: Option<RawMode>,
    /// Derivation of a channel's shared secret from the master key.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "keys.md#remove-a-member-from-a-channel"))]
    pub derivation: RawDerivation,
    /// Padding of JSON before it is sealed, so that its size says less.
    #[schemars(extend("x-effect" = AtOnce))]
    pub padding: Padding,
    /// Prefix of the names to publish on. Events for `private-sealed-NAME` are sealed and delivered
    /// on `private-encrypted-NAME`. Empty: off.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "publishing.md"))]
    pub sealing_alias: String,
    /// Allow one event to name encrypted and other channels. The others get it in clear.
    #[schemars(extend("x-effect" = AtOnce))]
    pub allow_mixed: bool,
    /// Clients may send events that begin with `client-` to other members.
    #[schemars(extend("x-effect" = AtOnce))]
    pub client_events: bool,
    /// Tell subscribers how many they are. Above 100 subscribers at most once in 5 seconds.
    #[schemars(extend("x-effect" = AtOnce))]
    pub subscription_count: bool,
    /// Tell users when the users on their watchlist come online and go offline.
    #[schemars(extend("x-effect" = AtOnce))]
    pub watchlist: bool,
    /// Pages that may connect and ask the auth endpoints. Empty: any page may connect, and no page of
    /// another origin may ask.
    #[schemars(
        example = ["https://shop.example.com"],
        extend("x-effect" = ForNewConnections, "x-see" = "configuration.md#allow-origins")
    )]
    pub origins: Vec<String>,
    /// Pages of the listed `origins` may call the signed API. Such a page holds the secret, and so
    /// does everybody who opens it: for demonstrations only.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "client-api.md"))]
    pub api_cors: bool,
    /// The authorizer behind the server's own auth endpoints.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "authorization.md"))]
    pub authorizer: RawAuthorizer,
    /// Secret of tokens with an HMAC.
    #[serde(skip_serializing)]
    #[schemars(
        with = "Option<SecretText>",
        example = "token-secret",
        extend("x-effect" = AtOnce, "x-default" = "the secret of the app")
    )]
    pub jwt_secret: Option<SecretString>,
    /// File with this secret.
    #[schemars(example = "/run/secrets/shop_jwt_secret", extend("x-effect" = AtOnce))]
    pub jwt_secret_file: Option<PathBuf>,
    /// Refusals give their reasons, to strangers too: for development. `--dev` sets it.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "troubleshooting.md"))]
    pub explain: bool,
    /// Close connections (4009) that neither sign in nor join an authorized channel in time.
    #[schemars(extend("x-effect" = ForNewConnections))]
    pub authorized_connections: bool,
    /// This time.
    #[schemars(
        range(min = 1, max = YEAR),
        extend("x-effect" = ForNewConnections, "x-unit" = "seconds")
    )]
    pub authorization_timeout_seconds: u64,
    /// Verification of tokens, for the authorizer `"jwt"`.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "authorization.md"))]
    pub jwt: RawJwt,
    /// Channels of a token, for the authorizer `"jwt"`. The first matching rule decides.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "authorization.md#write-rules"))]
    pub rules: Vec<RawRule>,
    /// The deciding application, for the authorizer `"forward"`.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "authorization.md#ask-your-application"))]
    pub forward: Option<RawForward>,
    /// Move of subscribers to another master key.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "keys.md#rotate-a-key"))]
    pub rotation: Rotation,
    /// Settings of channels by pattern. Each setting of a channel comes from the first entry with a
    /// matching pattern and this setting.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "configuration.md#set-up-channels"))]
    pub channels: Vec<RawChannelEntry>,
    /// Receivers of events about channels.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "webhooks.md"))]
    pub webhooks: Vec<RawWebhook>,
    /// Limits of the app. They have errors of their own.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "limits.md#app-limits"))]
    pub limits: Limits,
}

impl Default for RawApp {
    fn default() -> Self {
        Self {
            key: None,
            secret: None,
            secret_file: None,
            master_key: None,
            master_key_file: None,
            allow_shared_master_key: false,
            enabled: true,
            dialect: Dialect::default(),
            mode: None,
            derivation: RawDerivation::default(),
            padding: Padding::default(),
            sealing_alias: SealingAlias::DEFAULT.to_owned(),
            allow_mixed: false,
            client_events: false,
            subscription_count: false,
            watchlist: false,
            origins: Vec::new(),
            api_cors: false,
            authorizer: RawAuthorizer::default(),
            jwt_secret: None,
            jwt_secret_file: None,
            explain: false,
            authorized_connections: false,
            authorization_timeout_seconds: 30,
            jwt: RawJwt::default(),
            rules: Vec::new(),
            forward: None,
            rotation: Rotation::default(),
            channels: Vec::new(),
            webhooks: Vec::new(),
            limits: Limits::default(),
        }
    }
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum RawDerivation {
    /// As the official SDKs do.
    #[default]
    Pusher,
    /// As pusher-http-dotnet does, with an HMAC.
    Dotnet,
    /// Revocable secrets, from this server's auth endpoint alone. Needs a persistent state directory.
    Hkdf,
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum RawAuthorizer {
    /// Your backend authorizes. The endpoints take access tokens only.
    #[default]
    Deny,
    /// Admit every client as any user: for development.
    Open,
    /// Signed tokens decide, by `rules` or by their claim `channels`.
    Jwt,
    /// Your application decides, at a URL of its own.
    Forward,
}
