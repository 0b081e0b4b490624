//! Grants for the auth endpoint. The worker with the connection is asked, which may be one of another
//! node: it knows if the connection is alive, and which secret its subscription has (encryption.md
//! 5.2).

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{AppRuntime, Engine, cluster::RemoteAnswerGuard};
use crate::{
    auth::revoked::{TokenRevocation, TokenRevocationError},
    crypto::{keytable::Version, secret::SharedSecret},
    domain::{channel::Channel, ids::SocketId, refusal::RefusalCode, time::UnixSeconds},
    hub::{
        Hub,
        authorization_cache::AuthorizationScope,
        mailbox::{
            FoundReader, KeyRequest, KeyRequestError, ReaderRequest, RequestedChannel, ResolvedKey,
            RevokeTokens, WorkerCommand,
        },
        record::TopicId,
    },
    platform::clock::KnownAsOf,
};

#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error(transparent)]
    Connection(#[from] KeyRequestError),
    #[error("the secret of the channel has just been replaced; ask again")]
    Replaced,
    #[error("the server has too much to do to answer; ask again")]
    Busy,
    #[error(
        "the server cannot reach its cluster, and gives no secrets that may have been taken back; ask again"
    )]
    CutOff,
}

impl GrantError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Connection(KeyRequestError::UnknownSocket) => RefusalCode::UnknownSocket,
            Self::Connection(KeyRequestError::TooMany) => RefusalCode::TooManyAuthorizations,
            Self::Connection(KeyRequestError::TokenRevoked) => RefusalCode::TokenRevoked,
            Self::Connection(KeyRequestError::Revoked) => RefusalCode::Revoked,
            Self::Replaced => RefusalCode::SecretReplaced,
            Self::Busy => RefusalCode::Overloaded,
            Self::CutOff => RefusalCode::ClusterAway,
        }
    }
}

/// A granted authorization, ready to be signed.
pub struct ConnectionGrant {
    /// The shared secret, if this server seals the channel.
    pub secret: Option<SharedSecret>,
    pub answer_guard: Option<AnswerSentGuard>,
    /// The user of the grant. A later request without a user keeps it.
    pub user: Option<Arc<str>>,
}

/// A channel for which a client was authorized.
#[derive(Clone)]
pub struct AskedChannel<'a> {
    pub channel: &'a Channel,
    pub user: Option<Arc<str>>,
    pub as_of: KnownAsOf,
    pub scope: AuthorizationScope,
}

/// What the worker of the connection has resolved.
pub struct Granted {
    pub version: Version,
    pub answer_guard: Option<AnswerSentGuard>,
    pub user: Option<Arc<str>>,
}

/// On drop, tells the worker that the auth response has been built. The gate holds frames back
/// until then.
pub struct AnswerSentGuard {
    _guard: GuardPlace,
}

/// Where the connection is.
enum GuardPlace {
    Here { _guard: LocalAnswerGuard },
    OtherNode { _guard: RemoteAnswerGuard },
}

struct LocalAnswerGuard {
    hub: Arc<Hub>,
    socket: SocketId,
    topic: TopicId,
}

impl From<LocalAnswerGuard> for AnswerSentGuard {
    fn from(guard: LocalAnswerGuard) -> Self {
        Self { _guard: GuardPlace::Here { _guard: guard } }
    }
}

impl From<RemoteAnswerGuard> for AnswerSentGuard {
    fn from(guard: RemoteAnswerGuard) -> Self {
        Self { _guard: GuardPlace::OtherNode { _guard: guard } }
    }
}

impl Drop for LocalAnswerGuard {
    fn drop(&mut self) {
        self.hub.post_to(
            self.socket,
            WorkerCommand::AuthAnswered { socket: self.socket, topic: self.topic },
        );
    }
}

/// Timeout of the worker's answer, which takes one turn of its mailbox.
const WORKER_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    /// Checks that the connection exists; returns the shared secret if this server seals the
    /// channel.
    pub async fn grant(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        channel: &Channel,
        user: Option<Arc<str>>,
        as_of: KnownAsOf,
        scope: AuthorizationScope,
    ) -> Result<ConnectionGrant, GrantError> {
        if self.withholds_secret(runtime, channel) {
            return Err(GrantError::CutOff);
        }
        let ring = runtime.ring(channel);
        let asked = AskedChannel { channel, user, as_of, scope };
        let Granted { version, answer_guard, user } =
            self.grant_on_its_node(runtime, socket, asked).await?;
        let Some(ring) = ring else {
            return Ok(ConnectionGrant { secret: None, answer_guard, user });
        };
        let secret = ring.secret(channel, version).filter(|_| ring.serves(channel, version));
        Ok(ConnectionGrant {
            secret: Some(secret.ok_or(GrantError::Replaced)?),
            answer_guard,
            user,
        })
    }

    pub(super) async fn grant_here(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        asked: AskedChannel<'_>,
    ) -> Result<Granted, GrantError> {
        let resolved = self.resolve_here(runtime, socket, &asked).await?;
        let ResolvedKey { version, held_topic, user } = resolved;
        let guard = |topic| LocalAnswerGuard { hub: self.hub.clone(), socket, topic }.into();
        Ok(Granted { version, answer_guard: held_topic.map(guard), user })
    }

    pub(super) async fn resolve_here(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        asked: &AskedChannel<'_>,
    ) -> Result<ResolvedKey, GrantError> {
        let AskedChannel { channel, user, as_of, scope } = asked.clone();
        let requested = self.requested_channel(runtime, channel, user, as_of, scope);
        self.ask_worker(runtime, socket, Some(requested)).await
    }

    /// The authorization as its worker records it.
    pub fn requested_channel(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        user: Option<Arc<str>>,
        as_of: KnownAsOf,
        scope: AuthorizationScope,
    ) -> RequestedChannel {
        RequestedChannel {
            name: channel.name().clone(),
            topic: runtime.directory.find(channel.name()).map(|record| record.topic()),
            target: runtime.ring(channel).map(|ring| ring.target(channel)),
            user,
            as_of,
            scope,
            revoked: runtime.app().access.revoked.clone(),
        }
    }

    pub(super) async fn check_connection_here(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
    ) -> Result<(), GrantError> {
        self.ask_worker(runtime, socket, None).await.map(|_| ())
    }

    pub(super) async fn find_reader_here(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        channel: &Channel,
    ) -> Result<FoundReader, GrantError> {
        let (answer, answered) = oneshot::channel();
        let (channel, runtime) = (channel.name().clone(), runtime.rekey_policy.runtime);
        let ask = ReaderRequest { runtime, socket, channel, answer };
        self.hub.post_to(socket, WorkerCommand::FindReader(ask));
        received(answered).await
    }

    /// Ends every subscription on this node that was granted to these access tokens and refuses the
    /// tokens from now on, then writes the revocation to disk.
    pub fn revoke_tokens(
        &self,
        runtime: &AppRuntime,
        which: TokenRevocation,
    ) -> Result<(), TokenRevocationError> {
        self.revoke_tokens_at(runtime, which, self.clock.now().latest)?;
        Ok(self.write_tokens(runtime)?)
    }

    /// The same before it is written. False if it was in force already.
    pub(super) fn revoke_tokens_at(
        &self,
        runtime: &AppRuntime,
        which: TokenRevocation,
        at: UnixSeconds,
    ) -> Result<bool, TokenRevocationError> {
        let (app, now) = (runtime.app_snapshot(), self.clock.now());
        if !app.access.revoked.revoke(&which, at, now)? {
            return Ok(false);
        }
        if let TokenRevocation::User(user) = &which {
            app.authorizer.forget(user, at);
        }
        // The list must contain the revocation before this command is posted: a worker asked for a
        // grant in between looks there.
        let revoke = RevokeTokens { runtime: runtime.rekey_policy.runtime, which, at };
        self.hub.post_to_all(|| WorkerCommand::RevokeTokens(revoke.clone()));
        Ok(true)
    }

    async fn ask_worker(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        channel: Option<RequestedChannel>,
    ) -> Result<ResolvedKey, GrantError> {
        let (answer, answered) = oneshot::channel();
        let ask = KeyRequest { runtime: runtime.rekey_policy.runtime, socket, channel, answer };
        self.hub.post_to(socket, WorkerCommand::ResolveKey(ask));
        received(answered).await
    }
}

async fn received<T>(
    answered: oneshot::Receiver<Result<T, KeyRequestError>>,
) -> Result<T, GrantError> {
    let answer =
        tokio::time::timeout(WORKER_TIMEOUT, answered).await.map_err(|_| GrantError::Busy)?;
    // A worker that does not exist drops the sender: the socket id is forged.
    Ok(answer.unwrap_or(Err(KeyRequestError::UnknownSocket))?)
}
