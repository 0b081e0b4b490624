//! The shared part of an event stream, used by its task and by its worker's shard.

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    auth::tickets::{LIVED_INTERVAL, SPENT_AFTER},
    channels::log::LogNumber,
    hub::{record::TopicId, socket::Socket},
    session::stream_positions::StreamPositions,
    web::{
        carrier::{
            command_queue::CommandQueue, frame_writer::FrameWriter, transport::Transport,
            written_socket::WrittenSocket,
        },
        settings::ReloadableSettings,
    },
};

/// Keeps proxies from closing an idle stream, and finds a dead connection.
const COMMENT_INTERVAL: Duration = Duration::from_secs(20);

pub(super) struct StreamLink<T> {
    pub(super) writer: FrameWriter<T>,
    settings: Arc<ReloadableSettings>,
    last_comment: Cell<Instant>,
    /// When the ticket is told that its stream lives.
    next_lived: Cell<Instant>,
    pub(super) commands: CommandQueue,
    positions: Rc<StreamPositions>,
}

impl<T: Transport> StreamLink<T> {
    pub(super) fn new(
        writer: FrameWriter<T>,
        settings: Arc<ReloadableSettings>,
        positions: Rc<StreamPositions>,
    ) -> Self {
        let begun = Instant::now();
        Self {
            writer,
            settings,
            last_comment: Cell::new(begun),
            next_lived: Cell::new(begun + SPENT_AFTER),
            commands: CommandQueue::default(),
            positions,
        }
    }
}

impl<T: Transport> StreamLink<T> {
    pub(super) fn into_io(self) -> T {
        self.writer.into_io()
    }
}

impl<T: Transport> WrittenSocket for StreamLink<T> {
    type Io = T;

    fn writer(&self) -> &FrameWriter<T> {
        &self.writer
    }

    fn commands(&self) -> &CommandQueue {
        &self.commands
    }

    fn stalled(&self) -> Duration {
        self.settings.stalled
    }

    fn tick_open(&self, now: Instant) {
        if let Some(ticket) = self.positions.ticket()
            && now >= self.next_lived.get()
        {
            self.next_lived.set(now + LIVED_INTERVAL);
            ticket.lived(now);
        }
        if now.duration_since(self.last_comment.get()) >= COMMENT_INTERVAL {
            self.last_comment.set(now);
            self.deliver(&self.outbox().form().ping());
        }
    }

    fn stream_id(&self, topic: TopicId, number: LogNumber) -> Option<Bytes> {
        self.positions.own_id(topic, number)
    }
}
