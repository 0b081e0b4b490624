//! Models of clients, a gate and the wire between them, for tests and for the fuzzer.
#![allow(clippy::unwrap_used, reason = "what fails here is the model")]
#![cfg_attr(fuzzing, allow(dead_code, reason = "tests use more of it"))]

pub(super) mod serial;
pub(super) mod sleeper;

use super::{reauth::LATE_REAUTH_TIMEOUT, *};
use crate::{
    crypto::{
        key::MasterKey,
        keyring::KeyRing,
        keytable::{KeyTable, Version},
        padding::Padding,
        secret::Derivation,
        vectors::example_salt,
    },
    domain::{channel::Channel, limits::Rotation},
    hub::{
        Hub, delivery_delay::EventTiming, directory::Directory, mailbox::Audience,
        rekey::rekey_policy::AppRuntimeId,
    },
    protocol::{
        content::Content,
        form::Form,
        sealed::{EventSource, ResealCache},
    },
};

pub(super) const OLD: Version = Version { key: 1, epoch: 0 };
pub(super) const NEW: Version = Version { key: 2, epoch: 0 };
pub(super) const LATER: Version = Version { key: 3, epoch: 0 };
pub(super) const BUDGET: usize = 100_000;
pub(super) const EMPTY: &str = "{}";

pub(super) struct GateFixture {
    pub(super) ring: KeyRing,
    pub(super) channel: Channel,
    pub(super) record: Arc<Record>,
    pub(super) hub: Arc<Hub>,
    pub(super) policy: Arc<RekeyPolicy>,
    pub(super) start: Instant,
}

impl GateFixture {
    pub(super) fn new() -> Self {
        let key = |first: u8| MasterKey::from_bytes(std::array::from_fn(|i| first ^ (i as u8 * 7)));
        let table = KeyTable::new(key(1), 0).announced(key(2), 0, 0, 9).unwrap();
        let table = table.activated(0).unwrap().announced(key(3), 0, 0, 9).unwrap();
        let ring = KeyRing::new("app", table, Derivation::Pusher, example_salt(), Padding::None);
        let channel = Channel::parse("private-encrypted-x", 200).unwrap();
        let hub = Hub::new(1, 1000, 1000);
        let directory = Directory::new(hub.clone());
        let record = directory.with(&channel, |record, mut locked| {
            locked.join_key(OLD);
            record.clone()
        });
        let policy = Arc::new(RekeyPolicy::new(AppRuntimeId(0), &Rotation::default()));
        Self { ring, channel, record, hub, policy, start: Instant::now() }
    }

    pub(super) fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// An event of the channel. Empty ones are nudges and do not count as events.
    pub(super) fn frames(&self, text: &str, versions: &[Version]) -> SealedFrames {
        let seal = |v: &Version| self.ring.seal(&self.channel, *v, text.as_bytes()).unwrap();
        let sealed: Vec<_> = versions.iter().map(seal).collect();
        let frames = SealedFrames::new(&EventSource::backend("e"), &sealed);
        if text != EMPTY {
            let content = Content::Sealed(frames.clone());
            self.record.enter().unwrap().post(
                &self.hub,
                content,
                None,
                Audience::All,
                EventTiming::Untimed,
            );
        }
        frames
    }

    pub(super) fn next(&self, target: Version, forced: bool) -> PendingRekey {
        PendingRekey {
            target,
            nudge: self.frames(EMPTY, &[target]),
            forced,
            since: self.record.sequence(),
        }
    }

    pub(super) fn java_gate(&self) -> Gate {
        let mut gate = self.gate(Issuer::Server, false);
        gate.client = Reauthorization::LosesSecret;
        gate
    }

    pub(super) fn gate(&self, issuer: Issuer, forced: bool) -> Gate {
        let policy = self.policy.clone();
        Gate::new(self.record.clone(), policy, OLD, issuer, None, Some(self.next(NEW, forced)))
    }

    /// The auth endpoint answers at once.
    pub(super) fn ask(&self, gate: &mut Gate, ms: u64) -> Version {
        let (version, _) = gate.auth_requested(self.at(ms), None);
        gate.auth_answered(self.at(ms));
        version
    }

    pub(super) fn versions_in_use(&self) -> Vec<(Version, u32)> {
        self.record.enter().unwrap().keys().unwrap().counts().collect()
    }
}

/// A client that asks for a secret when a frame does not open, tries that frame once more, and
/// reads all later frames with its secret of that time.
pub(super) struct ModelClient<'a> {
    pub(super) bed: &'a GateFixture,
    pub(super) secret: Version,
    /// Frames for which an answer of the auth endpoint is outstanding.
    pub(super) stuck: Vec<String>,
    pub(super) read: Vec<String>,
    pub(super) auth_requests: usize,
    pub(super) lost: usize,
}

impl<'a> ModelClient<'a> {
    pub(super) fn new(bed: &'a GateFixture) -> Self {
        Self { bed, secret: OLD, stuck: Vec::new(), read: Vec::new(), auth_requests: 0, lost: 0 }
    }

    pub(super) fn open(&self, frame: &Frame) -> (Version, String) {
        let bytes = &frame.in_form(Form::Pusher);
        let start = bytes.iter().position(|b| *b == b'{').unwrap();
        let event: serde_json::Value = serde_json::from_slice(&bytes[start..]).unwrap();
        let envelope = event["data"].as_str().unwrap();
        let (version, text) = self.bed.ring.open(&self.bed.channel, envelope).unwrap();
        (version, String::from_utf8(text.to_vec()).unwrap())
    }

    pub(super) fn receive(&mut self, frame: &Frame) {
        let (version, text) = self.open(frame);
        if version == self.secret {
            self.read.push(text);
        } else {
            self.auth_requests += 1;
            self.stuck.push(format!("{}:{text}", version.key));
        }
    }

    /// The answer to its first open request.
    pub(super) fn answered(&mut self, version: Version) {
        self.secret = version;
        if self.stuck.is_empty() {
            return;
        }
        match self.stuck.remove(0).split_once(':').unwrap() {
            (key, text) if key == version.key.to_string() => self.read.push(text.to_owned()),
            _ => self.lost += 1,
        }
    }
}

pub(super) const BOTH: &[Version] = &[NEW, OLD];
