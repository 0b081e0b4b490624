//! Who may join which channel, decided for the auth endpoints. What it grants is signed there;
//! nothing of this runs on the path of a socket.

pub mod access;
pub mod claims;
pub mod forward;
pub mod http;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod revoked;
pub mod rules;
pub mod signed_id;
pub mod template;
mod times;

use std::sync::Arc;

pub use jwt::JwtAuthorizer;
pub use rules::Abilities;

use access::TokenId;
use forward::ForwardAuthorizer;

use crate::{
    channel::{Access, Channel},
    clock::{KnownAsOf, ServerClock},
    crypto::keytable::UnixSeconds,
    ids::SocketId,
    protocol::json,
    refusal::RefusalCode,
};

/// A closed set, so an enum: what decides is a matter of configuration, not of extension.
pub enum Authorizer {
    /// Nobody, through this server; the application's own backend may sign all the same.
    Deny,
    /// Everybody, as whoever they say they are: for development.
    Open,
    Jwt(Box<JwtAuthorizer>),
    /// The application, at a URL of its own.
    Forward(Box<ForwardAuthorizer>),
}

/// What a client shows of itself.
#[derive(Default)]
pub struct Credentials {
    pub bearer: Option<String>,
    /// Of the cookie that the authorizer reads, once it is sure that a page of the application sent it.
    pub cookie: Option<String>,
    /// Of the page.
    pub origin: Option<String>,
    /// Headers that the authorizer passes on, by their names in lower case.
    pub passed: Vec<(String, String)>,
    /// Believed by `Open` alone.
    pub claimed_user_id: Option<String>,
    /// JSON text.
    pub claimed_user_info: Option<String>,
}

/// What an authorizer wants to see of a request, beside `Authorization: Bearer`.
#[derive(Default)]
pub struct Reads<'a> {
    /// A cookie with a token.
    pub cookie: Option<&'a str>,
    /// Headers and cookies that are passed on.
    pub headers: &'a [String],
    pub cookies: &'a [String],
}

impl Reads<'_> {
    pub fn any_cookie(&self) -> bool {
        self.cookie.is_some() || !self.cookies.is_empty()
    }
}

/// Whom a request speaks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    pub user_id: String,
    pub user_info: Option<serde_json::Value>,
    pub watchlist: Vec<String>,
}

/// That a client may join a channel, whoever decided it.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// Of a presence channel.
    pub member: Option<Identity>,
    /// Whom the client speaks for, where that is known.
    pub user_id: Option<String>,
    /// A user who has been taken off the channel later than this stays off.
    pub as_of: KnownAsOf,
    /// When the subscription ends, in seconds since 1970.
    pub expires: Option<u64>,
    pub abilities: Abilities,
    /// The access token that it is for, whose revocation ends it.
    pub token: Option<TokenId>,
    /// The rule that decided, as it is written.
    pub rule: Option<Arc<str>>,
}

impl Grant {
    fn of_user(user_id: Option<String>, as_of: KnownAsOf) -> Self {
        Self {
            member: None,
            user_id,
            as_of,
            expires: None,
            abilities: Abilities::ALL,
            token: None,
            rule: None,
        }
    }
}

/// That a client may be a user.
#[derive(Debug, PartialEq, Eq)]
pub struct SignIn {
    pub identity: Identity,
    /// The access token that it is for.
    pub token: Option<TokenId>,
}

impl From<Identity> for SignIn {
    fn from(identity: Identity) -> Self {
        Self { identity, token: None }
    }
}

/// That nothing is granted.
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
    /// A header that a page sets on purpose comes before a cookie, which browsers add by themselves.
    pub fn token(&self) -> Option<&str> {
        self.bearer.as_deref().or(self.cookie.as_deref())
    }
}

impl Authorizer {
    /// As the configuration calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Open => "open",
            Self::Jwt(_) => "jwt",
            Self::Forward(_) => "forward",
        }
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::Deny | Self::Open => Reads::default(),
            Self::Jwt(jwt) => Reads { cookie: jwt.cookie.as_deref(), ..Reads::default() },
            Self::Forward(forward) => {
                let settings = &forward.settings;
                Reads { headers: &settings.headers, cookies: &settings.cookies, cookie: None }
            }
        }
    }

    /// `async` because deciding may mean asking somebody else.
    pub async fn channel(
        &self,
        credentials: &Credentials,
        socket_id: SocketId,
        channel: &Channel,
        clock: &ServerClock,
    ) -> Result<Grant, Denied> {
        match self {
            Self::Deny => Err(denied_by_default()),
            Self::Open => {
                let presence = channel.access() == Access::Presence;
                let guest = || format!("guest-{socket_id}");
                let member = presence.then(|| claimed(credentials, guest)).transpose()?;
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
    ) -> Result<Identity, Denied> {
        match self {
            Self::Deny => Err(denied_by_default()),
            Self::Open if credentials.claimed_user_id.is_none() => {
                Err(Denied::new(RefusalCode::MissingUserId, "signing in needs a user_id parameter"))
            }
            Self::Open => claimed(credentials, String::new),
            Self::Jwt(jwt) => jwt.user(credentials, clock.now()).await,
            Self::Forward(forward) => forward.user(credentials, socket_id, clock).await,
        }
    }

    /// Drops the answers that are kept for a user whom the application has just shut out of something.
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

fn claimed(
    credentials: &Credentials,
    otherwise: impl FnOnce() -> String,
) -> Result<Identity, Denied> {
    let info = credentials.claimed_user_info.as_deref().map(json::value).transpose();
    let invalid =
        |e| Denied::new(RefusalCode::InvalidUserInfo, format!("user_info is not JSON: {e}"));
    Ok(Identity {
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
            Authorizer::Deny.channel(&credentials, id, &channel("private-a"), &clock).await;
        assert_eq!(denied.unwrap_err().code, RefusalCode::NotAuthorizedHere);
        let denied = Authorizer::Deny.user(&credentials, id, &clock).await;
        assert_eq!(denied.unwrap_err().code, RefusalCode::NotAuthorizedHere);
    }

    #[actix_web::test]
    async fn open_believes_what_it_is_told() {
        let (id, clock) = ("1.2".parse().unwrap(), ServerClock::default());
        let nobody = Credentials::default();
        let grant =
            Authorizer::Open.channel(&nobody, id, &channel("presence-a"), &clock).await.unwrap();
        assert_eq!(grant.member.unwrap().user_id, "guest-1.2");
        let grant =
            Authorizer::Open.channel(&nobody, id, &channel("private-a"), &clock).await.unwrap();
        assert_eq!((grant.member, grant.user_id), (None, None));
        assert!(Authorizer::Open.user(&nobody, id, &clock).await.is_err());
        let somebody = Credentials { claimed_user_id: Some("7".into()), ..Credentials::default() };
        assert_eq!(Authorizer::Open.user(&somebody, id, &clock).await.unwrap().user_id, "7");
    }

    #[test]
    fn a_header_comes_before_a_cookie() {
        let both = Credentials {
            bearer: Some("b".into()),
            cookie: Some("c".into()),
            ..Credentials::default()
        };
        assert_eq!(both.token(), Some("b"));
        assert_eq!(Credentials { bearer: None, ..both }.token(), Some("c"));
    }
}
