//! A message encoded for every form, once, regardless of the number of receivers.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    dialect::Dialect,
    form::{Form, as_stream_event, text_frame},
    logged::LoggedFrame,
    message::{Message, MessageKind},
};
use crate::crypto::keytable::Version;

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

    /// For a receiver that is told positions. `None` without a position.
    fn with_position(&self, form: Form) -> Option<&Bytes> {
        let logged = self.place()?;
        match form {
            Form::Pusher => logged.with_position(&self.pusher),
            Form::Jetsocket => logged.with_position(&self.jetsocket),
            Form::Stream => logged.as_stream_event(&self.pusher),
        }
    }

    /// For one connection, which may be told positions.
    pub fn encoded(&self, form: Form, tells_positions: bool) -> Bytes {
        let special = if tells_positions { self.with_position(form) } else { None };
        special.cloned().unwrap_or_else(|| self.in_form(form))
    }

    /// For one connection. A delivery to many uses `LazyForms`.
    pub fn in_form(&self, form: Form) -> Bytes {
        match form {
            Form::Pusher => self.pusher.clone(),
            Form::Jetsocket => self.jetsocket.clone(),
            Form::Stream => as_stream_event(&self.pusher),
        }
    }

    /// The bytes of the tripwire's check: all forms have the same content.
    pub(super) fn text(&self) -> &[u8] {
        &self.pusher
    }

    /// Bytes charged to one socket's queue.
    pub fn bytes(&self) -> usize {
        self.pusher.len()
    }
}

/// The forms of one delivery that few deliveries need. Each is made for its first receiver, so that
/// a delivery without such receivers costs nothing.
#[derive(Default)]
pub struct LazyForms(Vec<(Version, Bytes)>);

impl LazyForms {
    /// The frame in this form. `version`: that of the frame's secret, which tells the frames of one
    /// delivery apart.
    pub fn of<'a>(
        &'a mut self,
        frame: &'a Frame,
        version: Version,
        form: Form,
        tells_positions: bool,
    ) -> &'a Bytes {
        let special = if tells_positions { frame.with_position(form) } else { None };
        if let Some(bytes) = special {
            return bytes;
        }
        match form {
            Form::Pusher => &frame.pusher,
            Form::Jetsocket => &frame.jetsocket,
            Form::Stream => self.stream(frame, version),
        }
    }

    fn stream(&mut self, frame: &Frame, version: Version) -> &Bytes {
        let index = self.0.iter().position(|(of, _)| *of == version).unwrap_or_else(|| {
            self.0.push((version, as_stream_event(&frame.pusher)));
            self.0.len() - 1
        });
        &self.0[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::channel::Channel;

    #[test]
    fn stream_text_is_made_once_for_each_version() {
        let channel = Channel::parse("c", 200).unwrap();
        let frame = Frame::new(&Message::event(&channel, "e", "x").unwrap());
        let mut forms = LazyForms::default();
        let version = |key| Version { key, epoch: 0 };
        assert!(std::ptr::eq(forms.of(&frame, version(1), Form::Pusher, false), &frame.pusher));
        assert!(forms.0.is_empty(), "no stream is among the receivers");
        let first = forms.of(&frame, version(1), Form::Stream, false).clone();
        assert_eq!(first, frame.in_form(Form::Stream));
        assert_eq!(forms.of(&frame, version(1), Form::Stream, false).as_ptr(), first.as_ptr());
        assert_ne!(forms.of(&frame, version(2), Form::Stream, false).as_ptr(), first.as_ptr());
    }
}
