//! A connection's entries in the live feed.

use super::SessionContext;
use crate::{
    hub::directory::Record,
    live::{Entry, Type, What},
    protocol::code::Close,
};

impl SessionContext {
    fn show<'a>(&'a self, entry: impl FnOnce(Entry<'a>) -> Entry<'a>, r#type: Type) {
        self.engine.live.note(|| {
            entry(Entry { socket_id: Some(self.id), ..Entry::of_app(r#type, &self.tenant.id) })
        });
    }

    pub(super) fn show_opened(&self) {
        self.show(|entry| entry, Type::ConnectionOpened);
    }

    /// Without a reason, the connection was lost.
    pub(super) fn show_closed(&self) {
        let closed = |entry| {
            let reason = self.socket.outbox().closing();
            let code = reason.as_ref().and_then(Close::code);
            let reason = reason.map_or_else(String::new, |reason| reason.message());
            Entry { what: What::Closed { code, reason }, ..entry }
        };
        self.show(closed, Type::ConnectionClosed);
    }

    pub(super) fn show_subscribed(&self, record: &Record, user: Option<&str>) {
        self.show(|entry| of_channel(entry, record, user), Type::Subscribed);
    }

    pub(super) fn show_unsubscribed(&self, record: &Record, user: Option<&str>) {
        self.show(|entry| of_channel(entry, record, user), Type::Unsubscribed);
    }

    pub(super) fn show_signed_in(&self, user: &str) {
        self.show(|entry| Entry { user: Some(user), ..entry }, Type::SignedIn);
    }
}

fn of_channel<'a>(entry: Entry<'a>, record: &'a Record, user: Option<&'a str>) -> Entry<'a> {
    let what = What::Subscribers { subscribers: record.subscription_count() };
    Entry { channel: Some(record.channel().name()), user, what, ..entry }
}
