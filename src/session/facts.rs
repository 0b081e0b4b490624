//! Facts about a connection.

use super::SessionContext;
use crate::{
    engine::facts::{ConnectionContext, ConnectionFact, Fact, SubscriptionContext},
    hub::record::Record,
};

impl SessionContext {
    pub(super) fn note(&self, fact: ConnectionFact<'_>) {
        let context = ConnectionContext { runtime: &self.runtime, socket: self.id };
        self.engine.note(Fact::Connection(context, fact));
    }

    /// Without a reason, the connection was lost.
    pub(super) fn note_closed(&self) {
        self.note(ConnectionFact::Closed(self.socket.outbox().closing()));
    }

    pub(super) fn note_subscribed(&self, record: &Record, user: Option<&str>) {
        self.note(ConnectionFact::Subscribed(subscription(record, user)));
    }

    pub(super) fn note_unsubscribed(&self, record: &Record, user: Option<&str>) {
        self.note(ConnectionFact::Unsubscribed(subscription(record, user)));
    }
}

fn subscription<'a>(record: &'a Record, user: Option<&'a str>) -> SubscriptionContext<'a> {
    SubscriptionContext { record, user }
}
