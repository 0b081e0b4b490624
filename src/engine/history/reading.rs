//! Paging through a log, the newest event, and clearing, for the APIs.

use std::{sync::Arc, time::Instant};

pub(in crate::engine) use super::recovery::Reader;
use crate::{
    channels::{
        change::{Change, LogChange},
        log::{Entry, EntryBody, GapReason, Log, LogNumber, PageQuery},
    },
    crypto::keytable::Version,
    domain::{channel::Channel, channel_settings::HistoryStore},
    engine::{
        AppRuntime, Engine,
        history::outcome::{EventOutcome, LoggedEvent, Publishing},
    },
    hub::record::{LockedRecord, Record},
    platform::clock::unix_micros,
    protocol::{frame::Frame, message::Message},
};

/// A logged event for a reader.
pub struct HistoryEvent {
    pub number: LogNumber,
    pub name: Arc<str>,
    /// An envelope, on an encrypted channel.
    pub data: Arc<str>,
    /// Microseconds since 1970.
    pub at_micros: u64,
    pub user_id: Option<Arc<str>>,
}

pub struct HistoryPage {
    pub store: HistoryStore,
    pub events: Vec<HistoryEvent>,
    pub more: bool,
    pub gap: Option<GapReason>,
    /// The end of the log at this moment.
    pub last: LogNumber,
}

/// What a reader may see, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReaderView {
    /// Of the secret with which the reader opens events. `None`: the one that new events are sealed
    /// with.
    pub version: Option<Version>,
    /// See `ReaderLimits`.
    pub not_before: u64,
}

/// References to the entries of a page, taken under the lock of the record.
struct PageEntries {
    store: HistoryStore,
    entries: Vec<Entry>,
    more: bool,
    gap: Option<GapReason>,
    last: LogNumber,
}

impl PageEntries {
    fn of(log: &Log, query: &PageQuery, not_before: u64, now: Instant) -> Self {
        // Nothing older is for this reader.
        let first = log.position_before(LogNumber(not_before), now);
        let hides = first > log.start(now) && query.after.is_none_or(|after| after < first);
        let query = match hides {
            true => PageQuery { after: Some(first), ..*query },
            false => *query,
        };
        let page = log.page(&query, now);
        Self {
            store: log.settings().store,
            entries: page.entries.into_iter().cloned().collect(),
            more: page.more,
            gap: page.gap.or(hides.then_some(GapReason::UnknownPosition)),
            last: log.last(),
        }
    }
}

impl Engine {
    /// `None`: the channel has no log.
    pub fn history_page(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        query: &PageQuery,
        view: ReaderView,
    ) -> Option<HistoryPage> {
        let now = Instant::now();
        let found = runtime.directory.with_existing(channel.name(), |record, locked| {
            let entries = PageEntries::of(locked.log()?, query, view.not_before, now);
            Some((record.clone(), entries))
        });
        let Some(found) = found else {
            // Its log has ended, with all that was after or before any position.
            let is_bounded = query.after.is_some() || query.before.is_some();
            let gap = is_bounded.then_some(GapReason::Expired);
            let page = self.empty_page(runtime, channel)?;
            return Some(HistoryPage { gap, ..page });
        };
        let (record, PageEntries { store, entries, more, gap, last }) = found?;
        let app = runtime.app_snapshot();
        let version = view.version.unwrap_or_else(|| AppRuntime::target(&app, channel));
        let record = Some(&record);
        let reader = Reader { engine: self, runtime, app: &app, channel, record, store, version };
        let events = entries.iter().filter_map(|entry| reader.event(entry)).collect();
        Some(HistoryPage { store, events, more, gap, last })
    }

    /// Of a channel that is not in use: its log begins with the next event.
    fn empty_page(&self, runtime: &AppRuntime, channel: &Channel) -> Option<HistoryPage> {
        let store = runtime.app().channel_settings(channel).history?.store;
        let last = self.hub.log_numbers.origin();
        Some(HistoryPage { store, events: Vec::new(), more: false, gap: None, last })
    }

    /// Forgets the log's events and the last event, and tells readers so. The outcome is the
    /// clearing; there is none on a channel without a log.
    pub fn clear_history(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        channel: &Channel,
    ) -> Publishing {
        if let Some(node) = self.cluster.node() {
            return self.clear_in_cluster(node, runtime, channel);
        }
        let (now, micros) = (Instant::now(), unix_micros());
        let outcome = runtime.directory.with_existing(channel.name(), |record, mut locked| {
            let store = locked.log()?.settings().store;
            let reserve = Change::InLog(LogChange::Reserve { micros });
            let number = locked.apply(reserve, now).reserved?;
            let cleared = LoggedEvent { number, store };
            match store {
                HistoryStore::DiskBefore => {
                    return Some(self.await_clearing(runtime, record, &mut locked, cleared));
                }
                HistoryStore::DiskBehind => {
                    let address = runtime.log_address(channel, store);
                    let written = self.history.journal.clear_behind(&address, number);
                    if let Err(error) = written {
                        return Some(EventOutcome::NotPublished(error.into()));
                    }
                }
                HistoryStore::Memory | HistoryStore::Redis => {}
            }
            self.clear_log(runtime, record, &mut locked, cleared);
            Some(EventOutcome::Logged(cleared))
        });
        let outcome = match outcome {
            Some(outcome) => outcome,
            // Nothing is there to be cleared, and the log begins later than this.
            None => self.empty_page(runtime, channel).map(|page| {
                let HistoryPage { store, last: number, .. } = page;
                EventOutcome::Logged(LoggedEvent { number, store })
            }),
        };
        Publishing { outcomes: outcome.into_iter().collect() }
    }

    pub(super) fn clear_log(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        cleared: LoggedEvent,
    ) {
        let now = Instant::now();
        let clear = Change::InLog(LogChange::Clear { number: cleared.number });
        let dropped = locked.apply(clear, now).dropped;
        dropped.into_iter().for_each(|number| runtime.directory.ledger().forget(number));
        self.tell_cleared(runtime, locked, cleared);
        runtime.directory.logs().recharge(record, locked, now);
    }

    /// Only to subscribers that are told positions.
    fn tell_cleared(
        &self,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
        cleared: LoggedEvent,
    ) {
        if locked.has_position_readers() {
            let LoggedEvent { number, store } = cleared;
            let channel = locked.channel();
            let position = self.history.position(runtime, channel, store, number);
            let gap = Message::gap(channel, GapReason::Cleared.name(), &position);
            let frame = Frame::new(&gap).logged(number.0, Some(&position));
            locked.tell_gap(&self.hub, frame);
        }
    }
}

impl Reader<'_> {
    pub(in crate::engine) fn event(&self, entry: &Entry) -> Option<HistoryEvent> {
        let data = match &entry.body {
            EntryBody::Clear { data, .. } => data.clone(),
            EntryBody::Blind { frames } => frames.envelope()?.clone(),
            EntryBody::Sealed { at_rest, hot } => {
                self.sealed(entry, at_rest, hot.as_ref())?.envelope_of(self.version)?.clone()
            }
        };
        Some(HistoryEvent {
            number: entry.number,
            name: entry.name.clone(),
            data,
            at_micros: entry.at_micros,
            user_id: entry.user_id.clone(),
        })
    }
}
