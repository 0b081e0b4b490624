//! What other threads want a worker's sockets to be sent.

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
    directory::TopicId,
    granted::{Bounds, Ended},
    terms::TenantId,
};
use crate::{
    auth::revoked::{Revocation, RevokedTokens},
    clock::KnownAsOf,
    crypto::{
        keytable::{UnixSeconds, Version},
        resealer::Resealer,
    },
    ids::SocketId,
    protocol::{code::Close, sealed::SealedFrames, server::Frame, tripwire},
};

pub enum Post {
    Deliver(Delivery),
    /// The topic's channel is sealed otherwise from here on.
    Rekey(Rekey),
    /// A client asks the auth endpoint for a channel.
    Ask(Ask),
    /// And the answer is on its way.
    Told {
        socket: SocketId,
        topic: TopicId,
    },
    /// Or was refused.
    QuestionRefused {
        socket: SocketId,
        topic: TopicId,
    },
    /// Closes the application's subscribers that have not moved to their channel's secret.
    CloseStragglers {
        tenant: TenantId,
    },
    /// The key is about to be forgotten: who is served with it must reconnect, by and by.
    Retire {
        tenant: TenantId,
        key: u32,
        by: Instant,
    },
    /// Access tokens are good no longer.
    RevokeTokens(RevokeTokens),
    /// Ends every subscription to the topic.
    End {
        topic: TopicId,
        channel: Arc<str>,
        why: Ended,
    },
    /// Closes every connection of the topic: its user was terminated.
    Terminate {
        topic: TopicId,
    },
    /// Closes the connections that the application had before this dismissal: it is served no longer,
    /// or is again, and then those that have come since stay.
    Dismiss {
        tenant: TenantId,
        number: u32,
        reason: Close,
    },
    /// Closes every connection of the worker, by and by.
    Drain {
        over: Duration,
    },
    /// One of them.
    Leave {
        socket: SocketId,
        at_once: bool,
    },
}

/// An event for the subscribers of a topic.
#[derive(Clone)]
pub struct Delivery {
    pub topic: TopicId,
    pub content: Content,
    /// The number of this frame on its channel; subscriptions skip what is not newer than the
    /// state that they were answered with.
    pub sequence: u64,
    pub except: Option<SocketId>,
    pub audience: Audience,
}

#[derive(Clone)]
pub enum Content {
    /// One frame for everybody.
    Same(Frame),
    /// Each gets the one that opens with its secret.
    Sealed(SealedFrames),
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
    /// An empty event for whom no other comes that would make it notice.
    pub nudge: SealedFrames,
    pub target: Version,
    /// The channel's sequence number at that moment.
    pub since: u64,
    pub cut: Option<Cut>,
    /// From the target before, for what waits after a cut.
    pub resealer: Option<Arc<Resealer>>,
}

/// Nobody is sent anything more with an earlier secret: all move at once, or reconnect.
#[derive(Clone)]
pub struct Cut {
    /// Who was revoked, and the topic that all its signed-in connections have.
    pub revoked: Option<(Arc<str>, Option<TopicId>)>,
}

pub struct Ask {
    pub tenant: TenantId,
    pub socket: SocketId,
    /// None where it is only asked whether the connection is there.
    pub about: Option<AskedChannel>,
    pub answer: oneshot::Sender<Result<Answer, AskError>>,
}

pub struct Answer {
    /// Of the secret that the client needs.
    pub version: Version,
    /// Where frames wait until it has been told that.
    pub waits: Option<TopicId>,
    /// The user of the question; of an earlier one on the connection where it names none.
    pub user: Option<Arc<str>>,
}

#[derive(Clone)]
pub struct RevokeTokens {
    pub tenant: TenantId,
    pub which: Revocation,
    pub at: UnixSeconds,
}

/// A channel that the client may join.
pub struct AskedChannel {
    pub name: Arc<str>,
    /// If anybody is subscribed to it.
    pub topic: Option<TopicId>,
    /// Whose secret a newcomer is to be given, where the channel is sealed here.
    pub target: Option<Version>,
    /// Whom the client speaks for, as far as the authorizer knows.
    pub user: Option<Arc<str>>,
    /// Until when revocations have been looked for.
    pub as_of: KnownAsOf,
    pub bounds: Bounds,
    /// Tokens that have been revoked meanwhile stand there before the worker is told.
    pub revoked: Arc<RevokedTokens>,
}

impl AskedChannel {
    pub fn is_token_revoked(&self) -> bool {
        self.bounds.token.as_ref().is_some_and(|token| self.revoked.contains(token))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("this application has no connection with that socket_id")]
    UnknownSocket,
    #[error("the connection has been authorized for very many channels without joining them")]
    TooMany,
    #[error("the token has been revoked")]
    TokenRevoked,
    #[error(
        "this connection's user has been taken off the channel, and the question names no user: ask with a token, or an answer of the application, that names one and is newer"
    )]
    Revoked,
}

impl Content {
    /// Whether something in clear would get on an encrypted channel.
    pub fn trips(&self) -> bool {
        match self {
            Self::Same(frame) => tripwire::trips(frame),
            Self::Sealed(frames) => frames.iter().any(tripwire::trips),
        }
    }

    /// For a subscriber with the secret of this version. `None`: it is moving to another.
    pub fn of(&self, version: Version) -> Option<&Frame> {
        match self {
            Self::Same(frame) => Some(frame),
            Self::Sealed(frames) => frames.of(version),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Same(frame) => frame.bytes(),
            Self::Sealed(frames) => frames.bytes(),
        }
    }
}

impl Post {
    fn bytes(&self) -> usize {
        let frame = match self {
            Self::Deliver(delivery) => delivery.content.bytes(),
            Self::Rekey(rekey) => rekey.nudge.bytes(),
            Self::Ask(_)
            | Self::Told { .. }
            | Self::QuestionRefused { .. }
            | Self::CloseStragglers { .. }
            | Self::Retire { .. }
            | Self::RevokeTokens(_)
            | Self::End { .. }
            | Self::Terminate { .. }
            | Self::Dismiss { .. }
            | Self::Drain { .. }
            | Self::Leave { .. } => 0,
        };
        size_of::<Self>() + frame
    }
}

/// Room that is kept for the next posts after a burst.
const KEPT_POSTS: usize = 1024;

pub struct Mailbox {
    posts: Mutex<Vec<Post>>,
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

    /// Takes the post even over the budget: whoever asked `has_room` has been promised that all of
    /// an event goes through. So it overshoots by at most what the requests of one moment bring.
    pub fn put(&self, post: Post) {
        self.bytes.fetch_add(post.bytes(), Ordering::Relaxed);
        self.posts.lock().push(post);
        self.arrived.notify_one();
    }

    /// Waits for posts and takes all there are, leaving the empty `room` in their place.
    pub async fn take(&self, mut room: Vec<Post>) -> Vec<Post> {
        room.shrink_to(KEPT_POSTS);
        loop {
            std::mem::swap(&mut *self.posts.lock(), &mut room);
            if !room.is_empty() {
                let bytes = room.iter().map(Post::bytes).sum();
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                return room;
            }
            self.arrived.notified().await;
        }
    }
}
