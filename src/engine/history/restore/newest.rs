//! The last event of a cache channel, after a restart: the newest event of its log.

use std::{sync::Arc, time::Instant};

use super::super::recovery::Reader;
use crate::{
    channels::{
        last_event::LastEvent,
        log::{Entry, EntryBody, age},
    },
    domain::channel::Channel,
    engine::{AppRuntime, Engine},
    platform::clock::unix_micros,
    protocol::content::Content,
};

impl Engine {
    pub(super) fn keep_newest(&self, runtime: &AppRuntime, channel: &Channel) {
        if !channel.kind().is_cached() {
            return;
        }
        let (app, now) = (runtime.app_snapshot(), Instant::now());
        let Some(record) = runtime.directory.find(channel.name()) else { return };
        let newest = record.enter().and_then(|locked| {
            let log = locked.log()?;
            Some((log.newest(now)?.clone(), log.settings().store))
        });
        let Some((entry, store)) = newest else { return };
        let left = app.cache_ttl(channel).checked_sub(age(entry.at_micros, unix_micros()));
        let Some(left) = left.filter(|left| !left.is_zero()) else { return };
        let version = AppRuntime::target(&app, channel);
        let (channel, found) = (record.channel(), Some(&record));
        let reader =
            Reader { engine: self, runtime, app: &app, channel, record: found, store, version };
        let Some((content, data)) = reader.content(&entry) else { return };
        let name = entry.name.clone();
        let last = LastEvent { name, content, data, expires: now + left, number: 0 };
        if let Some(mut locked) = record.enter() {
            runtime.directory.set_last_event(&record, &mut locked, last, now);
        }
        runtime.directory.enforce_limit(app.limits.cache_bytes, now);
    }
}

impl Reader<'_> {
    /// The event with its data, which is an envelope on an encrypted channel.
    fn content(&self, entry: &Entry) -> Option<(Content, Arc<str>)> {
        let frames = match &entry.body {
            EntryBody::Clear { frame, data } => {
                return Some((Content::Same(frame.clone()), data.clone()));
            }
            EntryBody::Blind { frames } => frames.clone(),
            EntryBody::Sealed { at_rest, hot } => self.sealed(entry, at_rest, hot.as_ref())?,
        };
        let envelope = frames.envelope()?.clone();
        Some((Content::Sealed(frames), envelope))
    }
}
