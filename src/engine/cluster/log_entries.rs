//! Logged events of the cluster, in the form in which a log of one node has them.

use std::{sync::Arc, time::Instant};

use super::{
    super::{Engine, event::EventBody},
    events::body,
};
use crate::{
    app::App,
    channels::log::{Entry, GapReason, LogEvent, LogNumber},
    cluster::{
        content::EventContent,
        node::logs::{OpenedLogEntry, OpenedLogPart},
        redis::log::LogHead,
        replica::input::LoggedPlace,
    },
    domain::channel::Channel,
    hub::log_readers::LogAnswer,
    protocol::content::Content,
};

impl Engine {
    /// `None`: it does not belong on this channel, or does not open with the keys of this node.
    pub(super) fn read_entry(
        &self,
        app: &App,
        channel: &Channel,
        entry: &OpenedLogEntry,
    ) -> Option<Entry> {
        let heard = entry.event()?;
        let body = body(app, channel, &heard)?;
        let content = match &body {
            EventBody::Clear { frame, .. } => Content::Same(frame.clone()),
            EventBody::Sealed { frames, .. } => Content::Sealed(frames.clone()),
        };
        let place = LoggedPlace { number: entry.number, previous: entry.previous };
        let content = content.logged(entry.number, None);
        self.entry_of(app, channel, place, (&heard, &body, &content))
    }

    /// `content` is that of the log already.
    pub(super) fn entry_of(
        &self,
        app: &App,
        channel: &Channel,
        place: LoggedPlace,
        (heard, body, content): (&EventContent<'_>, &EventBody<'_>, &Content),
    ) -> Option<Entry> {
        let number = LogNumber(place.number);
        let body = self.log_body(app, channel, body, number, content, Instant::now()).ok()?;
        let (name, user_id) = (heard.name.into(), heard.user_id.map(Arc::from));
        // A number is about the time.
        let event = LogEvent { at_micros: place.number, name, user_id, body };
        Some(Entry::read(event, number, LogNumber(place.previous)))
    }

    /// What a reader finds behind `from`.
    pub(super) fn log_answer(
        &self,
        app: &App,
        channel: &Channel,
        from: LogNumber,
        part: &OpenedLogPart,
    ) -> LogAnswer {
        if part.head.believes_after != Some(true) {
            return LogAnswer::Gap(gap_reason(part, from));
        }
        let entries = part.entries.iter().map(|entry| self.read_entry(app, channel, entry));
        match entries.collect() {
            Some(entries) => LogAnswer::Events { entries, is_cut: part.head.more },
            // Sealed under a key that is retired.
            None => LogAnswer::Gap(GapReason::Evicted),
        }
    }
}

/// Of a position that is none of the log. The part begins where the log does.
pub(super) fn gap_reason(part: &OpenedLogPart, from: LogNumber) -> GapReason {
    let LogHead { floor, newest, cleared, evicted, .. } = part.head;
    let LogNumber(from) = from;
    // A reader that came when there was no log has position 0. Without a floor Redis has lost all,
    // and no node has raised it yet.
    let is_lost = from > 0 && (floor == 0 || from < floor);
    let Some(newest) = newest.filter(|_| !is_lost) else {
        return if is_lost { GapReason::Restarted } else { GapReason::Expired };
    };
    let start = part.entries.first().map_or(newest, |oldest| oldest.previous);
    if from < cleared {
        GapReason::Cleared
    } else if from < evicted {
        GapReason::Evicted
    } else if from < start {
        GapReason::Expired
    } else {
        GapReason::Restarted
    }
}
