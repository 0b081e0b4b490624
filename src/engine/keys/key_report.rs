//! The state of an app's keys and of the subscriptions served with them, for operators.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{key_counts::KeyCounts, rotation::RotationError};
use crate::{
    crypto::{
        key::Fingerprint,
        keytable::{KeyEntry, KeyState},
        secret::Derivation,
    },
    domain::time::UnixSeconds,
    engine::{AppRuntime, Engine},
    hub::rekey::rekey_policy::RekeyCounts,
};

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyReport {
    pub app: Arc<str>,
    #[schema(value_type = String)]
    pub derivation: Derivation,
    pub keys: Vec<KeyLine>,
    pub rotation: RotationLine,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyLine {
    #[schema(value_type = String)]
    pub id: Fingerprint,
    #[schema(value_type = String)]
    pub state: KeyState,
    pub since: UnixSeconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixSeconds>,
    /// Subscriptions to channels sealed by this server.
    pub subscriptions: u32,
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
pub struct RotationLine {
    pub in_progress: bool,
    /// Stragglers: subscriptions still at an earlier key version.
    pub remaining: u32,
    /// A key named by the configuration; it becomes active when the running rotation has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub waiting: Option<Fingerprint>,
    #[serde(flatten)]
    pub moves: RekeyTotals,
}

/// Rekeys since the start.
#[derive(Serialize, Deserialize, Clone, Copy, Default, utoipa::ToSchema)]
pub struct RekeyTotals {
    pub nudges: u64,
    pub reauthorized: u64,
    pub reverted: u64,
    pub closed: u64,
}

/// A key in `/stats`.
#[derive(Serialize)]
pub struct AppKey {
    app: Arc<str>,
    id: Fingerprint,
    state: KeyState,
    subscriptions: u32,
}

#[derive(Serialize)]
pub struct AppRekeyTotals {
    app: Arc<str>,
    #[serde(flatten)]
    moves: RekeyTotals,
}

impl From<&RekeyCounts> for RekeyTotals {
    fn from(counts: &RekeyCounts) -> Self {
        Self {
            nudges: counts.nudged.get(),
            reauthorized: counts.reauthorized.get(),
            reverted: counts.reverted.get(),
            closed: counts.closed.get(),
        }
    }
}

impl RekeyTotals {
    pub(in crate::engine) fn to_array(self) -> [u64; 4] {
        [self.nudges, self.reauthorized, self.reverted, self.closed]
    }

    pub(in crate::engine) fn add(&mut self, [nudges, reauthorized, reverted, closed]: [u64; 4]) {
        self.nudges = self.nudges.saturating_add(nudges);
        self.reauthorized = self.reauthorized.saturating_add(reauthorized);
        self.reverted = self.reverted.saturating_add(reverted);
        self.closed = self.closed.saturating_add(closed);
    }
}

impl AppRuntime {
    /// Of this server alone.
    pub fn own_key_report(&self) -> Result<KeyReport, RotationError> {
        self.key_report_of(self.key_counts())
    }

    /// `counts`: of one server, or of all nodes of a cluster.
    fn key_report_of(&self, counts: KeyCounts) -> Result<KeyReport, RotationError> {
        let ring = self.keys().ok_or(RotationError::NoKeys)?;
        let KeyCounts { behind: remaining, by_key: subscriptions, moves } = counts;
        let line = |key: &KeyEntry| KeyLine {
            id: key.id.clone(),
            state: key.state,
            since: key.since,
            until: key.until,
            subscriptions: subscriptions.get(&key.number).copied().unwrap_or(0),
        };
        Ok(KeyReport {
            app: self.id.clone(),
            derivation: ring.derivation(),
            keys: ring.table().keys().iter().map(line).collect(),
            rotation: RotationLine {
                in_progress: remaining > 0,
                remaining,
                waiting: self.waiting_key().map(|key| key.fingerprint()),
                moves,
            },
        })
    }
}

impl Engine {
    /// For threads that may wait: in a cluster all nodes are asked.
    pub fn key_report(&self, runtime: &AppRuntime) -> Result<KeyReport, RotationError> {
        runtime.key_report_of(self.key_counts_of_all(runtime))
    }

    pub(in crate::engine) fn key_stats(&self) -> (Vec<AppKey>, Vec<AppRekeyTotals>) {
        let (mut keys, mut moves) = (Vec::new(), Vec::new());
        for KeyReport { app, keys: lines, rotation, .. } in
            self.runtimes().iter().filter_map(|runtime| runtime.own_key_report().ok())
        {
            let known = lines.into_iter().filter(|line| line.state != KeyState::Retired);
            keys.extend(known.map(|KeyLine { id, state, subscriptions, .. }| AppKey {
                app: app.clone(),
                id,
                state,
                subscriptions,
            }));
            moves.push(AppRekeyTotals { app, moves: rotation.moves });
        }
        (keys, moves)
    }
}
