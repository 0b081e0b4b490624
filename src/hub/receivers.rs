//! One event for one receiver: bytes shared with all receivers of its kind. A logged event for a
//! stream of several logs shares its data, and ends with an id of the stream's own.

use bytes::Bytes;

use super::{record::TopicId, socket::Socket, topics::TopicSubscription};
use crate::{
    channels::log::LogNumber,
    protocol::{
        form::Form,
        frame::Frame,
        stream_text::{StreamText, StreamTexts},
    },
};

/// A frame for one subscription to the topic.
pub(super) struct Received<'a> {
    pub topic: TopicId,
    pub subscription: TopicSubscription,
    pub frame: &'a Frame,
}

impl Received<'_> {
    /// Queues the frame, and returns its bytes.
    #[inline]
    pub fn queue(&self, socket: &dyn Socket, texts: &mut StreamTexts) -> usize {
        match socket.outbox().form() {
            form @ (Form::Pusher | Form::Jetsocket) => {
                let frame = self.subscription.encoded(self.frame, form.dialect());
                socket.send(frame.clone());
                frame.len()
            }
            Form::Stream => {
                texts.of(self.frame, self.subscription.version).queue(self.topic, socket)
            }
        }
    }

    /// Sends the frame, past the outbox if it is empty.
    #[inline]
    pub fn deliver(&self, socket: &dyn Socket, texts: &mut StreamTexts) -> usize {
        match socket.outbox().form() {
            form @ (Form::Pusher | Form::Jetsocket) => {
                let frame = self.subscription.encoded(self.frame, form.dialect());
                socket.deliver(frame);
                frame.len()
            }
            Form::Stream => {
                texts.of(self.frame, self.subscription.version).deliver(self.topic, socket)
            }
        }
    }
}

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

    fn deliver(&self, topic: TopicId, socket: &dyn Socket) -> usize {
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
