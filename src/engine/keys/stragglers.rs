//! Stragglers: subscriptions still at an earlier key version, which block the next rotation.

use super::key_errors::RotationError;
use crate::{
    crypto::keytable::KeyState,
    domain::time::UnixSeconds,
    engine::{AppRuntime, Engine, facts::Fact},
    hub::mailbox::WorkerCommand,
    observe::audit::AuditFact,
};

impl AppRuntime {
    /// The number of stragglers; an error if there are any and they may not be closed.
    pub(in crate::engine) fn stragglers(&self, may_close: bool) -> Result<u32, RotationError> {
        self.refuse_stragglers(self.behind(), may_close)
    }

    /// `behind`: on this server, or on all nodes of a cluster.
    pub(in crate::engine) fn refuse_stragglers(
        &self,
        behind: u32,
        may_close: bool,
    ) -> Result<u32, RotationError> {
        match behind {
            behind if behind > 0 && !may_close => {
                let (app, until) = (self.id.clone(), self.grace_ends());
                Err(RotationError::InProgress { app, behind, until })
            }
            behind => Ok(behind),
        }
    }

    /// End of the last grace period.
    fn grace_ends(&self) -> Option<UnixSeconds> {
        let table = self.keys()?.table();
        let in_grace = table.keys().iter().filter(|key| key.state == KeyState::Grace);
        in_grace.filter_map(|key| key.until).max()
    }
}

impl Engine {
    /// Their clients reconnect and get the active key. Must be called before the next key is
    /// announced: no subscription may have two rekeys ahead.
    pub(in crate::engine) fn close_stragglers(&self, app: &AppRuntime, stragglers: u32) {
        if stragglers == 0 {
            return;
        }
        let runtime = app.rekey_policy.runtime;
        self.hub.post_to_all(|| WorkerCommand::CloseStragglers { runtime });
        self.note(Fact::Audited(AuditFact::RotationForced {
            app: app.id.clone(),
            closed: stragglers,
        }));
    }
}
