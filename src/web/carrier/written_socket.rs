//! A connection with a `FrameWriter`, as its worker's shard sees it. WebSockets and event streams
//! differ in what they do at a tick, and in the ids of events.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{command_queue::CommandQueue, frame_writer::FrameWriter, transport::Transport};
use crate::{
    channels::log::LogNumber,
    hub::{
        outbox::Outbox,
        record::TopicId,
        socket::{SessionCommand, Socket},
    },
};

pub trait WrittenSocket {
    type Io: Transport;

    fn writer(&self) -> &FrameWriter<Self::Io>;

    fn commands(&self) -> &CommandQueue;

    /// The time limit of a peer that takes none of its waiting bytes.
    fn stalled(&self) -> Duration;

    /// Called about once a second, unless the connection is closing.
    fn tick_open(&self, now: Instant);

    /// See `Socket::last_heard`.
    fn last_received(&self) -> Option<Instant> {
        None
    }

    /// See `Socket::own_id`.
    fn stream_id(&self, topic: TopicId, number: LogNumber) -> Option<Bytes> {
        let _ = (topic, number);
        None
    }
}

impl<S: WrittenSocket> Socket for S {
    fn outbox(&self) -> &Outbox {
        &self.writer().outbox
    }

    fn flush(&self) {
        self.writer().flush();
    }

    fn deliver(&self, frame: &Bytes) {
        if !self.writer().try_deliver(frame) {
            self.send(frame.clone());
            self.flush();
        }
    }

    fn tick(&self, now: Instant) {
        if self.writer().tick(now, self.stalled()) {
            self.tick_open(now);
        }
    }

    fn weight(&self) -> usize {
        self.writer().weight()
    }

    fn cut(&self) {
        self.writer().cut();
    }

    fn last_heard(&self) -> Option<Instant> {
        self.last_received()
    }

    fn charge_authorizations(&self, bytes: usize) {
        self.writer().charge_authorizations(bytes);
    }

    fn own_id(&self, topic: TopicId, number: LogNumber) -> Option<Bytes> {
        self.stream_id(topic, number)
    }

    fn command(&self, command: SessionCommand) {
        self.commands().push(command);
        self.writer().wake();
    }
}
