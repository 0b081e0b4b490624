//! One event for one event stream: shared as a whole, or its data shared and its id the stream's own.

use bytes::Bytes;

use super::{record::TopicId, socket::Socket};
use crate::{channels::log::LogNumber, protocol::stream_text::StreamText};

impl StreamText {
    /// Queues the event, and returns its bytes.
    pub fn queue(&self, topic: TopicId, socket: &dyn Socket) -> usize {
        match self.own_id(topic, socket) {
            Some(id) => self.queue_with(id, socket),
            None => {
                socket.send(self.whole().clone());
                self.whole().len()
            }
        }
    }

    /// Sends the event, past the outbox if it is empty.
    pub(super) fn deliver(&self, topic: TopicId, socket: &dyn Socket) -> usize {
        match self.own_id(topic, socket) {
            Some(id) => {
                let bytes = self.queue_with(id, socket);
                socket.flush();
                bytes
            }
            None => {
                socket.deliver(self.whole());
                self.whole().len()
            }
        }
    }

    fn own_id(&self, topic: TopicId, socket: &dyn Socket) -> Option<Bytes> {
        self.number().and_then(|number| socket.own_id(topic, LogNumber(number)))
    }

    fn queue_with(&self, id: Bytes, socket: &dyn Socket) -> usize {
        let data = self.data();
        let bytes = data.len() + id.len();
        socket.send(data);
        socket.outbox().push(id);
        bytes
    }
}
