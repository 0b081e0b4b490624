//! The keys of an app as all nodes have them.
//!
//! The key file of a node is the truth about what the node knows, and Redis has a copy of what all
//! know. Both only grow ([`SharedKeys`]): a node takes what Redis has, and writes the union if that is
//! more. So lost writes and older copies are mended by whichever node looks next.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    cluster::{
        content::{NodeRequest, ReplyContent, RequestContent, TableContent},
        key_tables::{KeyTables, KeyWraps, OpenedTable},
        node::{asking::Unacknowledged, host::Company},
    },
    crypto::{
        key::Fingerprint,
        keyring::KeyRing,
        keytable::{KeyTable, sharing::MissingKey},
        secret::{Derivation, SharedSalt},
        shared_keys::{KeyConflict, SharedKeys},
    },
    domain::time::UnixSeconds,
    engine::{
        AppRuntime, Engine,
        keys::{key_counts::KeyCounts, key_errors::RotationError},
    },
    platform::{
        clock::{unix_micros, unix_now},
        state_dir::UntilRestart,
    },
};

/// What this node knows of an app's keys on all nodes.
#[derive(Default)]
pub struct ClusterKeys {
    /// Locked after the app's changes of keys.
    known: Mutex<KnownTable>,
    /// One change that begins here at a time. Held while other nodes are asked, and so locked before
    /// all others.
    pub(super) turn: Mutex<()>,
}

#[derive(Default)]
struct KnownTable {
    /// What Redis had was taken.
    has_begun: bool,
    /// More than the table in use says: a table has one active key, and forgets.
    union: SharedKeys,
    wraps: KeyWraps,
    first_salt: FirstSalt,
}

/// The salt of a node that has none of its cluster yet. A node that finds no other alive draws one:
/// what a copy of Redis had opens nothing more. It is in use once Redis has it, so that of nodes that
/// begin together one is first.
#[derive(Default)]
struct FirstSalt {
    drawn: Option<SharedSalt>,
    /// The one of before.
    dead: Option<SharedSalt>,
}

impl FirstSalt {
    /// The salt to begin with. `None`: Redis has to take the drawn one first.
    fn choose(
        &mut self,
        stored: Option<SharedSalt>,
        company: Company,
        draw: impl FnOnce() -> SharedSalt,
    ) -> Option<SharedSalt> {
        let is_living = match self.drawn {
            Some(_) => stored != self.dead,
            None => company == Company::Others,
        };
        if let Some(stored) = stored.filter(|_| is_living) {
            *self = Self::default();
            return Some(stored);
        }
        self.dead = stored;
        self.drawn.get_or_insert_with(draw);
        None
    }
}

/// Why this node cannot have the keys of its cluster. Each sentence names the cure.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum KeyRefusal {
    #[error(
        "the master key of app {app} is {own} on this node and {other} in the cluster: give all nodes the same apps.{app}.master_key. To have another one, rotate to it on a node that is ready (`sealcast keys rotate --app {app}`)"
    )]
    OtherKey { app: Arc<str>, own: Fingerprint, other: Fingerprint },
    #[error(
        "key {number} of app {app} is {own} on this node and {other} in the cluster: stop this node, move {app}.keys.json out of its state directory, and start it with a master key of the cluster. If this node's keys are the right ones, do so with the others"
    )]
    Conflict { app: Arc<str>, number: u32, own: Fingerprint, other: Fingerprint },
    #[error(
        "the derivation of app {app} on this node differs from that in the cluster: give all nodes the same apps.{app}.derivation"
    )]
    Derivation { app: Arc<str> },
    #[error(
        "the keys of app {app} in Redis were written by a version that this one does not understand: update node by node, without skipping a version"
    )]
    Unreadable { app: Arc<str> },
}

impl KeyRefusal {
    fn of_conflict(app: &Arc<str>, KeyConflict { number, own, other }: KeyConflict) -> Self {
        Self::Conflict { app: app.clone(), number, own, other }
    }
}

/// A table that was taken.
struct TakenTable {
    /// It lacked something.
    is_behind: bool,
    saved: Result<(), UntilRestart>,
}

/// What a table is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TableKind {
    /// All that Redis has.
    Whole(Company),
    /// What another node has changed.
    Change,
}

impl Engine {
    /// The time of changes of keys: nodes agree on it.
    pub(in crate::engine) fn key_clock(&self) -> UnixSeconds {
        let redis_ms = self.cluster.node().and_then(|node| node.status().redis_ms());
        redis_ms.map_or_else(unix_now, |ms| ms / 1000)
    }

    /// A node that has never been a member does not know the numbers of the cluster's keys.
    pub(in crate::engine) fn check_numbers(&self, table: &KeyTable) -> Result<(), RotationError> {
        let is_alone = self.cluster.node().is_none();
        if is_alone || table.is_shared() { Ok(()) } else { Err(RotationError::Away) }
    }

    /// Takes what Redis has of an app. True if Redis lacks something. For threads that may wait.
    pub(super) fn take_stored_table(
        &self,
        app: &str,
        stored: Option<&[u8]>,
        company: Company,
    ) -> Result<bool, KeyRefusal> {
        let Some(runtime) = self.runtimes().by_id(app).cloned() else { return Ok(false) };
        let content = stored.map(TableContent::parse).transpose();
        let content = content.map_err(|_| KeyRefusal::Unreadable { app: runtime.id.clone() })?;
        let taken = self.take_table(&runtime, content.as_ref(), TableKind::Whole(company))?;
        Ok(taken.is_some_and(|taken| taken.is_behind))
    }

    /// Takes what another node has changed. `None`: it could not be taken and saved.
    pub(super) fn take_changed_table(
        &self,
        runtime: &AppRuntime,
        content: &TableContent<'_>,
    ) -> Option<()> {
        if !runtime.cluster_keys.known.lock().has_begun {
            return None;
        }
        match self.take_table(runtime, Some(content), TableKind::Change) {
            // A blind app has nothing to take.
            Ok(None) => Some(()),
            Ok(Some(taken)) => taken.saved.ok(),
            Err(refusal) => {
                tracing::error!(error = %refusal, "a change of keys on another node is not taken");
                None
            }
        }
    }

    fn take_table(
        &self,
        runtime: &AppRuntime,
        content: Option<&TableContent<'_>>,
        kind: TableKind,
    ) -> Result<Option<TakenTable>, KeyRefusal> {
        let _one_at_a_time = runtime.key_changes.lock();
        let (Some(node), Some(ring)) = (self.cluster.node(), runtime.keys()) else {
            return Ok(None);
        };
        let own = ring.table();
        let stored = self.open_table(node.key_tables(), runtime, &ring, content, kind)?;
        let mut known = runtime.cluster_keys.known.lock();
        let mut union = self.united(runtime, &ring, &known.union, &stored.shared, kind)?;
        if let TableKind::Whole(company) = kind
            && ring.derivation() == Derivation::Hkdf
            && own.shared_salt().is_none()
        {
            let draw = || self.draw_salt(&ring, &stored.shared);
            let first = known.first_salt.choose(stored.shared.salt(), company, draw);
            union = union.with_salt(first);
        }
        let union = union.without_old(self.clock.now().earliest);
        let next = own.viewing(&union, &stored.masters).map_err(|MissingKey(other)| {
            KeyRefusal::OtherKey { app: runtime.id.clone(), own: own.active().id.clone(), other }
        })?;
        let is_other = stored.derivation != ring.derivation();
        let is_behind = is_other
            || known.first_salt.drawn.is_some()
            || !union.beyond(&stored.shared).is_empty();
        content.iter().for_each(|content| known.wraps.take(content));
        KeyTables::forget(&mut known.wraps, &union);
        (known.union, known.has_begun) = (union, true);
        drop(known);
        next.newest_revocation().into_iter().for_each(|at| self.clock.advance_to(at));
        let saved = self.take_over(runtime, &ring, next);
        Ok(Some(TakenTable { is_behind, saved }))
    }

    fn open_table(
        &self,
        tables: &KeyTables,
        runtime: &AppRuntime,
        ring: &KeyRing,
        content: Option<&TableContent<'_>>,
        kind: TableKind,
    ) -> Result<OpenedTable, KeyRefusal> {
        let mut masters = ring.table().masters();
        // The configuration may name a key that another node has announced already.
        let waiting = runtime.waiting_key();
        masters.extend(waiting.map(|key| (key.fingerprint(), key)));
        let derivation = ring.derivation();
        let Some(content) = content else {
            return Ok(OpenedTable { derivation, shared: SharedKeys::default(), masters });
        };
        let app = || runtime.id.clone();
        if content.derivation != derivation && kind != TableKind::Whole(Company::None) {
            return Err(KeyRefusal::Derivation { app: app() });
        }
        let opened = tables.open(&runtime.id, content, &masters);
        opened.map_err(|_| KeyRefusal::Unreadable { app: app() })
    }

    /// All that is known.
    fn united(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        known: &SharedKeys,
        stored: &SharedKeys,
        kind: TableKind,
    ) -> Result<SharedKeys, KeyRefusal> {
        let (app, own) = (&runtime.id, ring.table());
        let conflict = |conflict| KeyRefusal::of_conflict(app, conflict);
        let mut own_keys = own.shared();
        let mut all = known.clone();
        if !own.is_shared() {
            let id = &own.active().id;
            if stored.keys().is_empty() {
                // The first node brings its keys.
                own_keys = own.as_shared().shared();
            } else if stored.number_of(id).is_none() {
                if kind != TableKind::Whole(Company::None) {
                    let other = stored.active().and_then(|active| stored.keys().get(&active));
                    let other = other.map_or_else(|| id.clone(), |key| key.id.clone());
                    return Err(KeyRefusal::OtherKey { app: app.clone(), own: id.clone(), other });
                }
                tracing::warn!(app.id = &**app, key.id = %id, "no other node is alive, and the keys in Redis are others: they are retired");
                let begun = stored.clone().succeeded_by(id.clone(), self.key_clock());
                all = all.merged(&begun).map_err(conflict)?;
            }
        }
        let all = own_keys.merged(&all).map_err(conflict)?;
        all.merged(stored).map_err(conflict)
    }

    fn draw_salt(&self, ring: &KeyRing, stored: &SharedKeys) -> SharedSalt {
        let redis_ms = self.cluster.node().and_then(|node| node.status().redis_ms());
        let now = redis_ms.map_or_else(unix_micros, |ms| ms * 1000);
        let before = stored.salt().map_or(0, |salt| salt.drawn);
        SharedSalt { drawn: now.max(before.saturating_add(1)), salt: ring.own_salt() }
    }

    /// All that this node knows of an app's keys, for Redis.
    pub(super) fn table_content(&self, app: &str) -> Option<Vec<u8>> {
        let (node, runtime) = (self.cluster.node()?, self.runtimes().by_id(app).cloned()?);
        let ring = runtime.keys()?;
        let mut known = runtime.cluster_keys.known.lock();
        if !known.has_begun {
            return None;
        }
        let known = &mut *known;
        let table = ring.table();
        let union = known.union.clone().merged(&table.shared()).ok()?;
        known.union = union.without_old(self.clock.now().earliest);
        let drawn = known.first_salt.drawn.filter(|_| table.shared_salt().is_none());
        let mut content = known.union.clone();
        content.add_salt(drawn);
        let all = (ring.derivation(), &content);
        let content = node.key_tables().close(app, all, &table.masters(), &mut known.wraps);
        content.inspect_err(|error| tracing::error!(%error, "keys are not kept in Redis")).ok()
    }

    /// Tells all nodes what has changed since `before`. For threads that may wait.
    pub(in crate::engine) fn tell_keys(
        &self,
        runtime: &AppRuntime,
        before: &KeyTable,
    ) -> Result<(), Unacknowledged> {
        let (Some(node), Some(ring)) = (self.cluster.node(), runtime.keys()) else {
            return Ok(());
        };
        let table = ring.table();
        let change = table.shared().beyond(&before.shared());
        let mut masters = before.masters();
        masters.extend(table.masters());
        let content = {
            let known = &mut *runtime.cluster_keys.known.lock();
            let all = (ring.derivation(), &change);
            node.key_tables().close(&runtime.id, all, &masters, &mut known.wraps)
        };
        match content {
            Ok(content) => node.share_table(&runtime.id, content.into()),
            Err(error) => {
                tracing::error!(%error, "the other nodes are not told of a change of keys");
                Err(Unacknowledged::Away)
            }
        }
    }

    /// Of this node, and of those that answer. For threads that may wait.
    pub(in crate::engine) fn key_counts_of_all(&self, runtime: &AppRuntime) -> KeyCounts {
        let mut sum = runtime.key_counts();
        let Some(node) = self.cluster.node() else { return sum };
        let request = RequestContent { app: &runtime.id, request: NodeRequest::CountKeys };
        for reply in node.ask_others(&request.to_bytes().into()) {
            if let Ok(ReplyContent::KeyCounts { behind, moves, counts }) =
                ReplyContent::parse(&reply)
            {
                sum.add(behind, counts);
                sum.moves.add(moves);
            }
        }
        sum
    }

    /// Events that wait for a key may have it now.
    pub(in crate::engine) fn look_at_keys_again(&self, runtime: &AppRuntime) {
        if self.cluster.node().is_none() {
            return;
        }
        for record in runtime.directory.records() {
            if record.channel().kind().is_encrypted()
                && let Some(mut locked) = record.enter()
            {
                self.keys_changed(runtime, &record, &mut locked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::Salt;

    fn salt(drawn: u64) -> SharedSalt {
        SharedSalt { drawn, salt: Salt::from_bytes([drawn as u8; 32]) }
    }

    #[test]
    fn node_takes_the_salt_of_the_living_and_draws_one_beside_the_dead() {
        let mut first = FirstSalt::default();
        let none = || panic!("there is one");
        assert_eq!(first.choose(Some(salt(1)), Company::Others, none), Some(salt(1)));
        for stored in [None, Some(salt(1))] {
            let mut first = FirstSalt::default();
            assert_eq!(first.choose(stored, Company::None, || salt(5)), None);
            // Redis does not have it yet.
            assert_eq!(first.choose(stored, Company::None, none), None);
            assert_eq!(first.drawn, Some(salt(5)));
            assert_eq!(first.choose(Some(salt(5)), Company::None, none), Some(salt(5)));
            assert_eq!(first.drawn, None);
        }
    }

    #[test]
    fn of_two_that_begin_together_the_first_wins() {
        let mut second = FirstSalt::default();
        assert_eq!(second.choose(Some(salt(1)), Company::None, || salt(9)), None);
        // The other one was quicker, and is no member yet.
        assert_eq!(second.choose(Some(salt(5)), Company::None, || salt(9)), Some(salt(5)));
        assert!(second.drawn.is_none());
    }
}
