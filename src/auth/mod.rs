//! Who may join which channel, decided for the auth endpoints. What it grants is signed there;
//! nothing of this runs on the path of a socket.

pub mod http;
mod jwt;

pub use jwt::{InvalidToken, JwtAuthorizer};

use crate::{
    channel::{Access, Channel},
    ids::SocketId,
};

/// A closed set, so an enum: what decides is a matter of configuration, not of extension.
pub enum Authorizer {
    /// Nobody, through this server; the application's own backend may sign all the same.
    Deny,
    /// Everybody, as whoever they say they are: for development.
    Open,
    Jwt(Box<JwtAuthorizer>),
}

/// What a client shows of itself.
#[derive(Default)]
pub struct Credentials {
    pub bearer: Option<String>,
    /// Of the cookie that the authorizer reads, once it is sure that a page of the application sent it.
    pub cookie: Option<String>,
    /// Believed by `Open` alone.
    pub claimed_user_id: Option<String>,
    /// JSON text.
    pub claimed_user_info: Option<String>,
}

impl Credentials {
    fn token(&self) -> Option<&str> {
        self.bearer.as_deref().or(self.cookie.as_deref())
    }
}

/// Whom a request speaks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    pub user_id: String,
    pub user_info: Option<serde_json::Value>,
    pub watchlist: Vec<String>,
}

/// That a client may join a channel.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// Of a presence channel.
    pub member: Option<Identity>,
    /// Whom the client speaks for, where that is known.
    pub user_id: Option<String>,
    /// When the client was last known to be welcome, in seconds since 1970. Who has been taken
    /// off a channel later needs a newer word.
    pub as_of: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Denied {
    #[error("{0}")]
    Unauthenticated(String),
    #[error("{0}")]
    Forbidden(String),
    /// What was sent cannot be understood.
    #[error("{0}")]
    Invalid(String),
}

impl Authorizer {
    /// As the configuration calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Open => "open",
            Self::Jwt(_) => "jwt",
        }
    }

    /// The cookie in which it looks for a token.
    pub fn cookie(&self) -> Option<&str> {
        match self {
            Self::Jwt(jwt) => jwt.cookie.as_deref(),
            Self::Deny | Self::Open => None,
        }
    }

    /// `async` because deciding may mean asking somebody else.
    pub async fn channel(
        &self,
        credentials: &Credentials,
        socket_id: SocketId,
        channel: &Channel,
    ) -> Result<Grant, Denied> {
        let presence = channel.access() == Access::Presence;
        match self {
            Self::Deny => Err(denied_by_default()),
            Self::Open => {
                let guest = || format!("guest-{socket_id}");
                Ok(Grant {
                    member: presence.then(|| claimed(credentials, guest)).transpose()?,
                    user_id: credentials.claimed_user_id.clone(),
                    as_of: 0,
                })
            }
            Self::Jwt(jwt) => {
                let token = jwt.verify(credentials.token())?;
                if !token.covers(channel.name()) {
                    return Err(Denied::Forbidden(format!(
                        "the token's \"channels\" do not cover {channel}"
                    )));
                }
                Ok(Grant {
                    member: presence.then(|| token.identity()).transpose()?,
                    user_id: token.user_id(),
                    as_of: token.issued_at(),
                })
            }
        }
    }

    pub async fn user(&self, credentials: &Credentials) -> Result<Identity, Denied> {
        match self {
            Self::Deny => Err(denied_by_default()),
            Self::Open if credentials.claimed_user_id.is_none() => {
                Err(Denied::Unauthenticated("signing in needs a user_id parameter".into()))
            }
            Self::Open => claimed(credentials, String::new),
            Self::Jwt(jwt) => jwt.verify(credentials.token())?.identity(),
        }
    }
}

fn denied_by_default() -> Denied {
    Denied::Forbidden(
        "this application authorizes nobody here: set its authorizer (\"jwt\", or \"open\" for development), or use an auth endpoint of your own backend".into(),
    )
}

fn claimed(
    credentials: &Credentials,
    otherwise: impl FnOnce() -> String,
) -> Result<Identity, Denied> {
    let info = credentials.claimed_user_info.as_deref().map(serde_json::from_str).transpose();
    Ok(Identity {
        user_id: credentials.claimed_user_id.clone().unwrap_or_else(otherwise),
        user_info: info.map_err(|e| Denied::Invalid(format!("user_info is not JSON: {e}")))?,
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
        let denied = Authorizer::Deny.channel(&credentials, id, &channel("private-a")).await;
        assert!(matches!(denied, Err(Denied::Forbidden(_))));
        assert!(matches!(Authorizer::Deny.user(&credentials).await, Err(Denied::Forbidden(_))));
    }

    #[actix_web::test]
    async fn open_believes_what_it_is_told() {
        let id = "1.2".parse().unwrap();
        let nobody = Credentials::default();
        let grant = Authorizer::Open.channel(&nobody, id, &channel("presence-a")).await.unwrap();
        assert_eq!(grant.member.unwrap().user_id, "guest-1.2");
        let grant = Authorizer::Open.channel(&nobody, id, &channel("private-a")).await.unwrap();
        assert_eq!((grant.member, grant.user_id), (None, None));
        assert!(Authorizer::Open.user(&nobody).await.is_err());
        let somebody = Credentials { claimed_user_id: Some("7".into()), ..Credentials::default() };
        assert_eq!(Authorizer::Open.user(&somebody).await.unwrap().user_id, "7");
    }
}
