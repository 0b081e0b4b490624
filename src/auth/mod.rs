//! Authorization decisions for the auth endpoints, where grants are then signed. Nothing here runs
//! on the path of a socket.

pub mod abilities;
pub mod access;
pub mod claims;
pub mod forward;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod revoked;
pub mod rules;
pub mod signed_id;
pub mod template;
pub mod tickets;
mod times;

use std::sync::Arc;

pub use abilities::{Abilities, Ability};
pub use jwt::JwtAuthorizer;

use access::TokenId;
use forward::ForwardAuthorizer;

use crate::{
    domain::{channel::Channel, ids::SocketId, refusal::RefusalCode, time::UnixSeconds},
    platform::clock::{KnownAsOf, ServerClock},
    protocol::json,
};

/// A closed set, so an enum: authorizers are a matter of configuration, not of extension.
pub enum Authorizer {
    /// Denies all requests. The app's backend may still sign.
    Deny,
    /// Grants everything, to any claimed user: for development.
    Open,
    Jwt(Box<JwtAuthorizer>),
    /// Asks the app, at its own URL.
    Forward(Box<ForwardAuthorizer>),
}

/// Credentials sent by a client.
#[derive(Default)]
pub struct Credentials {
    pub bearer: Option<String>,
    /// Token from the configured cookie, once a page of the app is known to have sent it.
    pub cookie: Option<String>,
    /// Origin of the page.
    pub origin: Option<String>,
    /// Headers to forward, by lower-case name.
    pub passed: Vec<(String, String)>,
    /// Trusted by `Open` alone.
    pub claimed_user_id: Option<String>,
    /// JSON text.
    pub claimed_user_info: Option<String>,
}

/// The parts of a request an authorizer reads, beside `Authorization: Bearer`.
#[derive(Default)]
pub struct CredentialSources<'a> {
    /// Cookie with a token.
    pub cookie: Option<&'a str>,
    /// Headers and cookies to forward.
    pub headers: &'a [String],
    pub cookies: &'a [String],
}

impl CredentialSources<'_> {
    pub fn any_cookie(&self) -> bool {
        self.cookie.is_some() || !self.cookies.is_empty()
    }
}

/// The user behind a request.
#[derive(Debug, PartialEq, Eq)]
pub struct UserIdentity {
    pub user_id: String,
    pub user_info: Option<serde_json::Value>,
    pub watchlist: Vec<String>,
}

impl UserIdentity {
    fn text_bytes(&self) -> usize {
        let info = self.user_info.as_ref().map_or(0, |info| info.to_string().len());
        self.user_id.len() + info + self.watchlist.iter().map(String::len).sum::<usize>()
    }
}

/// Permission to use a channel, as far as its abilities go.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// The member, on presence channels.
    pub member: Option<UserIdentity>,
    /// The client's user, if known.
    pub user_id: Option<String>,
    /// Time as of which the decision is valid: a later revocation overrides it.
    pub as_of: KnownAsOf,
    /// End of the subscription, in seconds since 1970.
    pub expires: Option<u64>,
    pub abilities: Abilities,
    /// The access token behind it; revoking the token ends the subscription.
    pub token: Option<TokenId>,
    /// The matching rule, as configured.
    pub rule: Option<Arc<str>>,
}

impl Grant {
    /// For a public channel, which all clients may join.
    pub const PUBLIC: Self = Self {
        member: None,
        user_id: None,
        as_of: KnownAsOf::NEVER,
        expires: None,
        abilities: Abilities::SUBSCRIBE,
        token: None,
        rule: None,
    };

    /// Bytes of its texts.
    pub fn text_bytes(&self) -> usize {
        let token = self.token.as_ref().map_or(0, |token| token.jti.len() + token.user.len());
        let member = self.member.as_ref().map_or(0, UserIdentity::text_bytes);
        token + member + self.user_id.as_ref().map_or(0, String::len)
    }

    /// The same, on a channel that all clients may join.
    pub fn with_public(self) -> Self {
        Self { abilities: self.abilities.and(Ability::Subscribe), ..self }
    }

    /// The same grant, if it has the ability.
    pub fn with(self, ability: Ability, channel: &Channel) -> Result<Self, Denied> {
        if self.abilities.allows(ability) {
            return Ok(self);
        }
        let message = format!("the authorization for {channel} does not include {ability:?}");
        Err(Denied::new(RefusalCode::AbilityMissing, message))
    }

    fn of_user(user_id: Option<String>, as_of: KnownAsOf) -> Self {
        Self {
            member: None,
            user_id,
            as_of,
            expires: None,
            abilities: Abilities::LEGACY,
            token: None,
            rule: None,
        }
    }
}

/// Permission to sign in as a user.
#[derive(Debug, PartialEq, Eq)]
pub struct SignIn {
    pub identity: UserIdentity,
    /// The access token behind it.
    pub token: Option<TokenId>,
}

impl From<UserIdentity> for SignIn {
    fn from(identity: UserIdentity) -> Self {
        Self { identity, token: None }
    }
}

/// A denial.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Denied {
    pub code: RefusalCode,
    pub message: String,
}

impl Denied {
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Credentials {
    /// A header is set on purpose, while browsers add cookies by themselves: it takes precedence.
    pub fn token(&self) -> Option<&str> {
        self.bearer.as_deref().or(self.cookie.as_deref())
    }
}

impl Authorizer {
    /// Name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Open => "open",
            Self::Jwt(_) => "jwt",
            Self::Forward(_) => "forward",
        }
    }

    pub fn reads(&self) -> CredentialSources<'_> {
        match self {
            Self::Deny | Self::Open => CredentialSources::default(),
            Self::Jwt(jwt) => {
                CredentialSources { cookie: jwt.cookie.as_deref(), ..CredentialSources::default() }
            }
            Self::Forward(forward) => {
                let settings = &forward.settings;
                CredentialSources {
                    headers: &settings.headers,
                    cookies: &settings.cookies,
                    cookie: None,
                }
            }
        }
    }

    /// `async` because the decision may need another server. Requests of the client API have no
    /// socket id.
    pub async fn channel(
        &self,
        credentials: &Credentials,
        socket_id: Option<SocketId>,
        channel: &Channel,
        clock: &ServerClock,
    ) -> Result<Grant, Denied> {
        match self {
            Self::Deny => Err(denied_by_default()),
            Self::Open => {
                let guest = || socket_id.map_or_else(|| "guest".into(), |id| format!("guest-{id}"));
                let named = channel.kind().has_members();
                let member = named.then(|| claimed_identity(credentials, guest)).transpose()?;
                Ok(Grant {
                    member,
                    ..Grant::of_user(credentials.claimed_user_id.clone(), KnownAsOf::NEVER)
                })
            }
            Self::Jwt(jwt) => jwt.channel(credentials, channel, clock.now()).await,
            Self::Forward(forward) => forward.channel(credentials, socket_id, channel, clock).await,
        }
    }

    pub async fn user(
        &self,
        credentials: &Credentials,
        socket_id: SocketId,
        clock: &ServerClock,
    ) -> Result<UserIdentity, Denied> {
        match self {
            Self::Deny => Err(denied_by_default()),
            Self::Open if credentials.claimed_user_id.is_none() => {
                Err(Denied::new(RefusalCode::MissingUserId, "signing in needs a user_id parameter"))
            }
            Self::Open => claimed_identity(credentials, String::new),
            Self::Jwt(jwt) => jwt.user(credentials, clock.now()).await,
            Self::Forward(forward) => forward.user(credentials, socket_id, clock).await,
        }
    }

    /// Drops cached decisions about a user whose access was just revoked.
    pub fn forget(&self, user: &str, revoked_at: UnixSeconds) {
        match self {
            Self::Forward(forward) => forward.forget(user, revoked_at),
            Self::Deny | Self::Open | Self::Jwt(_) => {}
        }
    }
}

fn denied_by_default() -> Denied {
    Denied::new(
        RefusalCode::NotAuthorizedHere,
        "this application authorizes nobody here but bearers of its access tokens: set its authorizer (\"jwt\", \"forward\", or \"open\" for development), or use an auth endpoint of your own backend",
    )
}

fn claimed_identity(
    credentials: &Credentials,
    otherwise: impl FnOnce() -> String,
) -> Result<UserIdentity, Denied> {
    let info = credentials.claimed_user_info.as_deref().map(json::value).transpose();
    let invalid =
        |e| Denied::new(RefusalCode::InvalidUserInfo, format!("user_info is not JSON: {e}"));
    Ok(UserIdentity {
        user_id: credentials.claimed_user_id.clone().unwrap_or_else(otherwise),
        user_info: info.map_err(invalid)?,
        watchlist: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Channel {
        Channel::parse(name, 200).unwrap()
    }

    #[actix_web::test]
    async fn deny_is_the_default_answer() {
        let (credentials, id) = (Credentials::default(), "1.2".parse().unwrap());
        let clock = ServerClock::default();
        let denied =
            Authorizer::Deny.channel(&credentials, Some(id), &channel("private-a"), &clock).await;
        assert_eq!(denied.unwrap_err().code, RefusalCode::NotAuthorizedHere);
        let denied = Authorizer::Deny.user(&credentials, id, &clock).await;
        assert_eq!(denied.unwrap_err().code, RefusalCode::NotAuthorizedHere);
    }

    #[actix_web::test]
    async fn open_accepts_the_given_user() {
        let (id, clock) = ("1.2".parse().unwrap(), ServerClock::default());
        let nobody = Credentials::default();
        let granted = async |id, name| {
            Authorizer::Open.channel(&nobody, id, &channel(name), &clock).await.unwrap()
        };
        assert_eq!(granted(Some(id), "presence-a").await.member.unwrap().user_id, "guest-1.2");
        assert_eq!(granted(None, "presence-a").await.member.unwrap().user_id, "guest");
        let grant = granted(Some(id), "private-a").await;
        assert_eq!((grant.member, grant.user_id), (None, None));
        assert_eq!(grant.abilities, Abilities::LEGACY, "open or not");
        assert!(Authorizer::Open.user(&nobody, id, &clock).await.is_err());
        let somebody = Credentials { claimed_user_id: Some("7".into()), ..Credentials::default() };
        assert_eq!(Authorizer::Open.user(&somebody, id, &clock).await.unwrap().user_id, "7");
    }

    #[test]
    fn header_wins_over_cookie() {
        let both = Credentials {
            bearer: Some("b".into()),
            cookie: Some("c".into()),
            ..Credentials::default()
        };
        assert_eq!(both.token(), Some("b"));
        assert_eq!(Credentials { bearer: None, ..both }.token(), Some("c"));
    }
}
