//! Grants for the auth endpoint. The worker with the connection is asked: it knows if the
//! connection is alive, and which secret its subscription has (encryption.md 5.2).

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{Engine, Tenant};
use crate::{
    auth::revoked::{NotRevoked, Revocation},
    channel::Channel,
    clock::KnownAsOf,
    crypto::secret::SharedSecret,
    hub::{
        Hub,
        directory::TopicId,
        granted::Bounds,
        mailbox::{Answer, Ask, AskError, AskedChannel, Post, RevokeTokens},
    },
    ids::SocketId,
    refusal::RefusalCode,
};

#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error(transparent)]
    Connection(#[from] AskError),
    #[error("the secret of the channel has just been replaced; ask again")]
    Replaced,
    #[error("the server has too much to do to answer; ask again")]
    Busy,
}

impl GrantError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Connection(AskError::UnknownSocket) => RefusalCode::UnknownSocket,
            Self::Connection(AskError::TooMany) => RefusalCode::TooManyAuthorizations,
            Self::Connection(AskError::TokenRevoked) => RefusalCode::TokenRevoked,
            Self::Connection(AskError::Revoked) => RefusalCode::Revoked,
            Self::Replaced => RefusalCode::SecretReplaced,
            Self::Busy => RefusalCode::Overloaded,
        }
    }
}

/// A granted authorization, ready to be signed.
pub struct Granted {
    /// The shared secret, if this server seals the channel.
    pub secret: Option<SharedSecret>,
    pub told: Option<Told>,
    /// For whom it counts: asking once more without a name makes nobody somebody else.
    pub user: Option<Arc<str>>,
}

/// On drop, tells the worker that the auth response has been built. The gate holds frames back
/// until then.
pub struct Told {
    hub: Arc<Hub>,
    socket: SocketId,
    topic: TopicId,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.hub.post_to(self.socket, Post::Told { socket: self.socket, topic: self.topic });
    }
}

/// Timeout of the worker's answer, which takes one turn of its mailbox.
const DEADLINE: Duration = Duration::from_secs(5);

impl Engine {
    /// Checks that the connection exists; returns the shared secret if this server seals the
    /// channel.
    pub async fn grant(
        &self,
        tenant: &Tenant,
        socket: SocketId,
        channel: &Channel,
        user: Option<Arc<str>>,
        as_of: KnownAsOf,
        bounds: Bounds,
    ) -> Result<Granted, GrantError> {
        let ring = tenant.ring(channel);
        let about = AskedChannel {
            name: channel.name().clone(),
            topic: tenant.directory.find(channel.name()).map(|record| record.topic()),
            target: ring.as_ref().map(|ring| ring.target(channel)),
            user,
            as_of,
            bounds,
            revoked: tenant.app().access.revoked.clone(),
        };
        let Answer { version, waits, user } = self.ask(tenant, socket, Some(about)).await?;
        let told = waits.map(|topic| Told { hub: self.hub.clone(), socket, topic });
        let Some(ring) = ring else { return Ok(Granted { secret: None, told, user }) };
        let secret = ring.secret(channel, version).filter(|_| ring.serves(channel, version));
        Ok(Granted { secret: Some(secret.ok_or(GrantError::Replaced)?), told, user })
    }

    pub async fn check_connection(
        &self,
        tenant: &Tenant,
        socket: SocketId,
    ) -> Result<(), GrantError> {
        self.ask(tenant, socket, None).await.map(|_| ())
    }

    /// Ends every subscription granted to these access tokens and refuses the tokens from now on,
    /// then writes the revocation to disk.
    pub fn revoke_tokens(&self, tenant: &Tenant, which: Revocation) -> Result<(), NotRevoked> {
        let (app, now) = (tenant.app_kept(), self.clock.now());
        app.access.revoked.revoke(&which, now)?;
        if let Revocation::User(user) = &which {
            app.authorizer.forget(user, now.latest);
        }
        // The list must contain the revocation before this command is posted: a worker asked for a
        // grant in between looks there.
        let revoke = RevokeTokens { tenant: tenant.terms.tenant, which, at: now.latest };
        self.hub.post_to_all(|| Post::RevokeTokens(revoke.clone()));
        Ok(self.write_tokens(tenant)?)
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        socket: SocketId,
        about: Option<AskedChannel>,
    ) -> Result<Answer, GrantError> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask { tenant: tenant.terms.tenant, socket, about, answer };
        self.hub.post_to(socket, Post::Ask(ask));
        let answer =
            tokio::time::timeout(DEADLINE, answered).await.map_err(|_| GrantError::Busy)?;
        // A worker that does not exist drops the sender: the socket id is forged.
        Ok(answer.unwrap_or(Err(AskError::UnknownSocket))?)
    }
}
