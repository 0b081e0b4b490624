//! What was revoked, as Redis keeps it for the nodes that join later.
//!
//! A node reads it before it becomes a member, and again whenever it was out of reach. Redis may
//! forget it: each node adds what it knows and Redis does not have.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Value};
use zeroize::Zeroizing;

use super::{NodeDriver, Reach, token::NodeToken};
use crate::cluster::{
    content::{BeatContent, NodeRequest, NoteContent, RequestContent, RevocationContent},
    membership::values::{count, id, pairs},
    names::{Incarnation, NodeSlot},
    node::{keys::control_keys, sealing::NodeTopic},
    redis::control::NodeEntry,
    rejection::ClusterRejection,
    stored::StoredPlace,
};

/// Redis is asked how much it has once in this time.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Longer than tokens live, and than a node is expected to be cut off.
const LIFETIME_MS: u64 = 25 * 60 * 60 * 1000;

/// The state of the copy in Redis.
pub(super) struct RevocationCopy {
    next_check: Instant,
    /// Redis may have lost some.
    is_suspect: bool,
    /// By app, as of the last look.
    counts: BTreeMap<Arc<str>, usize>,
}

impl RevocationCopy {
    pub fn new(now: Instant) -> Self {
        Self { next_check: now + CHECK_INTERVAL, is_suspect: false, counts: BTreeMap::new() }
    }

    pub fn next_check(&self) -> Instant {
        self.next_check
    }

    pub fn suspect(&mut self) {
        self.is_suspect = true;
    }
}

impl NodeDriver {
    /// For nodes that join later.
    pub(super) fn keep_revocation(
        &self,
        app: &str,
        revocation: &RevocationContent<'_>,
    ) -> Option<Cmd> {
        let key = self.revocations_key(app);
        let field = self.sealing.names.revocation(app, revocation.kind(), revocation.name());
        let place = StoredPlace { key: &key, field: &field, generation: 0 };
        let value = self.sealing.stored.seal(place, &revocation.to_bytes());
        let value = value.inspect_err(|error| tracing::error!(%error, "a revocation is not kept"));
        let mut command = redis::cmd("HSET");
        command.arg(&key[..]).arg(&field[..]).arg(value.ok()?);
        Some(command)
    }

    pub(super) fn read_revocations(&mut self) {
        self.revocations.is_suspect = false;
        let apps = self.host.apps();
        let read = |app: &Arc<str>| {
            let mut command = redis::cmd("HGETALL");
            command.arg(self.revocations_key(app));
            command
        };
        let commands: Vec<Cmd> = apps.iter().map(read).collect();
        if !commands.is_empty() {
            self.links.read(commands, NodeToken::Revocations(apps));
        }
    }

    pub(super) fn check_revocations(&mut self, now: Instant) {
        if self.reach == Reach::Joined && self.revocations.is_suspect {
            self.read_revocations();
        }
        if now < self.revocations.next_check {
            return;
        }
        self.revocations.next_check = now + CHECK_INTERVAL;
        let apps = self.host.apps();
        let ask = |app: &Arc<str>| {
            let mut command = redis::cmd("HLEN");
            command.arg(self.revocations_key(app));
            command
        };
        let commands: Vec<Cmd> = apps.iter().map(ask).collect();
        if self.reach == Reach::Joined && !commands.is_empty() {
            self.links.read(commands, NodeToken::RevocationCounts(apps));
        }
    }

    pub(super) fn revocations_counted(&mut self, apps: Vec<Arc<str>>, answers: &[Value]) {
        for (app, answer) in apps.into_iter().zip(answers) {
            let Some(count) = count(answer) else { continue };
            let before = self.revocations.counts.insert(app, count);
            self.revocations.is_suspect |= before.is_some_and(|before| count < before);
        }
    }

    pub(super) fn revocations_read(&mut self, apps: Vec<Arc<str>>, answers: Vec<Value>) {
        for (app, answer) in apps.into_iter().zip(answers) {
            let Some(stored) = pairs(answer) else { continue };
            self.revocations.counts.insert(app.clone(), stored.len());
            self.take_revocations(&app, &stored);
        }
    }

    fn take_revocations(&mut self, app: &Arc<str>, stored: &[(Bytes, Bytes)]) {
        let key = self.revocations_key(app);
        let opened = stored.iter().filter_map(|(field, value)| {
            let opened = self.open_revocation(&key, field, value);
            Some((field, self.status.rejected.counted(opened).ok()?))
        });
        let opened: Vec<_> = opened.collect();
        let (mut revocations, mut expired) = (Vec::new(), Vec::new());
        for (field, content) in &opened {
            let revocation = RevocationContent::parse(content);
            let Ok(revocation) = self.status.rejected.counted(revocation) else { continue };
            match revocation.at_ms().saturating_add(LIFETIME_MS) < self.sealing.redis_ms() {
                true => expired.push(*field),
                false => revocations.push(revocation),
            }
        }
        let missing = self.host.take_revocations(app, &revocations);
        // A node that is no member writes nothing.
        if self.reach != Reach::Joined {
            return;
        }
        self.forget_revocations(&key, &expired);
        self.add_revocations(app, &missing);
    }

    fn forget_revocations(&mut self, key: &[u8], expired: &[&Bytes]) {
        if expired.is_empty() {
            return;
        }
        let mut command = redis::cmd("HDEL");
        command.arg(key);
        expired.iter().for_each(|field| {
            command.arg(&field[..]);
        });
        self.links.read(vec![command], NodeToken::Note);
    }

    /// What Redis lacks, other nodes may lack as well.
    fn add_revocations(&mut self, app: &str, missing: &[Bytes]) {
        for content in missing {
            let Ok(revocation) = RevocationContent::parse(content) else { continue };
            let kept = self.keep_revocation(app, &revocation);
            kept.into_iter().for_each(|command| self.links.read(vec![command], NodeToken::Note));
            let request = RequestContent { app, request: NodeRequest::Revoke(revocation) };
            let note = NoteContent::Request { reply_to: None, body: &request.to_bytes() };
            self.send_note(NodeTopic::Everyone, &note);
        }
    }

    fn open_revocation(
        &self,
        key: &[u8],
        field: &[u8],
        value: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ClusterRejection> {
        self.sealing.stored.open(StoredPlace { key, field, generation: 0 }, value)
    }

    fn revocations_key(&self, app: &str) -> Vec<u8> {
        self.sealing.layout.control().revoked_tokens(&self.sealing.names.app(app))
    }

    pub(super) fn living_command(&self) -> Cmd {
        let mut command = redis::cmd("HGETALL");
        command.arg(&control_keys(&self.sealing.layout).nodes[..]);
        command
    }

    /// The other nodes that are alive.
    pub(super) fn living_nodes(&self, answer: &Value) -> Option<BTreeMap<Incarnation, NodeSlot>> {
        let key = control_keys(&self.sealing.layout).nodes;
        let entries = pairs(answer.clone())?;
        let living = entries.iter().filter_map(|(node, entry)| {
            let incarnation = Incarnation::from_bytes(id(node)?);
            let Some(NodeEntry::Alive { beat }) = NodeEntry::parse(entry) else { return None };
            let place = StoredPlace { key: &key, field: node, generation: 0 };
            let beat = BeatContent::parse(&self.sealing.stored.open(place, beat).ok()?).ok()?;
            Some((incarnation, beat.slot))
        });
        let own = self.sealing.incarnation();
        Some(living.filter(|(node, _)| *node != own).collect())
    }
}
