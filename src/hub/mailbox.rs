//! What other threads want a worker's sockets to be sent.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::directory::TopicId;
use crate::{ids::SocketId, protocol::server::Frame};

#[derive(Clone)]
pub enum Post {
    Deliver(Delivery),
    /// Closes every connection of the topic: its user was terminated.
    Terminate {
        topic: TopicId,
    },
    /// Closes every connection of the worker.
    Shutdown,
}

/// A frame for the subscribers of a topic.
#[derive(Clone)]
pub struct Delivery {
    pub topic: TopicId,
    pub frame: Frame,
    /// The number of this frame on its channel; subscriptions skip what is not newer than the
    /// state that they were answered with.
    pub sequence: u64,
    pub except: Option<SocketId>,
    pub audience: Audience,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    All,
    /// Java clients of protocol 5 try to decrypt every frame of an encrypted channel but the
    /// success frame (PROTOCOL 2.6).
    NotLegacyJava,
}

impl Post {
    fn bytes(&self) -> usize {
        let frame = match self {
            Self::Deliver(delivery) => delivery.frame.bytes(),
            Self::Terminate { .. } | Self::Shutdown => 0,
        };
        size_of::<Self>() + frame
    }
}

/// Room that is kept for the next posts after a burst.
const KEPT_POSTS: usize = 1024;

pub struct Mailbox {
    posts: Mutex<Vec<Post>>,
    bytes: AtomicUsize,
    budget: usize,
    arrived: Notify,
}

impl Mailbox {
    pub fn new(budget: usize) -> Self {
        Self { posts: Mutex::default(), bytes: AtomicUsize::new(0), budget, arrived: Notify::new() }
    }

    pub fn has_room(&self) -> bool {
        self.queued_bytes() < self.budget
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
