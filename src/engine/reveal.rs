//! Payloads for an operator who has asked for those of one channel pattern, for some minutes. This is
//! the one way to see them; `web::console` decides about it and writes it into the audit log.
//!
//! Without a reveal each event costs one relaxed load.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Instant, SystemTime},
};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use super::{
    AppRuntime, Engine,
    event::EventBody,
    facts::{Fact, PublishedContext},
};
use crate::{
    channels::fact::ChannelFact,
    crypto::sealer::Payload,
    domain::{channel::Channel, pattern::Pattern},
};

/// Events and bytes that wait for one operator. Later events are dropped.
const MAX_EVENTS: usize = 200;
const MAX_BYTES: usize = 512 * 1024;
const MAX_REVEALS: usize = 8;

/// All reveals of this server.
#[derive(Default)]
pub struct Reveals {
    active: AtomicUsize,
    reveals: RwLock<Vec<Arc<Reveal>>>,
}

/// One reveal. It ends when its guard is dropped, or at its time.
pub struct Reveal {
    app: Arc<str>,
    channels: Pattern,
    until: Instant,
    queue: Mutex<RevealQueue>,
}

#[derive(Default)]
struct RevealQueue {
    events: Vec<RevealedEvent>,
    bytes: usize,
}

/// Has no `Debug` with its payload.
#[derive(Serialize)]
pub struct RevealedEvent {
    time: String,
    app: Arc<str>,
    channel: Arc<str>,
    event: String,
    data: String,
}

pub struct RevealGuard {
    reveals: Arc<Reveals>,
    reveal: Arc<Reveal>,
}

impl Reveals {
    /// `None` if there are too many already.
    pub fn begin(
        self: &Arc<Self>,
        app: Arc<str>,
        channels: Pattern,
        until: Instant,
    ) -> Option<RevealGuard> {
        let mut reveals = self.reveals.write();
        if reveals.len() >= MAX_REVEALS {
            return None;
        }
        let reveal = Arc::new(Reveal { app, channels, until, queue: Mutex::default() });
        reveals.push(reveal.clone());
        self.active.store(reveals.len(), Ordering::Relaxed);
        Some(RevealGuard { reveals: self.clone(), reveal })
    }

    /// What waits is shown to nobody.
    pub fn end_all(&self) {
        let mut reveals = self.reveals.write();
        for reveal in reveals.drain(..) {
            *reveal.queue.lock() = RevealQueue::default();
        }
        self.active.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn are_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0
    }

    fn show(&self, runtime: &AppRuntime, channel: &Channel, event: &str, data: &str) {
        let now = Instant::now();
        for reveal in self.reveals.read().iter() {
            if reveal.shows(&runtime.id, channel.name(), now) {
                reveal.add(channel, event, data);
            }
        }
    }
}

impl Reveal {
    fn shows(&self, app: &str, channel: &str, now: Instant) -> bool {
        *self.app == *app && self.channels.matches(channel) && now < self.until
    }

    fn add(&self, channel: &Channel, event: &str, data: &str) {
        let mut queue = self.queue.lock();
        if queue.events.len() >= MAX_EVENTS || queue.bytes + data.len() > MAX_BYTES {
            return;
        }
        queue.bytes += data.len();
        queue.events.push(RevealedEvent {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            app: self.app.clone(),
            channel: channel.name().clone(),
            event: event.to_owned(),
            data: data.to_owned(),
        });
    }
}

impl RevealGuard {
    /// The events since the last call.
    pub fn take(&self) -> Vec<RevealedEvent> {
        std::mem::take(&mut *self.reveal.queue.lock()).events
    }

    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.reveal.until
    }
}

impl Drop for RevealGuard {
    fn drop(&mut self) {
        let mut reveals = self.reveals.reveals.write();
        reveals.retain(|reveal| !Arc::ptr_eq(reveal, &self.reveal));
        self.reveals.active.store(reveals.len(), Ordering::Relaxed);
    }
}

impl Engine {
    #[cold]
    pub(super) fn reveal(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Published(PublishedContext { runtime, event, .. }) => {
                if let Some(data) = plaintext(&event.body) {
                    self.reveals.show(runtime, &event.channel, event.name, data);
                }
            }
            Fact::Channel(context, ChannelFact::ClientEvent { event, data, .. }) => {
                self.reveals.show(context.runtime, context.channel, event, data);
            }
            _ => {}
        }
    }
}

/// `None` on a blind channel: this server has no key.
fn plaintext<'a>(body: &'a EventBody<'_>) -> Option<&'a str> {
    match body {
        EventBody::Clear { data, .. } => Some(data),
        EventBody::Sealed { payload: Payload::Plain(text), .. } => Some(text),
        EventBody::Sealed { payload: Payload::Opened { plaintext, .. }, .. } => {
            std::str::from_utf8(plaintext).ok()
        }
        EventBody::Sealed { payload: Payload::Blind(_), .. } => None,
    }
}

impl fmt::Debug for RevealedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevealedEvent").field("channel", &self.channel).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn reveal(until: Instant) -> (Arc<Reveals>, RevealGuard) {
        let reveals = Arc::new(Reveals::default());
        let guard = reveals.begin("a".into(), Pattern::new("private-*"), until);
        (reveals, guard.expect("the first"))
    }

    #[test]
    fn reveal_shows_one_app_and_pattern_until_its_time() {
        let now = Instant::now();
        let (reveals, guard) = reveal(now + Duration::from_secs(60));
        let shows = |app, channel, at| guard.reveal.shows(app, channel, at);
        assert!(shows("a", "private-x", now) && !guard.is_over(now));
        assert!(!shows("b", "private-x", now) && !shows("a", "public", now));
        assert!(!shows("a", "private-x", now + Duration::from_secs(60)));
        assert!(guard.is_over(now + Duration::from_secs(60)) && reveals.are_active());
        drop(guard);
        assert!(!reveals.are_active());
    }

    #[test]
    fn queue_is_bounded_and_prints_no_payload() {
        let (_reveals, guard) = reveal(Instant::now());
        let channel = Channel::parse("private-x", 200).expect("a channel");
        guard.reveal.add(&channel, "e", "canary");
        assert!(!format!("{:?}", guard.take()).contains("canary"));
        guard.reveal.add(&channel, "e", &"x".repeat(MAX_BYTES));
        guard.reveal.add(&channel, "e", "canary");
        assert_eq!(guard.take().len(), 1);
        (0..2 * MAX_EVENTS).for_each(|_| guard.reveal.add(&channel, "e", "x"));
        assert_eq!((guard.take().len(), guard.take().len()), (MAX_EVENTS, 0));
    }

    #[test]
    fn ended_reveals_show_nothing_that_waits() {
        let (reveals, guard) = reveal(Instant::now() + Duration::from_secs(60));
        let channel = Channel::parse("private-x", 200).expect("a channel");
        guard.reveal.add(&channel, "e", "canary");
        reveals.end_all();
        assert!(guard.take().is_empty() && !reveals.are_active());
    }

    #[test]
    fn reveals_are_few() {
        let (reveals, _first) = reveal(Instant::now());
        let begin = || reveals.begin("a".into(), Pattern::new("*"), Instant::now());
        let more: Vec<_> = (1..MAX_REVEALS).map(|_| begin().expect("room")).collect();
        assert!(begin().is_none());
        drop(more);
        assert!(begin().is_some());
    }
}
