//! The shared part of a WebSocket, used by its task and by its worker's shard: the writing half,
//! and the deadlines of a peer that is read from.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    protocol::code::Close,
    web::{
        carrier::{
            command_queue::CommandQueue, frame_writer::FrameWriter, transport::Transport,
            written_socket::WrittenSocket,
        },
        settings::ReloadableSettings,
    },
};

pub(super) struct Link<T> {
    pub(super) writer: FrameWriter<T>,
    /// The settings at the start of the connection: the client knows some of them.
    pub(super) settings: Arc<ReloadableSettings>,
    last_received: Cell<Instant>,
    ping_sent: Cell<Option<Instant>>,
    pub(super) authorize_until: Cell<Option<Instant>>,
    /// An authorized subscription waits for its channel: that time rests.
    pub(super) awaits_authorized_channel: Cell<bool>,
    pub(super) commands: CommandQueue,
}

impl<T: Transport> Link<T> {
    pub(super) fn new(
        writer: FrameWriter<T>,
        settings: Arc<ReloadableSettings>,
        now: Instant,
    ) -> Self {
        Self {
            writer,
            settings,
            last_received: Cell::new(now),
            ping_sent: Cell::new(None),
            authorize_until: Cell::new(None),
            awaits_authorized_channel: Cell::new(false),
            commands: CommandQueue::default(),
        }
    }

    /// The peer has sent a whole message.
    pub(super) fn note_received(&self, now: Instant) {
        self.last_received.set(now);
        self.ping_sent.set(None);
    }

    /// Pings a silent peer, and closes the connection if it does not answer.
    fn check_liveness(&self, now: Instant) {
        if !self.writer.is_up_to_date() {
            // The connection is not read from, so a pong may be waiting: the timeout starts when
            // reading does.
            self.ping_sent.set(self.ping_sent.get().map(|_| now));
            return;
        }
        let silence = now.duration_since(self.last_received.get());
        match self.ping_sent.get() {
            Some(sent) if now.duration_since(sent) >= self.settings.pong_timeout => {
                self.writer.close(Close::PongNotReceived);
            }
            None if silence >= self.settings.activity_timeout => {
                self.writer.outbox.push(self.writer.outbox.form().ping());
                self.ping_sent.set(Some(now));
                self.writer.flush();
            }
            Some(_) | None => {}
        }
    }
}

impl<T: Transport> WrittenSocket for Link<T> {
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

    fn last_received(&self) -> Option<Instant> {
        Some(self.last_received.get())
    }

    fn tick_open(&self, now: Instant) {
        let rests = self.awaits_authorized_channel.get();
        if !rests && self.authorize_until.get().is_some_and(|deadline| now >= deadline) {
            return self.writer.close(Close::NotAuthorizedInTime);
        }
        self.check_liveness(now);
    }
}

#[cfg(test)]
mod tests;
