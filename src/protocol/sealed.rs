//! One event of an encrypted channel, encoded once for each secret in use.

use std::{collections::HashMap, sync::Arc};

use super::{frame::Frame, message::Message};
use crate::crypto::{keytable::Version, resealer::Resealer, sealer::Sealed};

/// At most two frames, usually one: a channel rekeys to one target at a time. Cloning copies a
/// reference.
#[derive(Clone)]
pub struct SealedFrames(Arc<[SealedFrame]>);

#[derive(Clone)]
struct SealedFrame {
    version: Version,
    source: EventSource,
    frame: Frame,
    envelope: Arc<str>,
}

/// The parts of a sealed event in clear.
#[derive(Clone)]
pub struct EventSource {
    pub event: Arc<str>,
    /// The user behind a client's event.
    pub user_id: Option<Arc<str>>,
}

impl EventSource {
    /// An event of a backend.
    pub fn backend(event: &str) -> Self {
        Self { event: event.into(), user_id: None }
    }
}

impl SealedFrame {
    fn new(source: &EventSource, sealed: &Sealed) -> Self {
        let message = Message::sealed(&source.event, source.user_id.as_deref(), sealed);
        Self {
            version: sealed.version(),
            source: source.clone(),
            frame: Frame::new(&message),
            envelope: sealed.envelope().clone(),
        }
    }

    /// The same event for another version, at its place in the log.
    fn resealed(&self, sealed: &Sealed) -> Self {
        let fresh = Self::new(&self.source, sealed);
        match self.frame.place() {
            Some(place) => {
                Self { frame: fresh.frame.logged(place.number(), place.position()), ..fresh }
            }
            None => fresh,
        }
    }
}

impl SealedFrames {
    pub fn new<'a>(source: &EventSource, sealed: impl IntoIterator<Item = &'a Sealed>) -> Self {
        Self(sealed.into_iter().map(|sealed| SealedFrame::new(source, sealed)).collect())
    }

    /// The same event, sealed for another version alone.
    pub fn with(&self, sealed: &Sealed) -> Self {
        Self(self.0.first().map(|first| first.resealed(sealed)).into_iter().collect())
    }

    /// The frame for this version.
    pub fn of(&self, version: Version) -> Option<&Frame> {
        self.find(version).map(|sealed| &sealed.frame)
    }

    fn find(&self, version: Version) -> Option<&SealedFrame> {
        self.0.iter().find(|sealed| sealed.version == version)
    }

    /// The wanted versions and no others, the newest first. `seal` makes the missing ones; it may
    /// fail for an older version whose key was just retired.
    pub fn adapted<E>(
        &self,
        wanted: &[Version],
        mut seal: impl FnMut(Version) -> Result<Sealed, E>,
    ) -> Result<Self, E> {
        if self.0.iter().map(|sealed| sealed.version).eq(wanted.iter().copied()) {
            return Ok(self.clone());
        }
        // There is always a first one: an event is sealed before it is known where it goes.
        let Some(first) = self.0.first() else { return Ok(self.clone()) };
        let mut frames = Vec::with_capacity(wanted.len());
        for version in wanted {
            match self.find(*version) {
                Some(sealed) => frames.push(sealed.clone()),
                None => match seal(*version) {
                    Ok(sealed) => frames.push(first.resealed(&sealed)),
                    Err(error) if frames.is_empty() => return Err(error),
                    Err(_) => {}
                },
            }
        }
        Ok(Self(frames.into()))
    }

    /// The frame of the newest version, which is first.
    pub fn newest(&self) -> Option<&Frame> {
        self.0.first().map(|sealed| &sealed.frame)
    }

    /// The same event as an entry of its channel's log.
    pub fn logged(&self, number: u64, position: Option<&str>) -> Self {
        let logged = |sealed: &SealedFrame| SealedFrame {
            frame: sealed.frame.logged(number, position),
            ..sealed.clone()
        };
        Self(self.0.iter().map(logged).collect())
    }

    /// The envelope of the newest version.
    pub fn envelope(&self) -> Option<&Arc<str>> {
        self.0.first().map(|sealed| &sealed.envelope)
    }

    /// The envelope for this version.
    pub fn envelope_of(&self, version: Version) -> Option<&Arc<str>> {
        self.find(version).map(|sealed| &sealed.envelope)
    }

    /// The newest version.
    pub fn version(&self) -> Option<Version> {
        self.0.first().map(|sealed| sealed.version)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.0.iter().map(|sealed| &sealed.frame)
    }

    /// All frames with their envelopes.
    pub fn envelopes(&self) -> impl Iterator<Item = (&Frame, &Arc<str>)> {
        self.0.iter().map(|sealed| (&sealed.frame, &sealed.envelope))
    }

    /// Bytes of one frame; frames of different versions differ by little.
    pub fn bytes(&self) -> usize {
        self.0.first().map_or(0, |sealed| sealed.frame.bytes())
    }

    fn reseal(&self, resealer: &Resealer) -> Option<Self> {
        let before = self.find(resealer.from())?;
        let sealed = resealer.reseal(&before.envelope)?;
        Some(Self([before.resealed(&sealed)].into()))
    }
}

/// Reseals events, each once, regardless of the number of gates that buffer it.
pub struct ResealCache<'a> {
    resealer: Option<&'a Resealer>,
    /// Keyed by the address of the original, which is kept alive so that the address stays unique.
    done: HashMap<usize, (SealedFrames, Option<SealedFrames>)>,
}

impl<'a> ResealCache<'a> {
    pub fn new(resealer: Option<&'a Resealer>) -> Self {
        Self { resealer, done: HashMap::new() }
    }

    pub fn reseal(&mut self, frames: &SealedFrames) -> Option<SealedFrames> {
        let address = frames.0.as_ptr().addr();
        let resealer = self.resealer?;
        let reseal = || (frames.clone(), frames.reseal(resealer));
        self.done.entry(address).or_insert_with(reseal).1.clone()
    }
}
