//! What was revoked, as Redis keeps it for the nodes that join later.
//!
//! Redis may forget it: each node adds what it knows and Redis does not have.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{NodeDriver, Reach, token::NodeToken};
use crate::cluster::{
    content::{BeatContent, NodeRequest, NoteContent, RequestContent, RevocationContent},
    membership::values::{count, id, pairs},
    names::{Incarnation, NodeSlot},
    node::{keys::control_keys, sealing::NodeTopic},
    redis::{
        control::NodeEntry,
        revocations::{self, KeptRevocation, LIFETIME_MS},
    },
    stored::StoredPlace,
};

/// Redis is asked how much it has once in this time.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// The state of the copy in Redis.
pub(super) struct RevocationCopy {
    next_check: Instant,
    /// Redis may have lost some.
    is_suspect: bool,
    /// By app.
    looks: BTreeMap<Arc<str>, LastLook>,
    /// Of the last reading: answers to an earlier one are not used.
    pub(super) reading: u64,
    /// Apps that are not read to the end.
    pub(super) unread: usize,
    /// The node becomes a member once all is read.
    pub(super) is_awaited: bool,
    /// To be written by a member.
    pub(super) repairs: Vec<RevocationRepair>,
}

/// What a reading has found to be wrong in Redis.
pub(super) struct RevocationRepair {
    pub app: Arc<str>,
    /// `RevocationContent`s.
    pub missing: Vec<Bytes>,
    /// Fields.
    pub expired: Vec<Bytes>,
}

/// What Redis had of an app.
#[derive(Default)]
struct LastLook {
    count: usize,
    /// Of those that had not expired, in order.
    times_ms: VecDeque<u64>,
    /// Expired ones that may still be there.
    expired: usize,
}

impl LastLook {
    /// True if more are gone than have expired.
    fn is_short(&mut self, count: usize, now_ms: u64) -> bool {
        let is_over = |at: &mut u64| at.saturating_add(LIFETIME_MS) < now_ms;
        while self.times_ms.pop_front_if(is_over).is_some() {
            self.expired += 1;
        }
        let gone = self.count.saturating_sub(count);
        let is_short = gone > self.expired;
        self.expired = self.expired.saturating_sub(gone);
        self.count = count;
        is_short
    }
}

impl RevocationCopy {
    pub fn new(now: Instant) -> Self {
        Self {
            next_check: now + CHECK_INTERVAL,
            is_suspect: false,
            looks: BTreeMap::new(),
            reading: 0,
            unread: 0,
            is_awaited: false,
            repairs: Vec::new(),
        }
    }

    pub fn next_check(&self) -> Instant {
        self.next_check
    }

    pub fn suspect(&mut self) {
        self.is_suspect = true;
    }

    pub fn begin_reading(&mut self, apps: usize) {
        self.is_suspect = false;
        self.reading += 1;
        self.unread = apps;
        self.repairs.clear();
    }

    /// The connection is lost. Answers may still come.
    pub fn stop_reading(&mut self) {
        self.begin_reading(0);
        self.is_awaited = false;
    }

    pub fn looked(&mut self, app: Arc<str>, mut times_ms: Vec<u64>, count: usize) {
        times_ms.sort_unstable();
        let expired = count.saturating_sub(times_ms.len());
        self.looks.insert(app, LastLook { count, times_ms: times_ms.into(), expired });
    }
}

/// True if Redis keeps the revocation that was written.
pub(super) fn is_kept(written: &Value) -> bool {
    match (revocations::read_written(written), written) {
        (Some(KeptRevocation::Kept), _) => return true,
        (Some(KeptRevocation::Full), _) => tracing::error!(
            "Redis keeps as many revocations of the app as it may have: a node that is cut off may not hear of this one"
        ),
        (None, Value::ServerError(error)) => {
            tracing::error!(%error, "Redis does not keep a revocation");
        }
        (None, _) => tracing::error!("Redis does not keep a revocation"),
    }
    false
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
        Some(revocations::write(&key, &field, revocation.at_ms(), &value.ok()?))
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
        let ask = |app: &Arc<str>| revocations::count(&self.revocations_key(app));
        let commands: Vec<Cmd> = apps.iter().map(ask).collect();
        if self.reach == Reach::Joined && !commands.is_empty() {
            self.links.read(commands, NodeToken::RevocationCounts(apps));
        }
    }

    pub(super) fn revocations_counted(&mut self, apps: Vec<Arc<str>>, answers: &[Value]) {
        let now_ms = self.sealing.redis_ms();
        for (app, answer) in apps.into_iter().zip(answers) {
            let Some(count) = count(answer) else { continue };
            let is_short = self.revocations.looks.entry(app).or_default().is_short(count, now_ms);
            self.revocations.is_suspect |= is_short;
        }
    }

    /// A node that is no member writes nothing.
    pub(super) fn repair_revocations(&mut self) {
        if self.reach != Reach::Joined {
            return;
        }
        for RevocationRepair { app, missing, expired } in
            std::mem::take(&mut self.revocations.repairs)
        {
            let key = self.revocations_key(&app);
            for fields in expired.chunks(revocations::PAGE) {
                self.links.read(vec![revocations::forget(&key, fields)], NodeToken::Note);
            }
            self.add_revocations(&app, &missing);
        }
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

    pub(super) fn revocations_key(&self, app: &str) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revocations_that_expire_are_not_missed() {
        let mut copy = RevocationCopy::new(Instant::now());
        let app: Arc<str> = "app".into();
        // One of the five had expired already.
        copy.looked(app.clone(), vec![30, 10, 20, 40], 5);
        let mut is_short = |count, now_ms| {
            copy.looks.get_mut(&app).expect("a look").is_short(count, LIFETIME_MS + now_ms)
        };
        assert!(!is_short(5, 5) && !is_short(4, 5));
        assert!(!is_short(6, 15), "two were added");
        assert!(!is_short(5, 15) && is_short(4, 15));
        assert!(!is_short(4, 35), "two have expired");
        assert!(!is_short(2, 35) && is_short(1, 35) && !is_short(1, 35));
    }
}
