//! Events that this node has heard.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::super::{
    AppRuntime, Engine,
    event::EventBody,
    publish::{content, kept_event},
};
use crate::{
    app::App,
    channels::log::{GapReason, LogNumber},
    cluster::{
        content::{EventContent, EventData},
        node::news::ReplicaNews,
        replica::{
            effect::LogGap,
            input::{HeardChange, HeardEvent, HeardMessage, LoggedPlace, SentId},
        },
    },
    crypto::sealer::Payload,
    domain::{channel::Channel, channel_settings::HistoryStore, ids::SocketId},
    hub::{
        delivery_delay::EventTiming,
        mailbox::Audience,
        record::{LockedRecord, Record},
    },
    protocol::{
        content::Content,
        frame::Frame,
        message::Message,
        sealed::{EventSource, SealedFrames},
    },
};

/// A heard event, encoded for this node's subscribers.
pub(super) struct EncodedHeard {
    id: SentId,
    content: Content,
    except: Option<SocketId>,
}

impl Engine {
    /// Posts the event to this node's subscribers. `kept`: the last event that was encoded to be kept,
    /// which is mostly this one.
    pub(super) fn deliver(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: &HeardEvent,
        kept: Option<EncodedHeard>,
    ) {
        let kept = kept.filter(|kept| kept.id == event.id);
        let encoded = kept.or_else(|| {
            let (heard, _, content) = self.encode(runtime, locked, event)?;
            Some(EncodedHeard { id: event.id, content, except: heard.except })
        });
        match (encoded, event.logged) {
            (Some(EncodedHeard { content, except, .. }), place) => {
                if let Some(place) = place {
                    self.keep_for_readers(runtime, locked, event, place, &content);
                }
                let subscribers = locked.subscription_count();
                runtime.busiest.note(locked.channel().name(), subscribers);
                locked.post(&self.hub, content, except, Audience::All, EventTiming::Now);
            }
            // What does not belong here, or does not open, is dropped.
            (None, None) => {}
            (None, Some(place)) => {
                let gap = LogGap { reason: GapReason::Evicted, at: place.number };
                self.tell_log_gap(runtime, record, locked, gap);
            }
        }
    }

    /// Readers that are about to join get it from the tail.
    fn keep_for_readers(
        &self,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
        event: &HeardEvent,
        place: LoggedPlace,
        content: &Content,
    ) {
        if locked.followed().is_none_or(|held| held.log_readers.is_none()) {
            return;
        }
        let (app, channel) = (runtime.app(), locked.channel());
        let Ok(heard) = EventContent::parse(&event.content) else { return };
        let Some(body) = body(&app, channel, &heard) else { return };
        let entry = self.entry_of(&app, channel, place, (&heard, &body, content));
        let readers = locked.followed().and_then(|held| held.log_readers.as_mut());
        if let (Some(entry), Some(readers)) = (entry, readers) {
            readers.hear(entry);
        }
    }

    /// `None`: it does not belong on this channel, or does not open.
    fn encode<'a>(
        &self,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
        event: &'a HeardEvent,
    ) -> Option<(EventContent<'a>, EventBody<'a>, Content)> {
        let app = runtime.app();
        let heard = EventContent::parse(&event.content).ok()?;
        let body = body(&app, locked.channel(), &heard)?;
        let content = content(&app, locked, &body)?;
        let Some(LoggedPlace { number, .. }) = event.logged else {
            return Some((heard, body, content));
        };
        let position = locked.has_position_readers().then(|| {
            let (channel, number) = (locked.channel(), LogNumber(number));
            self.history.position(runtime, channel, HistoryStore::Redis, number)
        });
        Some((heard, body, content.logged(number, position.as_deref())))
    }

    pub(super) fn keep_last(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: &HeardEvent,
    ) -> Option<EncodedHeard> {
        let (heard, body, content) = self.encode(runtime, locked, event)?;
        let age = self.cluster.node().map_or(0, |node| node.status().age_ms(event.sent_ms));
        // As its publisher's node was configured: Redis keeps it as long.
        let lifetime = heard.keep_ms.map_or_else(Duration::default, Duration::from_millis);
        let left = lifetime.saturating_sub(Duration::from_millis(age));
        let now = Instant::now();
        let last = kept_event(heard.name, &body, &content, now + left);
        runtime.directory.set_last_event(record, locked, last, now);
        Some(EncodedHeard { id: event.id, content, except: heard.except })
    }

    /// Some of the events that wait may have their key now.
    pub(super) fn keys_changed(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
    ) {
        let Some(held) = locked.followed() else { return };
        let (app, channel) = (runtime.app_snapshot(), record.channel());
        let has_key = |event: &HeardEvent| has_key(&app, channel, event);
        let effects = held.replica.keys_changed(has_key, Instant::now());
        self.carry_out_replica(runtime, record, locked, effects);
    }

    /// Notes which events are sealed under a key that this node does not have yet.
    pub(super) fn with_keys(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        mut news: ReplicaNews,
    ) -> ReplicaNews {
        if channel.kind().is_encrypted() {
            let app = runtime.app();
            let look = |event: &mut HeardEvent| event.lacks_key = !has_key(&app, channel, event);
            match &mut news {
                ReplicaNews::Heard(
                    HeardMessage::Event(event)
                    | HeardMessage::Numbered {
                        change: HeardChange::LastEvent(event) | HeardChange::Logged { event, .. },
                        ..
                    },
                )
                | ReplicaNews::PostEarly { event, .. } => look(event),
                ReplicaNews::SnapshotTaken(_, taken) => taken.events_mut().for_each(look),
                _ => {}
            }
        }
        news
    }
}

/// True if the event opens here, or is no envelope of a key or an epoch that is on its way here.
fn has_key(app: &App, channel: &Channel, event: &HeardEvent) -> bool {
    let Ok(heard) = EventContent::parse(&event.content) else { return true };
    let EventData::Sealed { version, envelope } = heard.data else { return true };
    let Some(table) = app.ring(channel).map(|ring| ring.table()) else { return true };
    let is_known = match table.by_number(version.key) {
        Some(key) if key.master.is_some() => version.epoch <= table.epoch(channel.name()),
        // It is retired: no other table opens it.
        Some(_) => true,
        None => table.keys().last().is_some_and(|newest| version.key < newest.number),
    };
    is_known || app.admit(channel, envelope).is_ok()
}

/// `None`: it does not belong on this channel, or does not open.
pub(super) fn body<'a>(
    app: &App,
    channel: &Channel,
    heard: &EventContent<'a>,
) -> Option<EventBody<'a>> {
    match heard.data {
        EventData::Clear(data) => {
            let message = Message::from_client(channel, heard.name, data, heard.user_id)?;
            Some(EventBody::Clear { frame: Frame::new(&message), data })
        }
        EventData::Sealed { envelope, version } => {
            if !channel.kind().is_encrypted() {
                return None;
            }
            let opened = app.admit_as(channel, envelope, version);
            let payload = opened.or_else(|_| app.admit(channel, envelope)).ok()?;
            let sealed = match &payload {
                Payload::Opened { relayed, .. } => relayed.clone(),
                Payload::Blind(sealed) => sealed.clone(),
                // Nodes send no plaintext of an encrypted channel.
                Payload::Plain(_) => return None,
            };
            let user_id = heard.user_id.map(Arc::from);
            let source = EventSource { event: heard.name.into(), user_id };
            Some(EventBody::Sealed { payload, frames: SealedFrames::new(&source, [&sealed]) })
        }
    }
}
