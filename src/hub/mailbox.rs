//! Worker commands, and the mailbox of each worker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{
    authorization_cache::{AuthorizationScope, EndReason},
    channel_opener::WaitingSubscription,
    connections::OperatorRequest,
    record::TopicId,
    rekey::rekey_policy::AppRuntimeId,
};
use crate::{
    auth::revoked::{RevokedTokens, TokenRevocation},
    crypto::{keytable::Version, resealer::Resealer},
    domain::{ids::SocketId, time::UnixSeconds},
    platform::clock::KnownAsOf,
    protocol::{code::Close, content::Content, frame::Frame, sealed::SealedFrames},
};

pub enum WorkerCommand {
    Deliver(TopicDelivery),
    /// Events of the topic's log are gone: for subscribers that are told positions.
    Gap {
        topic: TopicId,
        frame: Frame,
        /// See `TopicDelivery`.
        sequence: u64,
    },
    /// The channel has another target version.
    Rekey(Rekey),
    /// The auth endpoint asks which secret a client needs.
    ResolveKey(KeyRequest),
    /// A request of the client API names a connection of its user.
    FindReader(ReaderRequest),
    /// The auth response has been built.
    AuthAnswered {
        socket: SocketId,
        topic: TopicId,
    },
    /// The auth request was refused.
    AuthRefused {
        socket: SocketId,
        topic: TopicId,
    },
    /// Closes the app's subscribers with a pending rekey.
    CloseStragglers {
        runtime: AppRuntimeId,
    },
    /// Closes the subscribers of a key that is about to be retired, one by one, at `by` at the
    /// latest.
    CloseKeyUsers {
        runtime: AppRuntimeId,
        key: u32,
        by: Instant,
    },
    /// The channel of a waiting subscription is open.
    Opened(WaitingSubscription),
    /// The channel has no room for the member of a waiting subscription.
    ChannelFull(WaitingSubscription),
    /// Ends the authorizations of revoked access tokens.
    RevokeTokens(RevokeTokens),
    /// Ends every subscription to the topic.
    End {
        topic: TopicId,
        channel: Arc<str>,
        why: EndReason,
    },
    /// Closes the topic's connections that were opened before: their user was terminated.
    CloseTopic {
        topic: TopicId,
        opened_before: Instant,
    },
    /// Closes the app's connections accepted before this command. The app was removed; if it has
    /// come back since, its new connections stay.
    CloseApp {
        runtime: AppRuntimeId,
        number: u32,
        reason: Close,
    },
    /// Closes every connection of the worker, spread over `over`.
    Drain {
        over: Duration,
    },
    /// Ends an event stream: another one of its ticket was opened.
    ReplaceStream {
        socket: SocketId,
    },
    /// Closes one connection, during a drain.
    CloseSocket {
        socket: SocketId,
        at_once: bool,
    },
    /// An operator asks for connections, or ends one.
    ForOperator(OperatorRequest),
}

/// An event for the subscribers of a topic.
#[derive(Clone)]
pub struct TopicDelivery {
    pub topic: TopicId,
    pub content: Content,
    /// The number of this frame on its channel. A subscriber skips frames that are not newer than
    /// the state it was answered with.
    pub sequence: u64,
    pub except: Option<SocketId>,
    pub audience: Audience,
    /// When a timed event was accepted.
    pub accepted: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    All,
    /// Java clients of protocol 5 try to decrypt every frame of an encrypted channel but the
    /// success frame (protocol.md 2.6).
    NotLegacyJava,
}

#[derive(Clone)]
pub struct Rekey {
    pub topic: TopicId,
    /// The nudge, for subscribers without an event that would make them ask.
    pub nudge: SealedFrames,
    pub target: Version,
    /// The channel's sequence number at the change.
    pub since: u64,
    pub forced: Option<ForcedRekey>,
    /// Reseals buffered events from the last target, for a forced rekey.
    pub resealer: Option<Arc<Resealer>>,
}

/// A forced rekey: no frame is sealed with an earlier secret any more; all subscribers rekey at
/// once, or reconnect.
#[derive(Clone, Default)]
pub struct ForcedRekey {
    /// The revoked users, each with the topic of the connections signed in as that user.
    pub revoked: Vec<(Arc<str>, Option<TopicId>)>,
}

pub struct KeyRequest {
    pub runtime: AppRuntimeId,
    pub socket: SocketId,
    /// `None` to ask only whether the connection exists.
    pub channel: Option<RequestedChannel>,
    pub answer: oneshot::Sender<Result<ResolvedKey, KeyRequestError>>,
}

/// Asks for the authorization of a connection for a channel, and changes nothing.
pub struct ReaderRequest {
    pub runtime: AppRuntimeId,
    pub socket: SocketId,
    pub channel: Arc<str>,
    pub answer: oneshot::Sender<Result<FoundReader, KeyRequestError>>,
}

/// A live connection. Both are `None` if our auth endpoint recorded no authorization.
#[derive(Default)]
pub struct FoundReader {
    /// The version of its secret, on a channel that is sealed here.
    pub version: Option<Version>,
    pub user: Option<Arc<str>>,
}

pub struct ResolvedKey {
    /// The version of the secret to issue.
    pub version: Version,
    /// The topic on which frames are held back until the auth response has been built.
    pub held_topic: Option<TopicId>,
    /// The user of the question; of an earlier one on the connection where it names none.
    pub user: Option<Arc<str>>,
}

#[derive(Clone)]
pub struct RevokeTokens {
    pub runtime: AppRuntimeId,
    pub which: TokenRevocation,
    pub at: UnixSeconds,
}

/// A channel for which the client was authorized.
pub struct RequestedChannel {
    pub name: Arc<str>,
    /// `None` if the channel has no record.
    pub topic: Option<TopicId>,
    /// The target version, for a channel that is sealed here.
    pub target: Option<Version>,
    /// The user, if the authorizer names one.
    pub user: Option<Arc<str>>,
    /// The time up to which revocations were considered.
    pub as_of: KnownAsOf,
    pub scope: AuthorizationScope,
    /// Revoked tokens; the list is updated before the worker gets its command.
    pub revoked: Arc<RevokedTokens>,
}

impl RequestedChannel {
    pub fn is_token_revoked(&self) -> bool {
        self.scope.token.as_ref().is_some_and(|token| self.revoked.contains(token))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRequestError {
    #[error("this application has no connection with that socket_id")]
    UnknownSocket,
    #[error("the connection has been authorized for very many channels without joining them")]
    TooMany,
    #[error("the token has been revoked")]
    TokenRevoked,
    #[error(
        "the user of this connection was removed from the channel, and this request names no user: ask with a newer token, or a newer decision of the auth endpoint, that names the user"
    )]
    Revoked,
}

impl WorkerCommand {
    fn bytes(&self) -> usize {
        let frame = match self {
            Self::Deliver(delivery) => delivery.content.bytes(),
            Self::Rekey(rekey) => rekey.nudge.bytes(),
            Self::Gap { frame, .. } => frame.bytes(),
            Self::ResolveKey(_)
            | Self::FindReader(_)
            | Self::AuthAnswered { .. }
            | Self::AuthRefused { .. }
            | Self::CloseStragglers { .. }
            | Self::CloseKeyUsers { .. }
            | Self::Opened(_)
            | Self::ChannelFull(_)
            | Self::RevokeTokens(_)
            | Self::End { .. }
            | Self::CloseTopic { .. }
            | Self::CloseApp { .. }
            | Self::Drain { .. }
            | Self::ReplaceStream { .. }
            | Self::CloseSocket { .. }
            | Self::ForOperator(_) => 0,
        };
        size_of::<Self>() + frame
    }
}

/// Capacity kept for the next commands after a burst.
const KEPT_POSTS: usize = 1024;

pub struct Mailbox {
    posts: Mutex<Vec<WorkerCommand>>,
    bytes: AtomicUsize,
    budget: AtomicUsize,
    arrived: Notify,
}

impl Mailbox {
    pub fn new(budget: usize) -> Self {
        Self {
            posts: Mutex::default(),
            bytes: AtomicUsize::new(0),
            budget: AtomicUsize::new(budget),
            arrived: Notify::new(),
        }
    }

    pub fn set_budget(&self, bytes: usize) {
        self.budget.store(bytes, Ordering::Relaxed);
    }

    pub fn has_room(&self) -> bool {
        self.queued_bytes() < self.budget.load(Ordering::Relaxed)
    }

    pub fn queued_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Accepts the command even over the budget: after `has_room` an event must reach all workers.
    /// The excess is at most the requests of one moment.
    pub fn put(&self, post: WorkerCommand) {
        self.bytes.fetch_add(post.bytes(), Ordering::Relaxed);
        self.posts.lock().push(post);
        self.arrived.notify_one();
    }

    /// Waits for commands and takes all of them, leaving the empty `room` in their place.
    pub async fn take(&self, mut room: Vec<WorkerCommand>) -> Vec<WorkerCommand> {
        room.shrink_to(KEPT_POSTS);
        loop {
            std::mem::swap(&mut *self.posts.lock(), &mut room);
            if !room.is_empty() {
                let bytes = room.iter().map(WorkerCommand::bytes).sum();
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                return room;
            }
            self.arrived.notified().await;
        }
    }
}
