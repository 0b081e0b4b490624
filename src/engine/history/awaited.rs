//! Events that a journal writes before they are sent. The journal hands them back on its thread, in
//! the order in which they were accepted.

use std::{sync::Arc, time::Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{
    logging::NumberedEvent,
    outcome::{EventOutcome, LoggedEvent, NotPublished},
};
use crate::{
    channels::change::{Change, LogChange},
    crypto::sealer::{Payload, Sealed},
    domain::ids::SocketId,
    engine::{
        AppRuntime, Engine,
        event::{EncodedEvent, EventBody, Publisher},
    },
    history::journal::JournalError,
    hub::record::{LockedRecord, Record},
    protocol::{frame::Frame, sealed::SealedFrames},
};

/// The settled outcome of one event or clearing.
pub(in crate::engine) type Settled = Result<LoggedEvent, NotPublished>;

/// All that sending takes.
struct AwaitedEvent {
    engine: Arc<Engine>,
    runtime: Arc<AppRuntime>,
    record: Arc<Record>,
    numbered: NumberedEvent,
    body: OwnedBody,
    publisher: OwnedPublisher,
    except: Option<SocketId>,
    settled: oneshot::Sender<Settled>,
}

/// `Publisher`, without its user.
#[derive(Clone, Copy)]
enum OwnedPublisher {
    Backend,
    Client,
    Socket,
}

impl OwnedPublisher {
    fn of(publisher: Publisher<'_>) -> Self {
        match publisher {
            Publisher::Backend => Self::Backend,
            Publisher::Client { .. } => Self::Client,
            Publisher::Socket { .. } => Self::Socket,
        }
    }

    fn with_user(self, user_id: Option<&str>) -> Publisher<'_> {
        match self {
            Self::Backend => Publisher::Backend,
            Self::Client => Publisher::Client { user_id },
            Self::Socket => Publisher::Socket { user_id },
        }
    }
}

enum OwnedBody {
    Clear { frame: Frame, data: Arc<str> },
    Plain { text: Zeroizing<String>, frames: SealedFrames },
    Blind { sealed: Sealed, frames: SealedFrames },
}

impl OwnedBody {
    /// `None`: the plaintext of a backend's envelope is no text, so it cannot be sealed anew.
    fn of(body: &EventBody<'_>) -> Option<Self> {
        Some(match body {
            EventBody::Clear { frame, data } => {
                Self::Clear { frame: frame.clone(), data: (*data).into() }
            }
            EventBody::Sealed { payload, frames } => {
                let frames = frames.clone();
                match payload {
                    Payload::Plain(text) => {
                        Self::Plain { text: Zeroizing::new((*text).to_owned()), frames }
                    }
                    Payload::Opened { plaintext, .. } => {
                        let text = std::str::from_utf8(plaintext).ok()?;
                        Self::Plain { text: Zeroizing::new(text.to_owned()), frames }
                    }
                    Payload::Blind(sealed) => Self::Blind { sealed: sealed.clone(), frames },
                }
            }
        })
    }

    fn borrowed(&self) -> EventBody<'_> {
        match self {
            Self::Clear { frame, data } => EventBody::Clear { frame: frame.clone(), data },
            Self::Plain { text, frames } => {
                EventBody::Sealed { payload: Payload::Plain(text), frames: frames.clone() }
            }
            Self::Blind { sealed, frames } => EventBody::Sealed {
                payload: Payload::Blind(sealed.clone()),
                frames: frames.clone(),
            },
        }
    }
}

impl Engine {
    /// Gives the event to the journal. It is sent once it is written.
    pub(in crate::engine) fn await_journal(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: &EncodedEvent<'_>,
        numbered: NumberedEvent,
    ) -> EventOutcome {
        let Some(body) = OwnedBody::of(&event.body) else {
            return EventOutcome::NotPublished(NotPublished::NotText);
        };
        let (settled, outcome) = oneshot::channel();
        let (address, entry) = (numbered.address.clone(), numbered.entry.clone());
        let awaited = AwaitedEvent {
            engine: self.clone(),
            runtime: runtime.clone(),
            record: record.clone(),
            numbered,
            body,
            publisher: OwnedPublisher::of(event.publisher),
            except: event.except,
            settled,
        };
        let committed = Box::new(move |written| awaited.committed(written));
        locked.begin_commit();
        match self.history.journal.append_before(&address, entry, committed) {
            Ok(()) => EventOutcome::Awaited(outcome),
            Err(error) => {
                locked.end_commit();
                EventOutcome::NotPublished(error.into())
            }
        }
    }
}

impl AwaitedEvent {
    fn committed(self, written: Result<(), JournalError>) {
        let outcome = match self.record.enter() {
            None => Err(JournalError::Ended.into()),
            Some(mut locked) => {
                locked.end_commit();
                written.map_err(NotPublished::from).and_then(|()| self.send(&mut locked))
            }
        };
        let (app, now) = (self.runtime.app_snapshot(), Instant::now());
        self.runtime.directory.enforce_limit(app.limits.cache_bytes, now);
        self.runtime.directory.enforce_log_limit(app.limits.history_bytes, now);
        // The publisher may have gone meanwhile.
        let _ = self.settled.send(outcome);
    }

    fn send(&self, locked: &mut LockedRecord<'_>) -> Settled {
        let Self { engine, runtime, record, numbered, body, publisher, except, .. } = self;
        let event = EncodedEvent {
            channel: record.channel().clone(),
            name: &numbered.entry.name,
            body: body.borrowed(),
            except: *except,
            publisher: publisher.with_user(numbered.entry.user_id.as_deref()),
            condition: None,
        };
        let (app, now) = (runtime.app_snapshot(), Instant::now());
        let sent =
            engine.send_logged((runtime, &app), &event, record, locked, numbered.clone(), now);
        if sent.is_none() {
            // Readers are told of a gap.
            let _no_effects = locked.apply(Change::InLog(LogChange::GiveUp), now);
        }
        sent.map(|()| numbered.logged()).ok_or(NotPublished::NotSealed)
    }
}

impl Engine {
    /// The journal forgets the log's events before its readers are told so.
    pub(super) fn await_clearing(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        cleared: LoggedEvent,
    ) -> EventOutcome {
        let (settled, outcome) = oneshot::channel();
        let address = runtime.log_address(locked.channel(), cleared.store);
        let (engine, runtime, record) = (self.clone(), runtime.clone(), record.clone());
        let committed = Box::new(move |written: Result<(), JournalError>| {
            let outcome = match record.enter() {
                None => Err(JournalError::Ended.into()),
                Some(mut locked) => {
                    locked.end_commit();
                    written.map_err(NotPublished::from).map(|()| {
                        engine.clear_log(&runtime, &record, &mut locked, cleared);
                        cleared
                    })
                }
            };
            // The asker may have gone meanwhile.
            let _ = settled.send(outcome);
        });
        locked.begin_commit();
        match self.history.journal.clear(&address, cleared.number, committed) {
            Ok(()) => EventOutcome::Awaited(outcome),
            Err(error) => {
                locked.end_commit();
                EventOutcome::NotPublished(error.into())
            }
        }
    }
}
