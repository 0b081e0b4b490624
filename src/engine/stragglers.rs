//! Subscriptions that have not moved to the active key, and stand in the way of the next rotation.

use super::{Engine, Tenant, key_errors::RotationError};
use crate::{
    audit::Fact,
    crypto::keytable::{KeyState, UnixSeconds},
    hub::mailbox::Post,
};

impl Tenant {
    /// How many there are; where there are any, it is refused unless they may be closed.
    pub(super) fn stragglers(&self, may_close: bool) -> Result<u32, RotationError> {
        match self.behind() {
            behind if behind > 0 && !may_close => {
                let (app, until) = (self.id.clone(), self.grace_ends());
                Err(RotationError::InProgress { app, behind, until })
            }
            behind => Ok(behind),
        }
    }

    /// When no earlier key is served any longer.
    fn grace_ends(&self) -> Option<UnixSeconds> {
        let table = self.keys()?.table();
        let in_grace = table.keys().iter().filter(|key| key.state == KeyState::Grace);
        in_grace.filter_map(|key| key.until).max()
    }
}

impl Engine {
    /// Their clients reconnect, and are given the key that is active then. Called before anybody is
    /// told of the next key, so that nobody has two moves ahead.
    pub(super) fn close_stragglers(&self, app: &Tenant, stragglers: u32) {
        if stragglers == 0 {
            return;
        }
        let tenant = app.terms.tenant;
        self.hub.post_to_all(|| Post::CloseStragglers { tenant });
        self.audit.note(Fact::RotationForced { app: app.id.clone(), closed: stragglers });
    }
}
