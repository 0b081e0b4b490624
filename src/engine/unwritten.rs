//! Revocations in force but not yet on disk: a revocation must work without a disk.

use std::{io, sync::Arc, time::Instant};

use super::{Engine, Tenant, readiness::Unready};
use crate::{
    audit::{Fact, RevocationList},
    crypto::keyring::KeyRing,
    refusal::RefusalCode,
    state_dir::UntilRestart,
};

const UNTIL_RESTART: Unready = Unready {
    code: RefusalCode::RevokedUntilRestart.name(),
    reason: "A revocation is in force and could not be written to the state directory: a restart would undo it. The server writes it as soon as the disk allows",
};

impl Engine {
    /// Writes the current keys after a revocation.
    pub(super) fn write_keys(&self, tenant: &Tenant, ring: &KeyRing) -> Result<(), UntilRestart> {
        let written = tenant.key_store.write_down(ring);
        self.note_revocation(tenant, RevocationList::Keys, written)
    }

    /// Writes the revoked access tokens.
    pub(super) fn write_tokens(&self, tenant: &Tenant) -> Result<(), UntilRestart> {
        let written = tenant.app_kept().access.revoked.write_down();
        self.note_revocation(tenant, RevocationList::Tokens, written)
    }

    fn note_revocation(
        &self,
        tenant: &Tenant,
        list: RevocationList,
        written: io::Result<bool>,
    ) -> Result<(), UntilRestart> {
        match written {
            Ok(had_waited) => {
                self.note_written(tenant, list, had_waited);
                Ok(())
            }
            Err(error) => {
                if tenant.failed(list) {
                    tracing::error!(
                        app.id = &*tenant.id,
                        revocation.list = list.name(),
                        %error,
                        "a revocation is in force and cannot be written to the state directory: a restart would undo it; it is tried again"
                    );
                }
                self.audit.note(Fact::RevocationNotWritten { app: tenant.id.clone(), list });
                Err(UntilRestart(error))
            }
        }
    }

    pub(super) fn note_written(&self, tenant: &Tenant, list: RevocationList, had_waited: bool) {
        if had_waited {
            tracing::info!(
                app.id = &*tenant.id,
                revocation.list = list.name(),
                "pending revocations have been written to the state directory"
            );
            self.audit.note(Fact::RevocationWritten { app: tenant.id.clone(), list });
        }
    }

    /// True if an unwritten revocation is due for its next attempt.
    pub(super) fn writes_are_due(&self, now: Instant) -> bool {
        self.tenants_and_leaving()
            .iter()
            .any(|tenant| RevocationList::ALL.iter().any(|list| tenant.is_due(*list, now)))
    }

    /// Retries due writes.
    pub(super) fn write_what_waits(&self, now: Instant) {
        for tenant in self.tenants_and_leaving() {
            for list in RevocationList::ALL.into_iter().filter(|list| tenant.is_due(*list, now)) {
                self.write_again(&tenant, list);
            }
        }
    }

    fn write_again(&self, tenant: &Tenant, list: RevocationList) {
        let written = match (list, tenant.keys()) {
            (RevocationList::Keys, Some(ring)) => tenant.key_store.write_down(&ring),
            (RevocationList::Keys, None) => return,
            (RevocationList::Tokens, _) => tenant.app_kept().access.revoked.write_down(),
        };
        match written {
            Ok(had_waited) => self.note_written(tenant, list, had_waited),
            Err(_) => _ = tenant.failed(list),
        }
    }

    /// The last attempt, at shutdown.
    pub fn write_at_the_end(&self) {
        for tenant in self.tenants_and_leaving() {
            for list in RevocationList::ALL.into_iter().filter(|list| tenant.waits(*list)) {
                self.write_again(&tenant, list);
                if tenant.waits(list) {
                    tracing::error!(
                        app.id = &*tenant.id,
                        revocation.list = list.name(),
                        "revocations were never written to the state directory and end with this process: revoke again after the start"
                    );
                }
            }
        }
    }

    /// For operators only: a stranger could learn when crashing the server undoes a revocation.
    pub fn notices(&self) -> Vec<Unready> {
        let waits = self.tenants_and_leaving().iter().any(|tenant| tenant.has_unwritten());
        waits.then_some(UNTIL_RESTART).into_iter().collect()
    }

    fn tenants_and_leaving(&self) -> Vec<Arc<Tenant>> {
        let mut all: Vec<_> = self.tenants().iter().cloned().collect();
        all.extend(self.leaving_tenants());
        all
    }
}

impl Tenant {
    /// True while a revocation exists in memory alone.
    pub fn waits(&self, list: RevocationList) -> bool {
        match list {
            RevocationList::Keys => self.key_store.pending.waits(),
            RevocationList::Tokens => self.app().access.revoked.pending.waits(),
        }
    }

    pub(super) fn has_unwritten(&self) -> bool {
        RevocationList::ALL.iter().any(|list| self.waits(*list))
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
