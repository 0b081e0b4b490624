//! Reloads of the configuration, for operators.

use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    domain::time::UnixSeconds,
    platform::{clock::unix_now, counting::Count},
};

#[derive(Default)]
pub struct Reloads {
    pub taken: Count,
    pub refused: Count,
    state: Mutex<ReloadState>,
}

#[derive(Default)]
struct ReloadState {
    last: Option<LastReload>,
    last_taken: Option<UnixSeconds>,
    waits_for_restart: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct LastReload {
    /// Seconds since 1970.
    pub at: UnixSeconds,
    /// `None` if the configuration was applied.
    pub error: Option<String>,
}

impl Reloads {
    /// `waits_for_restart`: names of the settings that differ from those in force.
    pub fn note_taken(&self, waits_for_restart: &[String]) {
        let (now, mut state) = (unix_now(), self.state.lock());
        state.last = Some(LastReload { at: now, error: None });
        state.last_taken = Some(now);
        state.waits_for_restart = waits_for_restart.to_vec();
        self.taken.add();
    }

    pub fn note_refused(&self, error: String) {
        self.state.lock().last = Some(LastReload { at: unix_now(), error: Some(error) });
        self.refused.add();
    }

    /// Time of the last successful reload, in seconds since 1970.
    pub fn last_taken(&self) -> Option<UnixSeconds> {
        self.state.lock().last_taken
    }

    pub fn last(&self) -> Option<LastReload> {
        self.state.lock().last.clone()
    }

    /// As of the last successful reload.
    pub fn waits_for_restart(&self) -> Vec<String> {
        self.state.lock().waits_for_restart.clone()
    }
}
