//! A table of keys that comes from other servers: it is installed, and whatever follows from it is
//! cut.

use std::{collections::BTreeSet, io, sync::Arc, time::Instant};

use super::rotation::last_plaintext;
use crate::{
    crypto::{
        keyring::KeyRing,
        keytable::{KeyEntry, KeyState, KeyTable},
    },
    engine::{AppRuntime, Engine},
    hub::{mailbox::ForcedRekey, record::Record},
    observe::audit::RevocationList,
    platform::state_dir::UntilRestart,
};

/// What a channel has to do for its next version.
enum Move {
    None,
    /// In turn.
    Rekey,
    /// At once.
    Cut(ForcedRekey),
}

/// What is different in the next table.
struct TableChange<'a> {
    before: &'a KeyTable,
    next: &'a KeyTable,
    raised: BTreeSet<Arc<str>>,
    is_rotated: bool,
    /// The key that sealed is revoked, or the salt is another one.
    is_cut: bool,
}

impl Engine {
    /// Saves the table, installs it, and cuts what it ends. Call it with the lock on the app's
    /// changes of keys. The table is in force even if it cannot be saved.
    pub(in crate::engine) fn take_over(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        next: KeyTable,
    ) -> Result<(), UntilRestart> {
        let before = ring.table();
        if next.is_kept_as(&before) {
            let is_same = next.shared_salt() == before.shared_salt();
            if !is_same || !before.is_shared() {
                self.install_and_cut(runtime, ring, &before, next);
            }
            return Ok(());
        }
        // In the file before anything is sealed with it.
        self.change_and_cut(runtime, ring, next.clone()).or_else(|_| {
            self.install_and_cut(runtime, ring, &before, next);
            self.write_keys(runtime, ring)
        })
    }

    /// The same for a change that begins here: if it cannot be saved, nothing has changed.
    pub(in crate::engine) fn change_and_cut(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        next: KeyTable,
    ) -> io::Result<()> {
        let before = ring.table();
        let install = |next| self.install_and_cut(runtime, ring, &before, next);
        let had_waited = runtime.key_store.change(next, install)?;
        self.note_written(runtime, RevocationList::Keys, had_waited);
        Ok(())
    }

    fn install_and_cut(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        before: &Arc<KeyTable>,
        next: KeyTable,
    ) {
        let change = TableChange::new(before, &next);
        let is_changed = change.is_rotated || change.is_cut || !change.raised.is_empty();
        if change.is_rotated && !change.is_cut {
            // No subscription may have two rekeys ahead.
            self.close_stragglers(runtime, runtime.behind());
        }
        self.note_installed(runtime, before, &next);
        ring.install_beside(next.clone());
        let records = if is_changed { runtime.directory.records() } else { Vec::new() };
        for record in &records {
            self.move_record(runtime, ring, record, &change);
        }
        ring.settle();
        self.close_retired(runtime, before, &next);
        for revocation in next.revocations() {
            if before.is_revoked(&revocation.channel, &revocation.user) < Some(revocation.at) {
                runtime.app().authorizer.forget(&revocation.user, revocation.at);
            }
        }
        self.look_at_keys_again(runtime);
    }

    fn move_record(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        record: &Record,
        change: &TableChange<'_>,
    ) {
        if runtime.ring(record.channel()).is_none() {
            return;
        }
        let Some(mut locked) = record.enter() else { return };
        let forced = match change.of(runtime, record.channel().name()) {
            Move::None => return,
            Move::Rekey => None,
            Move::Cut(forced) => Some(forced),
        };
        let last = last_plaintext(ring, &locked);
        let last = last.as_ref().map(|text| text.as_slice());
        self.rekey(runtime, ring, &mut locked, last, forced.as_ref());
    }

    fn close_retired(&self, runtime: &AppRuntime, before: &KeyTable, next: &KeyTable) {
        for key in next.keys().iter().filter(|key| key.state == KeyState::Retired) {
            let was_served =
                |it: &KeyEntry| matches!(it.state, KeyState::Grace | KeyState::Pending);
            if before.by_number(key.number).is_some_and(was_served) {
                self.close_subscribers(runtime, key.number, Instant::now());
                runtime.retiring.lock().remove(&key.number);
            }
        }
    }
}

impl<'a> TableChange<'a> {
    fn new(before: &'a KeyTable, next: &'a KeyTable) -> Self {
        let sealed = before.active();
        let is_rotated = next.active().id != sealed.id;
        let now = next.by_id(sealed.id.as_str()).map(|key| key.state);
        let is_revoked = is_rotated && matches!(now, None | Some(KeyState::Retired));
        Self {
            raised: next.raised_since(before).cloned().collect(),
            is_rotated,
            is_cut: is_revoked || next.shared_salt() != before.shared_salt(),
            before,
            next,
        }
    }

    fn of(&self, runtime: &AppRuntime, channel: &Arc<str>) -> Move {
        if self.is_cut || self.raised.contains(channel) {
            let revoked = self.next.revoked_since(self.before, channel);
            let revoked = revoked.map(|it| runtime.revoked_user(&it.user)).collect();
            return Move::Cut(ForcedRekey { revoked });
        }
        if self.is_rotated { Move::Rekey } else { Move::None }
    }
}
