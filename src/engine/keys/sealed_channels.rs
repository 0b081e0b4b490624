//! Content for subscribers of sealed channels, whichever secret they have.

use std::time::Instant;

use crate::{
    app::App,
    channels::{change::Change, last_event::LastEvent},
    crypto::{
        keyring::KeyRing,
        keytable::Version,
        sealer::{SealError, Sealed},
    },
    domain::channel::Channel,
    engine::{AppRuntime, cached_reply::CachedReply},
    hub::{Hub, record::LockedRecord, rekey::gate::PendingRekey},
    protocol::{
        content::Content,
        sealed::{EventSource, SealedFrames},
        tripwire,
    },
};

impl AppRuntime {
    /// The version new events are sealed with.
    pub(in crate::engine) fn target(app: &App, channel: &Channel) -> Version {
        app.ring(channel).map_or(Version::BLIND, |ring| ring.target(channel))
    }

    /// All versions an event must be sealed with, so that each subscriber can open it.
    pub(in crate::engine) fn needed_versions(
        app: &App,
        locked: &mut LockedRecord<'_>,
    ) -> Vec<Version> {
        let channel = locked.channel();
        let Some(ring) = app.ring(channel) else { return vec![Version::BLIND] };
        let keys = locked.sealed(|| ring.target(channel));
        keys.wanted(|version| ring.serves(channel, version))
    }

    /// Counts a subscriber with the secret of `granted`, or of the target if another auth endpoint
    /// issued it. Also returns the next step if that version is behind.
    pub(in crate::engine) fn join_key(
        &self,
        ring: &KeyRing,
        locked: &mut LockedRecord<'_>,
        granted: Option<Version>,
    ) -> (Version, Option<PendingRekey>) {
        let (channel, since) = (locked.channel(), locked.sequence());
        let target = locked.sealed(|| ring.target(channel)).target;
        let version = granted.unwrap_or(target);
        locked.join_key(version);
        if !version.is_behind(target) {
            return (version, None);
        }
        let nudge = locked.keys().and_then(|keys| keys.nudge.clone());
        let nudge = nudge.or_else(|| self.nudge(ring, channel, target).ok());
        let forced = !ring.serves(channel, version);
        (version, nudge.map(|nudge| PendingRekey { target, nudge, forced, since }))
    }

    /// An empty event. It makes a client on a quiet channel notice the new secret.
    pub(in crate::engine) fn nudge(
        &self,
        ring: &KeyRing,
        channel: &Channel,
        target: Version,
    ) -> Result<SealedFrames, SealError> {
        let sealed = ring.seal(channel, target, b"{}")?;
        Ok(SealedFrames::new(&EventSource::backend(&self.rekey_policy.nudge_event()), [&sealed]))
    }

    /// The channel's last event, sealed with the subscriber's secret.
    pub(in crate::engine) fn cached(
        app: &App,
        locked: &LockedRecord<'_>,
        version: Version,
        now: Instant,
        hub: &Hub,
    ) -> CachedReply {
        let channel = locked.channel();
        if !channel.kind().is_cached() {
            return CachedReply::No;
        }
        let Some(last) = locked.last_event(now) else { return CachedReply::Miss };
        let frame = match &last.content {
            Content::Same(frame) => Some(frame.clone()),
            Content::Sealed(frames) => frames
                .of(version)
                .cloned()
                .or_else(|| {
                    let sealed = reseal_last_event(app, channel, last, version)?;
                    frames.with(&sealed).of(version).cloned()
                })
                // The key of its secret is retired. The client cannot open this frame, so it asks
                // for the next secret.
                .or_else(|| frames.newest().cloned()),
        };
        match frame {
            Some(frame) if tripwire::leaks_plaintext(&frame) => {
                hub.record_trip();
                CachedReply::Miss
            }
            Some(frame) => CachedReply::Hit(frame),
            None => CachedReply::Miss,
        }
    }
}

pub(in crate::engine) fn reseal_last_event(
    app: &App,
    channel: &Channel,
    last: &LastEvent,
    version: Version,
) -> Option<Sealed> {
    let ring = app.ring(channel)?;
    let (_, plaintext) = ring.open(channel, &last.data)?;
    ring.seal(channel, version, &plaintext).ok()
}

/// Reseals the last event for the target version: the key it was sealed with may soon be forgotten.
pub(in crate::engine) fn renew_last_event(
    ring: &KeyRing,
    locked: &mut LockedRecord<'_>,
    target: Version,
    plaintext: &[u8],
    keep: &[Version],
    now: Instant,
) -> Result<(), SealError> {
    let channel = locked.channel();
    let Some(last) = locked.kept_event() else { return Ok(()) };
    let Content::Sealed(frames) = &last.content else { return Ok(()) };
    let wanted: Vec<Version> = std::iter::once(target).chain(keep.iter().copied()).collect();
    let frames = frames.adapted(&wanted, |version| ring.seal(channel, version, plaintext))?;
    let data = frames.envelope().cloned().unwrap_or_default();
    let resealed = Change::ResealEvent { content: Content::Sealed(frames), data };
    let _no_effects = locked.apply(resealed, now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc, time::Duration};

    use super::*;
    use crate::{
        app::AppRegistry,
        crypto::{key::MasterKey, secret::Derivation},
        engine::{Engine, keys::keyfile::KeyFile},
        hub::mailbox::Rekey,
        observe::audit::Audit,
        protocol::{frame::Frame, message::Message},
    };

    fn runtime(hub: &Arc<Hub>) -> AppRuntime {
        let app = App::for_tests("a").sealed(Derivation::Pusher);
        AppRuntime::new(app, KeyFile::of_app(Path::new("/nowhere"), "a"), hub.clone())
    }

    /// A rotation installs its key before it has told every channel.
    #[test]
    fn version_never_goes_back() {
        let hub = Hub::new(1, 1000, 1000);
        let runtime = runtime(&hub);
        let ring = &*runtime.keys().unwrap();
        let channel = Channel::parse("private-encrypted-x", 200).unwrap();
        runtime.directory.with(&channel, |_, mut locked| {
            let old = ring.target(&channel);
            assert_eq!(runtime.join_key(ring, &mut locked, None).0, old);
            let next = ring.table().announced(MasterKey::generate().unwrap(), 0, 0, 9).unwrap();
            ring.install(next.activated(0).unwrap());
            let new = ring.target(&channel);
            let (version, next) = runtime.join_key(ring, &mut locked, Some(new));
            assert!(version == new && next.is_none());
            let (topic, since) = (locked.topic(), locked.sequence());
            let nudge = runtime.nudge(ring, &channel, new).unwrap();
            let (forced, resealer) = (None, None);
            locked.rekey(&hub, Rekey { topic, nudge, target: new, since, forced, resealer });
            let (version, next) = runtime.join_key(ring, &mut locked, Some(old));
            assert!(version == old && next.is_some_and(|next| next.target == new && !next.forced));
        });
    }

    #[test]
    fn cached_plaintext_is_withheld_and_recorded_once() {
        let (hub, now) = (Hub::new(1, 1000, 1000), Instant::now());
        let runtime = runtime(&hub);
        let channel = Channel::parse("private-encrypted-cache-x", 200).unwrap();
        let leak = Frame::new(&Message::plaintext(&channel, "e", "secret"));
        runtime.directory.with(&channel, |record, mut locked| {
            let (content, expires) = (Content::Same(leak), now + Duration::from_secs(9));
            let (name, data) = ("e".into(), "secret".into());
            let last = LastEvent { name, content, data, expires, number: 0 };
            runtime.directory.set_last_event(record, &mut locked, last, now);
            let app = runtime.app();
            let reply = AppRuntime::cached(&app, &locked, Version::BLIND, now, &hub);
            assert!(matches!(reply, CachedReply::Miss));
        });
        let path = std::env::temp_dir().join(format!("sealcast-trip-{}", std::process::id()));
        let (audit, recorder) = Audit::begin(Some(&path)).unwrap();
        let engine = Engine::new(hub, AppRegistry::new()).with_receivers(audit, Arc::default());
        engine.tick(now);
        engine.tick(now);
        drop(recorder);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.contains(r#""event":"tripwire","dropped":1"#), "{text}");
        assert_eq!(text.matches("tripwire").count(), 1, "{text}");
    }
}
