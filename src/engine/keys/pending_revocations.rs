//! Revocations in force but not yet on disk: a revocation must work without a disk.

use std::{borrow::Cow, io, sync::Arc, time::Instant};

use crate::{
    crypto::keyring::KeyRing,
    domain::refusal::RefusalCode,
    engine::{AppRuntime, Engine, facts::Fact, readiness::Unready},
    observe::audit::{AuditFact, RevocationList},
    platform::state_dir::UntilRestart,
};

const UNTIL_RESTART: Unready = Unready {
    code: RefusalCode::RevokedUntilRestart.name(),
    reason: Cow::Borrowed(
        "A revocation is in force and could not be written to the state directory: a restart would undo it. The server writes it as soon as the disk allows",
    ),
};

impl Engine {
    /// Writes the current keys after a revocation.
    pub(in crate::engine) fn write_keys(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
    ) -> Result<(), UntilRestart> {
        let written = runtime.key_store.write_down(ring);
        self.note_revocation(runtime, RevocationList::Keys, written)
    }

    /// Writes the revoked access tokens.
    pub(in crate::engine) fn write_tokens(&self, runtime: &AppRuntime) -> Result<(), UntilRestart> {
        let written = runtime.app_snapshot().access.revoked.write_down();
        self.note_revocation(runtime, RevocationList::Tokens, written)
    }

    fn note_revocation(
        &self,
        runtime: &AppRuntime,
        list: RevocationList,
        written: io::Result<bool>,
    ) -> Result<(), UntilRestart> {
        match written {
            Ok(had_waited) => {
                self.note_written(runtime, list, had_waited);
                Ok(())
            }
            Err(error) => {
                if runtime.failed(list) {
                    tracing::error!(
                        app.id = &*runtime.id,
                        revocation.list = list.name(),
                        %error,
                        "a revocation is in force and cannot be written to the state directory: a restart would undo it; it is tried again"
                    );
                }
                self.note(Fact::Audited(AuditFact::RevocationNotWritten {
                    app: runtime.id.clone(),
                    list,
                }));
                Err(UntilRestart(error))
            }
        }
    }

    pub(in crate::engine) fn note_written(
        &self,
        runtime: &AppRuntime,
        list: RevocationList,
        had_waited: bool,
    ) {
        if had_waited {
            tracing::info!(
                app.id = &*runtime.id,
                revocation.list = list.name(),
                "pending revocations have been written to the state directory"
            );
            self.note(Fact::Audited(AuditFact::RevocationWritten {
                app: runtime.id.clone(),
                list,
            }));
        }
    }

    /// True if an unwritten revocation is due for its next attempt.
    pub(in crate::engine) fn writes_are_due(&self, now: Instant) -> bool {
        self.runtimes_and_removed()
            .iter()
            .any(|runtime| RevocationList::ALL.iter().any(|list| runtime.is_due(*list, now)))
    }

    /// Retries due writes.
    pub(in crate::engine) fn write_pending(&self, now: Instant) {
        for runtime in self.runtimes_and_removed() {
            for list in RevocationList::ALL.into_iter().filter(|list| runtime.is_due(*list, now)) {
                self.retry_write(&runtime, list);
            }
        }
    }

    fn retry_write(&self, runtime: &AppRuntime, list: RevocationList) {
        let written = match (list, runtime.keys()) {
            (RevocationList::Keys, Some(ring)) => runtime.key_store.write_down(&ring),
            (RevocationList::Keys, None) => return,
            (RevocationList::Tokens, _) => runtime.app_snapshot().access.revoked.write_down(),
        };
        match written {
            Ok(had_waited) => self.note_written(runtime, list, had_waited),
            Err(_) => _ = runtime.failed(list),
        }
    }

    /// The last attempt, at shutdown.
    pub fn write_pending_at_shutdown(&self) {
        for runtime in self.runtimes_and_removed() {
            for list in RevocationList::ALL.into_iter().filter(|list| runtime.is_unwritten(*list)) {
                self.retry_write(&runtime, list);
                if runtime.is_unwritten(list) {
                    tracing::error!(
                        app.id = &*runtime.id,
                        revocation.list = list.name(),
                        "revocations were never written to the state directory and end with this process: revoke again after the start"
                    );
                }
            }
        }
    }

    /// For operators only: a stranger could learn when crashing the server undoes a revocation.
    pub fn notices(&self) -> Vec<Unready> {
        let waits = self.runtimes_and_removed().iter().any(|runtime| runtime.has_unwritten());
        waits.then_some(UNTIL_RESTART).into_iter().collect()
    }

    fn runtimes_and_removed(&self) -> Vec<Arc<AppRuntime>> {
        let mut all: Vec<_> = self.runtimes().iter().cloned().collect();
        all.extend(self.removed_runtimes());
        all
    }
}

impl AppRuntime {
    /// True while a revocation exists in memory alone.
    pub fn is_unwritten(&self, list: RevocationList) -> bool {
        match list {
            RevocationList::Keys => self.key_store.pending.waits(),
            RevocationList::Tokens => self.app().access.revoked.pending.waits(),
        }
    }

    pub(in crate::engine) fn has_unwritten(&self) -> bool {
        RevocationList::ALL.iter().any(|list| self.is_unwritten(*list))
    }

    fn is_due(&self, list: RevocationList, now: Instant) -> bool {
        match list {
            RevocationList::Keys => self.key_store.pending.is_due(now),
            RevocationList::Tokens => self.app().access.revoked.pending.is_due(now),
        }
    }

    fn failed(&self, list: RevocationList) -> bool {
        let now = Instant::now();
        match list {
            RevocationList::Keys => self.key_store.pending.failed(now),
            RevocationList::Tokens => self.app().access.revoked.pending.failed(now),
        }
    }
}
