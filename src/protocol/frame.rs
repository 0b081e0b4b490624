//! A message encoded for every form, once, regardless of the number of receivers.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    dialect::Dialect,
    form::{Form, as_stream_event, text_frame},
    logged::LoggedFrame,
    message::{Message, MessageKind},
};

/// One message in all forms. Cloning copies no payload.
///
/// The message itself is not kept: that would be a second copy of each payload.
#[derive(Clone)]
pub struct Frame {
    pusher: Bytes,
    jetsocket: Bytes,
    /// `None` outside of a log.
    logged: Option<Arc<LoggedFrame>>,
}

impl Frame {
    pub fn new(message: &Message<'_>) -> Self {
        match message.kind() {
            MessageKind::Event => {
                let shared = Form::Pusher.encode(message);
                Self { jetsocket: shared.clone(), pusher: shared, logged: None }
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
        let (pusher, jetsocket) = (whole(Dialect::Pusher), whole(Dialect::Jetsocket));
        Self { pusher, jetsocket, logged: None }
    }

    /// The same frame as an entry of its channel's log. `position`: see `LoggedFrame::position`.
    pub fn logged(&self, number: u64, position: Option<&str>) -> Self {
        let logged = LoggedFrame::new(number);
        if let Some(position) = position {
            logged.position_or(|| position.to_owned());
        }
        Self { logged: Some(Arc::new(logged)), ..self.clone() }
    }

    pub fn place(&self) -> Option<&LoggedFrame> {
        self.logged.as_deref()
    }

    /// The number in the channel's log.
    pub fn number(&self) -> Option<u64> {
        self.place().map(LoggedFrame::number)
    }

    /// For a receiver that is told positions. Without a position, the plain frame.
    pub fn with_position(&self, dialect: Dialect) -> &Bytes {
        let plain = self.in_dialect(dialect);
        self.place().and_then(|logged| logged.with_position(plain)).unwrap_or(plain)
    }

    /// For WebSockets, shared by all of them.
    pub fn in_dialect(&self, dialect: Dialect) -> &Bytes {
        match dialect {
            Dialect::Pusher => &self.pusher,
            Dialect::Jetsocket => &self.jetsocket,
        }
    }

    /// For one connection. A delivery to many event streams uses `StreamTexts`.
    pub fn in_form(&self, form: Form) -> Bytes {
        match form {
            Form::Pusher | Form::Jetsocket => self.in_dialect(form.dialect()).clone(),
            Form::Stream => as_stream_event(&self.pusher, None),
        }
    }

    /// Bytes charged to one socket's queue.
    pub fn bytes(&self) -> usize {
        self.pusher.len()
    }
}
