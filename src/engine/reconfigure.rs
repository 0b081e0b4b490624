//! Reconfiguration of a running server. All apps are prepared first; if that fails, nothing has
//! changed. Then all of them switch.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use super::{
    AppRuntime, Engine,
    app_update::AppUpdate,
    facts::Fact,
    keys::{
        reconcile::{ConfiguredKey, KeyChange},
        rotation::RotationError,
        waiting_keys::WaitingKey,
    },
    opening::{OpenAppError, PreparedApp, StateFiles, open, open_webhooks},
    removed_app::RemovedApp,
};
use crate::{
    app::{App, AppRegistry},
    cluster::node::commands::NodeCommand,
    crypto::{key::MasterKey, keytable::KeyState, secret::Derivation},
    observe::{audit::AuditFact, webhook::Webhooks},
    protocol::code::Close,
};

/// Result of a reconfiguration.
pub struct Reconfigured {
    /// Webhooks still without a sender.
    pub undelivered: Vec<Arc<Webhooks>>,
    /// Keys waiting for a rotation to end; everything else is in force.
    pub waiting: Vec<WaitingKey>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    #[error("apps.{app}.master_key: {reason}")]
    Key { app: Arc<str>, reason: RotationError },
    #[error(transparent)]
    Opening(#[from] OpenAppError),
}

/// Time for connections to close, so that webhooks still tell backends about the departures.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A prepared change of one app.
enum AppChange {
    Update { runtime: Arc<AppRuntime>, wanted: Box<AppUpdate>, webhooks: Option<Arc<Webhooks>> },
    Open(Box<PreparedApp>),
}

impl Engine {
    /// Serves exactly these apps from now on. `rest` applies the other changes of the reload, after
    /// the last step that can fail. A key whose rotation cannot start yet waits without holding up
    /// the rest.
    pub fn reconfigure(
        &self,
        all: Vec<AppUpdate>,
        files: StateFiles<'_>,
        rest: impl FnOnce(),
    ) -> Result<Reconfigured, ReconfigureError> {
        let before = self.runtimes.load_full();
        let known: Vec<Option<Arc<AppRuntime>>> =
            all.iter().map(|wanted| self.known(&before, &wanted.app.id)).collect();
        self.refuse_shared_keys(&all, &known)?;
        let (mut keys, mut waiting) = (Vec::new(), Vec::new());
        for (wanted, runtime) in all.iter().zip(&known) {
            let Some(runtime) = runtime else { continue };
            match self.key_of(runtime, &wanted.app)? {
                ConfiguredKey::Unchanged => {}
                ConfiguredKey::Change(change) => keys.push(*change),
                ConfiguredKey::Waits { key, why } => waiting.push((key, why)),
            }
        }
        let steps = all.into_iter().zip(&known).map(|(wanted, runtime)| match runtime {
            None => Ok(AppChange::Open(Box::new(open(wanted.app, files, self)?))),
            Some(runtime) => prepare_update(runtime.clone(), wanted, files, self),
        });
        let steps: Vec<AppChange> = steps.collect::<Result<_, OpenAppError>>()?;
        let (stay, come): (Vec<AppChange>, Vec<AppChange>) =
            steps.into_iter().partition(|step| matches!(step, AppChange::Update { .. }));
        // Key files of new apps: if one cannot be written, nothing has changed for any app.
        let come =
            come.into_iter().filter_map(AppChange::into_prepared).map(|opened| opened.commit());
        let come: Vec<Arc<AppRuntime>> = come.collect::<Result<_, _>>()?;
        self.take_keys(keys)?;
        for runtime in known.iter().flatten() {
            let key = waiting.iter().find(|(_, why)| why.app == runtime.id);
            runtime.set_waiting_key(key.map(|(key, _)| key.clone()));
        }
        rest();
        let mut undelivered = Vec::new();
        let mut runtimes = AppRegistry::new();
        for runtime in stay.into_iter().filter_map(|step| self.apply_update(step)).chain(come) {
            undelivered.extend(runtime.webhooks());
            runtimes.insert(runtime.id.clone(), runtime.app().key.clone(), runtime);
        }
        self.serve_only(&before, runtimes);
        let waiting = waiting.into_iter().map(|(_, why)| why).collect();
        Ok(Reconfigured { undelivered, waiting })
    }

    /// Serves the first apps, at the start.
    pub fn begin(
        &self,
        all: Vec<App>,
        files: StateFiles<'_>,
    ) -> Result<Vec<Arc<Webhooks>>, ReconfigureError> {
        let wanted = |app| AppUpdate { app, same_authorizer: false, same_webhooks: false };
        let begun = self.reconfigure(all.into_iter().map(wanted).collect(), files, || ())?;
        Ok(begun.undelivered)
    }

    /// Includes apps that are draining: they resume where they were if they are configured again.
    fn known(&self, served: &AppRegistry<AppRuntime>, id: &str) -> Option<Arc<AppRuntime>> {
        let removed = || {
            let removed = self.removed.lock();
            removed.iter().find(|removed| *removed.runtime.id == *id).map(|l| l.runtime.clone())
        };
        served.by_id(id).cloned().or_else(removed)
    }

    /// Two apps with one master key could read each other's channels. Duplicates within the
    /// configuration are refused when it is read.
    fn refuse_shared_keys(
        &self,
        all: &[AppUpdate],
        known: &[Option<Arc<AppRuntime>>],
    ) -> Result<(), ReconfigureError> {
        for (wanted, runtime) in all.iter().zip(known) {
            let Some(key) = configured(&wanted.app) else { continue };
            let id = key.fingerprint();
            let has_it = |runtime: &AppRuntime| {
                let table = runtime.keys().map(|ring| ring.table());
                let key = table.as_ref().and_then(|table| table.by_id(id.as_str()));
                key.is_some_and(|key| key.state != KeyState::Retired)
            };
            if runtime.as_ref().is_some_and(|runtime| has_it(runtime)) {
                continue;
            }
            let sharing = all.iter().zip(known).find(|(other, runtime)| {
                other.app.id != wanted.app.id
                    && !(other.app.shares_master_key && wanted.app.shares_master_key)
                    && runtime.as_ref().is_some_and(|runtime| has_it(runtime))
            });
            if let Some((other, _)) = sharing {
                let reason = RotationError::Shared { other: other.app.id.clone() };
                return Err(ReconfigureError::Key { app: wanted.app.id.clone(), reason });
            }
        }
        Ok(())
    }

    fn key_of<'a>(
        &self,
        runtime: &'a AppRuntime,
        app: &App,
    ) -> Result<ConfiguredKey<'a>, ReconfigureError> {
        let Some(key) = configured(app).filter(|_| runtime.keys().is_some()) else {
            return Ok(ConfiguredKey::Unchanged);
        };
        self.prepare_key(runtime, &key, app.rotation.grace_seconds).map_err(|reason| {
            self.note_refusal(runtime, &reason);
            ReconfigureError::Key { app: app.id.clone(), reason }
        })
    }

    /// Only a disk that failed after staging can make this fail. On the first key, nothing has
    /// changed yet; later failures cannot undo the keys before them.
    fn take_keys(&self, keys: Vec<KeyChange<'_>>) -> Result<(), ReconfigureError> {
        let mut taken = 0;
        for change in keys {
            let app = change.app().clone();
            match self.take_key(change) {
                Ok(()) => taken += 1,
                Err(error) if taken == 0 => {
                    return Err(ReconfigureError::Key { app, reason: error.into() });
                }
                Err(error) => tracing::error!(
                    app.id = &*app,
                    %error,
                    "the configuration names another master key, which cannot be written down: this key alone stays as it is, and SIGHUP tries it again"
                ),
            }
        }
        Ok(())
    }

    fn apply_update(&self, step: AppChange) -> Option<Arc<AppRuntime>> {
        let AppChange::Update { runtime, wanted, webhooks } = step else { return None };
        if webhooks.is_some() {
            runtime.set_webhooks(webhooks);
        }
        let same_alias = runtime.app().sealing_alias == wanted.app.sealing_alias;
        if runtime.change(*wanted) {
            self.hub.close_app(runtime.rekey_policy.runtime, &Close::AppDisabled);
        }
        if !same_alias {
            self.end_subscriptions_to_aliases(&runtime);
        }
        Some(runtime)
    }

    fn serve_only(&self, before: &AppRegistry<AppRuntime>, runtimes: AppRegistry<AppRuntime>) {
        let served: HashSet<Arc<str>> = runtimes.iter().map(|runtime| runtime.id.clone()).collect();
        for runtime in runtimes.iter().filter(|runtime| before.by_id(&runtime.id).is_none()) {
            self.note_served(runtime);
        }
        self.runtimes.store(Arc::new(runtimes));
        if let Some(node) = self.cluster.node() {
            node.send(NodeCommand::AppsChanged);
        }
        let gone = before.iter().filter(|runtime| !served.contains(&runtime.id));
        let since = Instant::now();
        let mut removed = self.removed.lock();
        removed.retain(|removed| !served.contains(&removed.runtime.id));
        for runtime in gone {
            tracing::info!(app.id = &*runtime.id, "app is no longer served");
            let reason = Close::UnknownApp { key: runtime.app().key.to_string() };
            self.hub.close_app(runtime.rekey_policy.runtime, &reason);
            removed.push(RemovedApp { runtime: runtime.clone(), since });
        }
    }

    pub fn note_served(&self, runtime: &AppRuntime) {
        let key = runtime.keys().map(|ring| ring.table().active().id.clone());
        tracing::info!(
            app.id = &*runtime.id,
            key.id = key.as_ref().map_or_else(|| "none (blind)".into(), ToString::to_string),
            "app ready"
        );
        if let Some(key) = key {
            self.note(Fact::Audited(AuditFact::KeyUsed { app: runtime.id.clone(), key }));
        }
        note_newest_revocation(runtime);
    }

    pub(super) fn removed_runtimes(&self) -> Vec<Arc<AppRuntime>> {
        self.removed.lock().iter().map(|removed| removed.runtime.clone()).collect()
    }

    /// Called about once a second.
    pub(super) fn tick_removed(&self, now: Instant) {
        self.removed.lock().retain(|RemovedApp { runtime, since }| {
            // An unwritten revocation lives in memory alone, so the app must stay.
            // A channel that this node follows has something to tell the others.
            let is_followed = runtime.directory.has_followed();
            let gone = runtime.connections() == 0 && !runtime.has_unwritten() && !is_followed;
            let Some(webhooks) = runtime.webhooks() else { return !gone };
            if gone || now.saturating_duration_since(*since) >= DRAIN_TIMEOUT {
                webhooks.close(now);
            }
            !(gone && webhooks.is_finished())
        });
    }
}

/// After a restore from a backup, revocations newer than this one are missing.
fn note_newest_revocation(runtime: &AppRuntime) {
    let ring = runtime.keys().filter(|ring| ring.derivation() == Derivation::Hkdf);
    let members = ring.as_ref().and_then(|ring| ring.table().newest_revocation());
    let newest = members.max(runtime.app().access.revoked.newest());
    if ring.is_some() || newest.is_some() {
        let at = |at| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at));
        tracing::info!(
            app.id = &*runtime.id,
            revocation.newest = newest.map_or_else(|| "none".into(), |time| at(time).to_string()),
            "this is the newest revocation of a member or token that is known: if the state directory was restored, revoke again what came later"
        );
    }
}

impl AppChange {
    fn into_prepared(self) -> Option<Box<PreparedApp>> {
        match self {
            Self::Open(opened) => Some(opened),
            Self::Update { .. } => None,
        }
    }
}

fn prepare_update(
    runtime: Arc<AppRuntime>,
    mut wanted: AppUpdate,
    files: StateFiles<'_>,
    engine: &Engine,
) -> Result<AppChange, OpenAppError> {
    let first = runtime.webhooks().is_none();
    let webhooks = if first { open_webhooks(&mut wanted.app, files, engine)? } else { None };
    wanted.same_webhooks |= first;
    Ok(AppChange::Update { runtime, wanted: Box::new(wanted), webhooks })
}

/// The master key named by the configuration.
fn configured(app: &App) -> Option<Arc<MasterKey>> {
    app.sealing.keys().and_then(|ring| ring.table().active().master.clone())
}
