//! A message encoded for every form, once, regardless of the number of receivers.

use bytes::Bytes;

use super::{
    dialect::Dialect,
    form::{Form, text_frame},
    message::{Message, MessageKind},
};

/// One message in all forms. Cloning copies no payload.
///
/// The message itself is not kept: that would be a second copy of each payload.
#[derive(Clone)]
pub struct Frame {
    pusher: Bytes,
    jetsocket: Bytes,
}

impl Frame {
    pub fn new(message: &Message<'_>) -> Self {
        match message.kind() {
            MessageKind::Event => {
                let shared = Form::Pusher.encode(message);
                Self { jetsocket: shared.clone(), pusher: shared }
            }
            MessageKind::Protocol => Self::of_protocol(message),
        }
    }

    /// Dialects differ in the first word, so the rest is encoded once.
    fn of_protocol(message: &Message<'_>) -> Self {
        let capacity = message.capacity();
        let mut rest = Vec::with_capacity(capacity);
        message.write_rest(&mut rest);
        let whole = |dialect: Dialect| {
            text_frame(capacity, |out| {
                message.write_start(dialect, out);
                out.extend_from_slice(&rest);
            })
        };
        Self { pusher: whole(Dialect::Pusher), jetsocket: whole(Dialect::Jetsocket) }
    }

    pub fn in_form(&self, form: Form) -> &Bytes {
        match form {
            Form::Pusher => &self.pusher,
            Form::Jetsocket => &self.jetsocket,
        }
    }

    /// Bytes charged to one socket's queue.
    pub fn bytes(&self) -> usize {
        self.pusher.len()
    }
}
