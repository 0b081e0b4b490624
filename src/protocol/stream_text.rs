//! The texts of events for event streams.

use bytes::Bytes;

use super::{dialect::Dialect, form::as_stream_event, frame::Frame};
use crate::crypto::keytable::Version;

/// One event, shared by all streams. A logged one ends with the position of a reader of its channel
/// alone.
pub struct StreamText {
    whole: Bytes,
    /// The end of the line of data.
    data_end: usize,
    /// The number in the channel's log.
    number: Option<u64>,
}

impl StreamText {
    pub fn new(frame: &Frame) -> Self {
        let place = frame.place();
        let whole =
            as_stream_event(frame.in_dialect(Dialect::Pusher), place.and_then(|at| at.position()));
        let data_end = memchr::memchr(b'\n', &whole).map_or(whole.len(), |at| at + 1);
        Self { whole, data_end, number: frame.number() }
    }

    pub fn number(&self) -> Option<u64> {
        self.number
    }

    pub fn whole(&self) -> &Bytes {
        &self.whole
    }

    /// The line of data alone, for a stream that ends the event with an id of its own.
    pub fn data(&self) -> Bytes {
        self.whole.slice(..self.data_end)
    }
}

/// The end of an event with this id.
pub fn id_line(id: &str) -> Bytes {
    format!("id: {id}\n\n").into()
}

/// The texts of one delivery, one for each secret in use. Each is made for the first stream among
/// the receivers, so that a delivery without streams costs nothing.
#[derive(Default)]
pub struct StreamTexts(Vec<(Version, StreamText)>);

impl StreamTexts {
    /// `version`: that of the frame's secret.
    pub fn of(&mut self, frame: &Frame, version: Version) -> &StreamText {
        let index = self.0.iter().position(|(of, _)| *of == version).unwrap_or_else(|| {
            self.0.push((version, StreamText::new(frame)));
            self.0.len() - 1
        });
        &self.0[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::channel::Channel,
        protocol::{form::Form, message::Message},
    };

    fn frame() -> Frame {
        let channel = Channel::parse("c", 200).unwrap();
        Frame::new(&Message::event(&channel, "e", "x").unwrap())
    }

    #[test]
    fn text_is_made_once_for_each_version() {
        let (frame, mut texts) = (frame(), StreamTexts::default());
        let version = |key| Version { key, epoch: 0 };
        let first = texts.of(&frame, version(1)).whole().clone();
        assert_eq!(first, frame.in_form(Form::Stream));
        assert_eq!(texts.of(&frame, version(1)).whole().as_ptr(), first.as_ptr());
        assert_ne!(texts.of(&frame, version(2)).whole().as_ptr(), first.as_ptr());
    }

    #[test]
    fn logged_event_ends_with_its_position_or_with_the_stream_s_own_id() {
        let text = StreamText::new(&frame().logged(7, Some("AQ3x")));
        let data = "data: {\"event\":\"e\",\"channel\":\"c\",\"data\":\"x\"}\n";
        assert_eq!(text.whole(), format!("{data}id: AQ3x\n\n").as_bytes());
        assert_eq!((text.number(), text.data()), (Some(7), Bytes::from(data)));
        assert_eq!(id_line("AQ3y.tag"), "id: AQ3y.tag\n\n".as_bytes());
        let unlogged = StreamText::new(&frame());
        assert_eq!((unlogged.number(), unlogged.whole().len()), (None, data.len() + 1));
    }
}
