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
    cluster::{
        content::{EventContent, EventData},
        node::news::ReplicaNews,
        replica::input::{HeardChange, HeardEvent, HeardMessage, SentId},
    },
    crypto::sealer::Payload,
    domain::{channel::Channel, ids::SocketId},
    hub::{
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
        locked: &mut LockedRecord<'_>,
        event: &HeardEvent,
        kept: Option<EncodedHeard>,
    ) {
        let kept = kept.filter(|kept| kept.id == event.id);
        let encoded = kept.or_else(|| {
            let (heard, _, content) = encode(&runtime.app(), locked, event)?;
            Some(EncodedHeard { id: event.id, content, except: heard.except })
        });
        // What does not belong here, or does not open, is dropped.
        if let Some(EncodedHeard { content, except, .. }) = encoded {
            locked.post(&self.hub, content, except, Audience::All);
        }
    }

    pub(super) fn keep_last(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: &HeardEvent,
    ) -> Option<EncodedHeard> {
        let (heard, body, content) = encode(&runtime.app(), locked, event)?;
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
                    | HeardMessage::Numbered { change: HeardChange::LastEvent(event), .. },
                )
                | ReplicaNews::PostEarly { event, .. } => look(event),
                ReplicaNews::SnapshotTaken(_, taken) => taken.last_event.iter_mut().for_each(look),
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
fn encode<'a>(
    app: &App,
    locked: &mut LockedRecord<'_>,
    event: &'a HeardEvent,
) -> Option<(EventContent<'a>, EventBody<'a>, Content)> {
    let heard = EventContent::parse(&event.content).ok()?;
    let body = body(app, locked.channel(), &heard)?;
    let content = content(app, locked, &body)?;
    Some((heard, body, content))
}

fn body<'a>(app: &App, channel: &Channel, heard: &EventContent<'a>) -> Option<EventBody<'a>> {
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
