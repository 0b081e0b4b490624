//! Telling subscribers that events of their log are gone.

use std::rc::Rc;

use super::{
    receivers::Received, record::TopicId, shard::Shard, socket::Socket, topics::TopicSubscription,
};
use crate::protocol::{form::Form, frame::Frame, stream_text::StreamTexts};

impl Shard {
    /// Not an event: the tripwire, which knows events alone, does not read it. Who has joined since
    /// has a state without these events.
    pub(super) fn tell_gap(
        &self,
        topic: TopicId,
        frame: &Frame,
        sequence: u64,
        dirty: &mut Vec<Rc<dyn Socket>>,
    ) {
        let table = self.table.borrow();
        let mut texts = StreamTexts::default();
        let is_told = |subscription: &&TopicSubscription| {
            subscription.tells_positions && subscription.since < sequence
        };
        for subscription in table.topics.subscribers(topic).iter().filter(is_told) {
            let entry = &table.sockets[subscription.slot as usize];
            match entry.socket.outbox().form() {
                form @ (Form::Pusher | Form::Jetsocket) => entry.socket.send(frame.in_form(form)),
                // With an id, so that it is told once.
                Form::Stream => {
                    let subscription = *subscription;
                    Received { topic, subscription, frame }.queue(&*entry.socket, &mut texts);
                }
            }
            entry.mark(dirty);
        }
    }
}
