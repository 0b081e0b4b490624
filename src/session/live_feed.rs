//! A connection's entries in the live feed.

use super::SessionContext;
use crate::{
    hub::record::Record,
    observe::live::{EntryDetail, EntryType, LiveEntry},
    protocol::code::Close,
};

impl SessionContext {
    fn note_live<'a>(
        &'a self,
        entry: impl FnOnce(LiveEntry<'a>) -> LiveEntry<'a>,
        r#type: EntryType,
    ) {
        self.engine.live.note(|| {
            entry(LiveEntry {
                socket_id: Some(self.id),
                ..LiveEntry::of_app(r#type, &self.runtime.id)
            })
        });
    }

    pub(super) fn note_opened(&self) {
        self.note_live(|entry| entry, EntryType::ConnectionOpened);
    }

    /// Without a reason, the connection was lost.
    pub(super) fn note_closed(&self) {
        let closed = |entry| {
            let reason = self.socket.outbox().closing();
            let code = reason.as_ref().and_then(Close::code);
            let reason = reason.map_or_else(String::new, |reason| reason.message());
            LiveEntry { what: EntryDetail::Closed { code, reason }, ..entry }
        };
        self.note_live(closed, EntryType::ConnectionClosed);
    }

    pub(super) fn note_subscribed(&self, record: &Record, user: Option<&str>) {
        self.note_live(|entry| of_channel(entry, record, user), EntryType::Subscribed);
    }

    pub(super) fn note_unsubscribed(&self, record: &Record, user: Option<&str>) {
        self.note_live(|entry| of_channel(entry, record, user), EntryType::Unsubscribed);
    }

    pub(super) fn note_signed_in(&self, user: &str) {
        self.note_live(|entry| LiveEntry { user: Some(user), ..entry }, EntryType::SignedIn);
    }
}

fn of_channel<'a>(
    entry: LiveEntry<'a>,
    record: &'a Record,
    user: Option<&'a str>,
) -> LiveEntry<'a> {
    let what = EntryDetail::Subscribers { subscribers: record.subscription_count() };
    LiveEntry { channel: Some(record.channel().name()), user, what, ..entry }
}
