//! How far an event stream has come in the logs of its channels.

use std::{cell::RefCell, sync::Arc};

use bytes::Bytes;

use crate::{
    auth::tickets::TicketStream,
    channels::log::LogNumber,
    domain::{channel::Channel, channel_settings::HistoryStore},
    engine::{AppRuntime, Engine},
    history::position::HashedChannel,
    hub::record::TopicId,
    protocol::stream_text::id_line,
};

/// Shared by the stream's session and its link. An event's `id` is the position behind it, so that
/// a client that is cut anywhere resumes behind the last event that it has read to its end.
pub struct StreamPositions {
    engine: Arc<Engine>,
    runtime: Arc<AppRuntime>,
    places: RefCell<Vec<(HashedChannel, StreamPlace)>>,
    ticket: Option<TicketStream>,
}

/// One channel with a log.
pub(super) struct StreamPlace {
    pub(super) channel: Channel,
    pub(super) store: HistoryStore,
    pub(super) topic: TopicId,
    pub(super) number: LogNumber,
}

impl StreamPositions {
    pub fn new(
        engine: Arc<Engine>,
        runtime: Arc<AppRuntime>,
        ticket: Option<TicketStream>,
    ) -> Self {
        Self { engine, runtime, places: RefCell::default(), ticket }
    }

    pub fn ticket(&self) -> Option<&TicketStream> {
        self.ticket.as_ref()
    }

    /// Replaces the place of the same channel.
    pub(super) fn set(&self, place: StreamPlace) {
        let mut places = self.places.borrow_mut();
        match places.iter_mut().find(|(_, known)| known.channel == place.channel) {
            Some((_, known)) => *known = place,
            None => places.push((HashedChannel::new(place.channel.name().clone()), place)),
        }
    }

    /// The `id` of this moment; `None` if no channel has a log.
    pub(super) fn id(&self) -> Option<String> {
        let places = self.places.borrow();
        (!places.is_empty()).then(|| self.encode(&places))
    }

    /// The stream's client has been told of all up to this number.
    pub(super) fn reach(&self, topic: TopicId, number: LogNumber) {
        let mut places = self.places.borrow_mut();
        if let Some((_, place)) = places.iter_mut().find(|(_, place)| place.topic == topic) {
            place.number = place.number.max(number);
        }
    }

    /// See `Socket::own_id`.
    pub fn own_id(&self, topic: TopicId, number: LogNumber) -> Option<Bytes> {
        let mut places = self.places.borrow_mut();
        let place = places.iter_mut().find(|(_, place)| place.topic == topic);
        if let Some((_, place)) = place {
            place.number = place.number.max(number);
            if places.len() == 1 && self.ticket.is_none() {
                return None;
            }
        }
        Some(id_line(&self.encode(&places)))
    }

    fn encode(&self, places: &[(HashedChannel, StreamPlace)]) -> String {
        let channels = places.iter().map(|(channel, place)| (channel, place.store, place.number));
        let (app, epochs) = (self.runtime.app(), &self.engine.history.epochs);
        let position = app.positions.encode_hashed(epochs, channels);
        match &self.ticket {
            Some(ticket) => ticket.id_of(&position),
            None => position,
        }
    }
}
