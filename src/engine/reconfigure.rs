//! Reconfiguration of a running server. All apps are prepared first; if that fails, nothing has
//! changed. Then all of them switch.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use super::{
    Engine, Tenant,
    opening::{NotOpened, Opened, StateFiles, open, open_webhooks},
    reconcile::{ConfiguredKey, KeyChange},
    rotation::RotationError,
    waiting_keys::WaitingKey,
};
use crate::{
    app::{App, AppRegistry},
    audit::Fact,
    crypto::{key::MasterKey, keytable::KeyState, secret::Derivation},
    live::Feed,
    protocol::code::Close,
    webhook::Webhooks,
};

/// The new configuration of one app.
pub struct Wanted {
    pub app: App,
    /// The authorizer is unchanged: its cached decisions are kept.
    pub same_authorizer: bool,
    pub same_webhooks: bool,
}

/// Result of a reconfiguration.
pub struct Reconfigured {
    /// Webhooks still without a sender.
    pub undelivered: Vec<Arc<Webhooks>>,
    /// Keys waiting for a rotation to end; everything else is in force.
    pub waiting: Vec<WaitingKey>,
}

#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("apps.{app}.master_key: {reason}")]
    Key { app: Arc<str>, reason: RotationError },
    #[error(transparent)]
    Opening(#[from] NotOpened),
}

/// An app removed from the configuration. It drains until its connections are closed and its
/// webhooks delivered.
pub(super) struct Leaving {
    tenant: Arc<Tenant>,
    since: Instant,
}

/// Time for connections to close, so that webhooks still tell backends about the departures.
const FAREWELL: Duration = Duration::from_secs(10);

/// A prepared change of one app.
enum Step {
    Stays { tenant: Arc<Tenant>, wanted: Box<Wanted>, webhooks: Option<Arc<Webhooks>> },
    Comes(Box<Opened>),
}

impl Engine {
    /// Serves exactly these apps from now on. `rest` applies the other changes of the reload, after
    /// the last step that can fail. A key whose rotation cannot start yet waits without holding up
    /// the rest.
    pub fn reconfigure(
        &self,
        all: Vec<Wanted>,
        files: StateFiles<'_>,
        rest: impl FnOnce(),
    ) -> Result<Reconfigured, NotTaken> {
        let before = self.tenants.load_full();
        let known: Vec<Option<Arc<Tenant>>> =
            all.iter().map(|wanted| self.known(&before, &wanted.app.id)).collect();
        self.refuse_shared_keys(&all, &known)?;
        let (mut keys, mut waiting) = (Vec::new(), Vec::new());
        for (wanted, tenant) in all.iter().zip(&known) {
            let Some(tenant) = tenant else { continue };
            match self.key_of(tenant, &wanted.app)? {
                ConfiguredKey::Unchanged => {}
                ConfiguredKey::Change(change) => keys.push(*change),
                ConfiguredKey::Waits { key, why } => waiting.push((key, why)),
            }
        }
        let steps = all.into_iter().zip(&known).map(|(wanted, tenant)| match tenant {
            None => Ok(Step::Comes(Box::new(open(wanted.app, files, self)?))),
            Some(tenant) => stays(tenant.clone(), wanted, files, &self.live),
        });
        let steps: Vec<Step> = steps.collect::<Result<_, NotOpened>>()?;
        let (stay, come): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| matches!(step, Step::Stays { .. }));
        // Key files of new apps: if one cannot be written, nothing has changed for any app.
        let come = come.into_iter().filter_map(Step::comes).map(|opened| opened.settle());
        let come: Vec<Arc<Tenant>> = come.collect::<Result<_, _>>()?;
        self.take_keys(keys)?;
        for tenant in known.iter().flatten() {
            let key = waiting.iter().find(|(_, why)| why.app == tenant.id);
            tenant.set_waiting_key(key.map(|(key, _)| key.clone()));
        }
        rest();
        let mut undelivered = Vec::new();
        let mut tenants = AppRegistry::new();
        for tenant in stay.into_iter().filter_map(|step| self.stay(step)).chain(come) {
            undelivered.extend(tenant.webhooks());
            tenants.insert(tenant.id.clone(), tenant.app().key.clone(), tenant);
        }
        self.serve_only(&before, tenants);
        let waiting = waiting.into_iter().map(|(_, why)| why).collect();
        Ok(Reconfigured { undelivered, waiting })
    }

    /// Serves the first apps, at the start.
    pub fn begin(
        &self,
        all: Vec<App>,
        files: StateFiles<'_>,
    ) -> Result<Vec<Arc<Webhooks>>, NotTaken> {
        let wanted = |app| Wanted { app, same_authorizer: false, same_webhooks: false };
        let begun = self.reconfigure(all.into_iter().map(wanted).collect(), files, || ())?;
        Ok(begun.undelivered)
    }

    /// Includes apps that are draining: they resume where they were if they are configured again.
    fn known(&self, served: &AppRegistry<Tenant>, id: &str) -> Option<Arc<Tenant>> {
        let leaving = || {
            let leaving = self.leaving.lock();
            leaving.iter().find(|leaving| *leaving.tenant.id == *id).map(|l| l.tenant.clone())
        };
        served.by_id(id).cloned().or_else(leaving)
    }

    /// Two apps with one master key could read each other's channels. Duplicates within the
    /// configuration are refused when it is read.
    fn refuse_shared_keys(
        &self,
        all: &[Wanted],
        known: &[Option<Arc<Tenant>>],
    ) -> Result<(), NotTaken> {
        for (wanted, tenant) in all.iter().zip(known) {
            let Some(key) = configured(&wanted.app) else { continue };
            let id = key.fingerprint();
            let has_it = |tenant: &Tenant| {
                let table = tenant.keys().map(|ring| ring.table());
                let key = table.as_ref().and_then(|table| table.by_id(id.as_str()));
                key.is_some_and(|key| key.state != KeyState::Retired)
            };
            if tenant.as_ref().is_some_and(|tenant| has_it(tenant)) {
                continue;
            }
            let sharing = all.iter().zip(known).find(|(other, tenant)| {
                other.app.id != wanted.app.id
                    && !(other.app.shares_master_key && wanted.app.shares_master_key)
                    && tenant.as_ref().is_some_and(|tenant| has_it(tenant))
            });
            if let Some((other, _)) = sharing {
                let reason = RotationError::Shared { other: other.app.id.clone() };
                return Err(NotTaken::Key { app: wanted.app.id.clone(), reason });
            }
        }
        Ok(())
    }

    fn key_of<'a>(&self, tenant: &'a Tenant, app: &App) -> Result<ConfiguredKey<'a>, NotTaken> {
        let Some(key) = configured(app).filter(|_| tenant.keys().is_some()) else {
            return Ok(ConfiguredKey::Unchanged);
        };
        self.prepare_key(tenant, &key, app.rotation.grace_seconds).map_err(|reason| {
            self.note_refusal(tenant, &reason);
            NotTaken::Key { app: app.id.clone(), reason }
        })
    }

    /// Only a disk that failed after staging can make this fail. On the first key, nothing has
    /// changed yet; later failures cannot undo the keys before them.
    fn take_keys(&self, keys: Vec<KeyChange<'_>>) -> Result<(), NotTaken> {
        let mut taken = 0;
        for change in keys {
            let app = change.app().clone();
            match self.take_key(change) {
                Ok(()) => taken += 1,
                Err(error) if taken == 0 => {
                    return Err(NotTaken::Key { app, reason: error.into() });
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

    fn stay(&self, step: Step) -> Option<Arc<Tenant>> {
        let Step::Stays { tenant, wanted, webhooks } = step else { return None };
        if webhooks.is_some() {
            tenant.set_webhooks(webhooks);
        }
        let same_alias = tenant.app().sealing_alias == wanted.app.sealing_alias;
        if tenant.change(*wanted) {
            self.hub.dismiss(tenant.terms.tenant, &Close::AppDisabled);
        }
        if !same_alias {
            self.end_subscriptions_to_aliases(&tenant);
        }
        Some(tenant)
    }

    fn serve_only(&self, before: &AppRegistry<Tenant>, tenants: AppRegistry<Tenant>) {
        let served: HashSet<Arc<str>> = tenants.iter().map(|tenant| tenant.id.clone()).collect();
        for tenant in tenants.iter().filter(|tenant| before.by_id(&tenant.id).is_none()) {
            self.note_served(tenant);
        }
        self.tenants.store(Arc::new(tenants));
        let gone = before.iter().filter(|tenant| !served.contains(&tenant.id));
        let since = Instant::now();
        let mut leaving = self.leaving.lock();
        leaving.retain(|leaving| !served.contains(&leaving.tenant.id));
        for tenant in gone {
            tracing::info!(app.id = &*tenant.id, "app is no longer served");
            let reason = Close::UnknownApp { key: tenant.app().key.to_string() };
            self.hub.dismiss(tenant.terms.tenant, &reason);
            leaving.push(Leaving { tenant: tenant.clone(), since });
        }
    }

    pub fn note_served(&self, tenant: &Tenant) {
        let key = tenant.keys().map(|ring| ring.table().active().id.clone());
        tracing::info!(
            app.id = &*tenant.id,
            key.id = key.as_ref().map_or_else(|| "none (blind)".into(), ToString::to_string),
            "app ready"
        );
        if let Some(key) = key {
            self.audit.note(Fact::KeyUsed { app: tenant.id.clone(), key });
        }
        note_newest_revocation(tenant);
    }

    pub(super) fn leaving_tenants(&self) -> Vec<Arc<Tenant>> {
        self.leaving.lock().iter().map(|leaving| leaving.tenant.clone()).collect()
    }

    /// Called about once a second.
    pub(super) fn tick_leaving(&self, now: Instant) {
        self.leaving.lock().retain(|Leaving { tenant, since }| {
            // An unwritten revocation lives in memory alone, so the app must stay.
            let gone = tenant.connections() == 0 && !tenant.has_unwritten();
            let Some(webhooks) = tenant.webhooks() else { return !gone };
            if gone || now.saturating_duration_since(*since) >= FAREWELL {
                webhooks.close(now);
            }
            !(gone && webhooks.is_over())
        });
    }
}

/// After a restore from a backup, revocations newer than this one are missing.
fn note_newest_revocation(tenant: &Tenant) {
    let ring = tenant.keys().filter(|ring| ring.derivation() == Derivation::Hkdf);
    let members = ring.as_ref().and_then(|ring| ring.table().newest_revocation());
    let newest = members.max(tenant.app().access.revoked.newest());
    if ring.is_some() || newest.is_some() {
        let at = |at| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at));
        tracing::info!(
            app.id = &*tenant.id,
            revocation.newest = newest.map_or_else(|| "none".into(), |time| at(time).to_string()),
            "this is the newest revocation of a member or token that is known: if the state directory was restored, revoke again what came later"
        );
    }
}

impl Step {
    fn comes(self) -> Option<Box<Opened>> {
        match self {
            Self::Comes(opened) => Some(opened),
            Self::Stays { .. } => None,
        }
    }
}

fn stays(
    tenant: Arc<Tenant>,
    mut wanted: Wanted,
    files: StateFiles<'_>,
    live: &Arc<Feed>,
) -> Result<Step, NotOpened> {
    let first = tenant.webhooks().is_none();
    let webhooks = if first { open_webhooks(&mut wanted.app, files, live)? } else { None };
    wanted.same_webhooks |= first;
    Ok(Step::Stays { tenant, wanted: Box::new(wanted), webhooks })
}

/// The master key named by the configuration.
fn configured(app: &App) -> Option<Arc<MasterKey>> {
    app.sealing.keys().and_then(|ring| ring.table().active().master.clone())
}
